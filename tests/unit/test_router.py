"""Who carries a message: eligibility, the pick, the order after it, the counts."""

import os
from fractions import Fraction
from random import Random

import pytest

from mailbalance import ConfigError, Envelope, MemoryBackend, Message, MessageError
from mailbalance.backend import Receipt
from mailbalance.routing import Dispatcher, Entry
from mailbalance.routing.admission import Ask, Fresh, Permit
from mailbalance.routing.split import by_messages, by_recipients


class Picky(MemoryBackend):
    """Carries only messages without attachments of words: subjects of one word."""

    def refuses(self, message, envelope):
        return "the subject has more than one word" if " " in message.subject else None


def message(subject="one", to="ana@example.com"):
    return Message(from_="me@example.com", to=to, subject=subject, text="x")


def entry(backend, weight, *, backup=False):
    return Entry(backend, Fraction(weight), backup=backup)


@pytest.fixture(autouse=True, params=["assign", "route"])
def way(request, monkeypatch):
    """Whether a message is routed and let in by one verb, or routed only."""
    monkeypatch.setattr(route, "way", request.param, raising=False)


def route(router, what=None, **options):
    what = what or message()
    if route.way == "route":
        return router.route(what, Envelope.of(what), **options)
    permit = Permit()
    try:
        router.assign(permit, what, Envelope.of(what), 0.0, 20.0, **options)
        return permit.route
    finally:
        permit.over = True


def names(found):
    return [backend.name for backend in found.order]


def test_the_shares_are_exact_in_what_the_router_assigns():
    router = Dispatcher([entry(MemoryBackend("a"), 60), entry(MemoryBackend("b"), 40)])

    picks = [route(router).assigned for _ in range(1000)]

    assert picks.count("a") in (599, 600, 601)
    assert [share.assigned for share in router.shares()] == [
        picks.count("a"),
        picks.count("b"),
    ]


def test_a_backend_with_weight_zero_carries_nothing():
    router = Dispatcher([entry(MemoryBackend("a"), 1), entry(MemoryBackend("b"), 0)])

    assert {tuple(names(route(router))) for _ in range(20)} == {("a",)}


def test_a_backup_is_last_in_every_order_and_never_assigned():
    router = Dispatcher(
        [entry(MemoryBackend("spare"), 0, backup=True), entry(MemoryBackend("a"), 1)]
    )

    assert {tuple(names(route(router))) for _ in range(20)} == {("a", "spare")}


def test_a_backend_on_another_account_comes_next_then_the_heavier():
    router = Dispatcher(
        [
            entry(MemoryBackend("ses", account="aws"), 50),
            entry(MemoryBackend("ses-smtp", account="aws"), 30),
            entry(MemoryBackend("mailtrap", account="mt"), 5),
            entry(MemoryBackend("mailtrap-smtp", account="mt"), 15),
        ]
    )
    orders = {tuple(names(route(router))) for _ in range(40)}

    assert ("ses", "mailtrap-smtp", "mailtrap", "ses-smtp") in orders
    assert ("mailtrap", "ses", "ses-smtp", "mailtrap-smtp") in orders


def test_a_backend_that_cannot_carry_it_is_left_out_with_the_reason():
    router = Dispatcher([entry(Picky("picky"), 90), entry(MemoryBackend("b"), 10)])

    found = route(router, message("two words"))

    assert (names(found), found.forced) == (["b"], True)
    assert found.left_out == (("picky", "the subject has more than one word"),)


def test_forced_messages_do_not_bend_the_split():
    router = Dispatcher([entry(Picky("picky"), 60), entry(MemoryBackend("b"), 40)])

    for number in range(1000):
        route(router, message("two words" if number % 2 else "one"))

    picky, other = router.shares()
    assert picky.assigned in (299, 300, 301)
    assert other.assigned in (199, 200, 201)
    assert (picky.forced, other.forced) == (0, 500)


def test_a_message_nobody_can_carry_tells_every_reason():
    router = Dispatcher([entry(Picky("p"), 1), entry(Picky("q"), 1)])

    with pytest.raises(MessageError) as caught:
        route(router, message("two words"))

    assert len(caught.value.problems) == 2
    assert "p cannot carry this message" in caught.value.problems[0]


def test_a_backup_carries_what_the_weighted_cannot():
    router = Dispatcher(
        [entry(Picky("picky"), 1), entry(MemoryBackend("spare"), 0, backup=True)]
    )

    found = route(router, message("two words"))

    assert (names(found), found.assigned, found.forced) == (["spare"], "spare", True)


def test_via_pins_one_backend_and_leaves_the_split_aside():
    router = Dispatcher([entry(MemoryBackend("a"), 1), entry(MemoryBackend("b"), 1)])

    found = [route(router, via="b") for _ in range(10)]

    assert {tuple(names(each)) for each in found} == {("b",)}
    assert [share.assigned for share in router.shares()] == [0, 0]
    assert router.shares()[1].forced == 10


def test_via_an_unknown_backend_names_the_known_ones():
    router = Dispatcher([entry(MemoryBackend("a"), 1), entry(MemoryBackend("b"), 1)])

    with pytest.raises(ConfigError, match="they are a, b"):
        route(router, via="c")


def test_via_a_backend_of_weight_zero_is_refused():
    router = Dispatcher([entry(MemoryBackend("a"), 1), entry(MemoryBackend("b"), 0)])

    with pytest.raises(ConfigError, match="weight 0"):
        route(router, via="b")


def test_via_a_backend_that_cannot_carry_it_says_why():
    router = Dispatcher([entry(Picky("picky"), 1), entry(MemoryBackend("b"), 1)])

    with pytest.raises(MessageError, match="more than one word"):
        route(router, message("two words"), via="picky")


def test_a_preview_moves_nothing_and_tells_the_truth():
    router = Dispatcher([entry(MemoryBackend("a"), 1), entry(MemoryBackend("b"), 1)])
    what = message()

    seen = [router.peek(what, Envelope.of(what)).assigned for _ in range(5)]
    then = route(router).assigned

    assert set(seen) == {then}
    assert sum(share.assigned for share in router.shares()) == 1


def test_counted_in_recipients_a_large_message_weighs_more():
    router = Dispatcher(
        [entry(MemoryBackend("a"), 50), entry(MemoryBackend("b"), 50)],
        unit="recipients",
    )
    large = message(to=[f"r{n}@example.com" for n in range(30)])

    first = route(router, large).assigned
    rest = [route(router).assigned for _ in range(30)]

    assert rest.count(first) == 0


def test_a_forked_process_starts_its_own_split_and_counts():
    router = Dispatcher([entry(MemoryBackend("a"), 60), entry(MemoryBackend("b"), 40)])
    route(router)
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        route(router)
        os.write(write, str(sum(s.assigned for s in router.shares())).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 10) == b"1"
    os.close(read)
    os.close(write)


def test_a_router_without_any_weight_is_a_mistake():
    with pytest.raises(ConfigError, match="weight above 0"):
        Dispatcher([entry(MemoryBackend("a"), 0)])


def test_a_stand_in_acts_for_one_message_under_the_same_name_and_share():
    router = Dispatcher(
        [entry(Picky("a"), 1), entry(MemoryBackend("b"), 0, backup=True)]
    )
    stand_in = MemoryBackend("a", account="own")

    found = route(router, message("two words"), stand_ins={"a": stand_in})

    assert found.order[0] is stand_in
    assert router.shares()[0].assigned == 1


def test_a_unit_that_nothing_is_counted_in_is_a_mistake():
    with pytest.raises(ConfigError, match="'messages' or 'recipients'"):
        Dispatcher([entry(MemoryBackend("a"), 1)], unit="bytes")


@pytest.mark.parametrize(
    ("unit", "split"), [("messages", by_messages), ("recipients", by_recipients)]
)
def test_the_picks_are_those_of_the_units_split(unit, split):
    weights = {"a": 50, "b": 30, "c": 20}
    entries = [entry(MemoryBackend(name), weight) for name, weight in weights.items()]
    router = Dispatcher(entries, unit=unit, random=lambda: Random(7))
    exact = split([Fraction(weight) for weight in weights.values()], Random(7))

    picks = [route(router).assigned for _ in range(50)]

    assert picks == ["abc"[exact.pick()] for _ in range(50)]


def carry(router, accepted):
    """Let an attempt by the first backend be accepted, by the plan's verbs."""
    permit, first = Permit(), router.entries[0]
    router.choose(permit, [Fresh(first.backend)], Ask("", len(accepted), 0.0, 20.0))
    router.learn(permit, Receipt("accepted", first.name, accepted=accepted), 0.0)


@pytest.mark.parametrize(("unit", "counted"), [("messages", 1), ("recipients", 3)])
def test_all_counts_are_in_the_routers_unit(unit, counted):
    spare = entry(MemoryBackend("spare"), 0, backup=True)
    router = Dispatcher([entry(Picky("a"), 1), spare], unit=unit)
    three = [f"r{n}@example.com" for n in range(3)]

    route(router, message("one", to=three))
    route(router, message("two words", to=three))
    route(router, message("one", to=three), via="a")
    carry(router, three)

    first, second = router.shares()
    assert (first.assigned, first.forced, first.carried) == (counted,) * 3
    assert (second.assigned, second.forced, second.carried) == (0, counted, 0)


def test_the_shares_tell_weights_and_what_they_amount_to():
    router = Dispatcher(
        [
            entry(MemoryBackend("a"), 3),
            entry(MemoryBackend("b"), 1),
            entry(MemoryBackend("none"), 0),
            entry(MemoryBackend("spare"), 9, backup=True),
        ]
    )

    told = [(s.backend, s.weight, s.share, s.backup) for s in router.shares()]

    assert told == [
        ("a", 3, 0.75, False),
        ("b", 1, 0.25, False),
        ("none", 0, 0.0, False),
        ("spare", 0, 0.0, True),
    ]


def test_a_message_that_is_pinned_is_forced():
    router = Dispatcher([entry(MemoryBackend("a"), 1), entry(MemoryBackend("b"), 1)])

    assert route(router, via="a").forced
    assert not route(router).forced


@pytest.mark.parametrize(("unit", "counted"), [("messages", 1), ("recipients", 3)])
def test_what_is_settled_at_once_is_counted_in_the_same_unit(unit, counted):
    router = Dispatcher([entry(MemoryBackend("a"), 1)], unit=unit)
    three = tuple(f"r{n}@example.com" for n in range(3))
    carry(router, three)
    permit, what = Permit(), message(to=three)

    asked = router.assign(permit, what, Envelope.of(what), 0.0, 20.0)
    receipt = router.settle(permit, Receipt("accepted", "a", accepted=three), 3, 1.5)

    assert (asked.name, receipt.assigned, receipt.forced) == ("a", "a", False)
    assert [(each.duration, each.recipients) for each in receipt.attempts] == [(1.5, 3)]
    assert [share.carried for share in router.shares()] == [2 * counted]
