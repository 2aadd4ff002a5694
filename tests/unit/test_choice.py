"""How backends look to one message, and which of them looks best."""

import pytest

from mailbalance.backend import Rate
from mailbalance.errors import TransientError, UnavailableError
from mailbalance.routing.admission import Ask, Fresh, View, best
from tests.unit.gates import NOW, Door, Learning, Probed, fill, gate_of, permit_of

REFUSED = TransientError("refused", phase="connect")


def ask(*, recipients=1, latest=NOW + 20, **facts):
    return Ask("example.com", recipients, NOW, latest, **facts)


def view(
    door=None, asked=None, *, gate=None, place=0, sender=None, frozen=False, **own
):
    door = door or Door()
    gate = gate or gate_of(door)
    candidate = Fresh(door, **own)
    return View(gate, place, candidate, asked or ask(), sender=sender, frozen=frozen)


def granted(seen, asked=None):
    """Let it go; give the permit and the changes that this made."""
    given = permit_of()
    return given, seen.grant(given, asked or ask())


def cooling(breaker, *, since=NOW):
    """Let it rest from then on, for five minutes."""
    breaker.open(UnavailableError("no", scope=breaker.scope, phase="auth"), since)
    return breaker


def gate_with(door=None, **facts):
    """Make a gate; its own breaker cools since then, if it says so."""
    gate = gate_of(door or Door())
    if "since" in facts:
        cooling(gate.breaker, since=facts["since"])
    if "in_flight" in facts:
        fill(gate, facts["in_flight"])
    if "tokens" in facts:
        gate.budget.tokens = facts["tokens"]
    if "pause" in facts:
        gate.pause.slow_down(facts["pause"], began=NOW, now=NOW)
    return gate


ONE = Door(concurrency=1)


@pytest.mark.parametrize(
    ("facts", "own", "why"),
    [
        ({}, {}, ""),
        ({"since": NOW}, {}, "it refuses our credentials"),
        ({"since": NOW - 999}, {}, ""),
        ({"pause": 7.0}, {}, "no room for 7.0 s"),
        ({"pause": 0.5}, {}, "no room for 0.5 s"),
        ({"in_flight": 1}, {}, "1 messages are in flight, and no more may be"),
        ({"tokens": 4}, {"tries": 1}, "too many messages were tried again there"),
        ({"tokens": 5}, {"tries": 1}, ""),
        ({"tokens": 4}, {}, ""),
        ({}, {"tries": 1, "not_before": NOW + 3}, "no room for 3.0 s"),
        ({}, {"tries": 1, "not_before": NOW - 3}, ""),
        ({}, {"not_before": NOW + 3}, ""),
        ({"pause": 7.0}, {"tries": 1, "not_before": NOW + 3}, "no room for 7.0 s"),
    ],
)
def test_a_message_goes_at_once_unless_something_speaks_against_it(facts, own, why):
    seen = view(ONE, gate=gate_with(ONE, **facts), **own)

    assert (seen.goes_at_once, seen.why_not) == (why == "", why)


@pytest.mark.parametrize(
    ("rested", "frozen", "fit"),
    [
        ((), False, "yes"),
        ((), True, "yes"),
        ((300,), False, "probe"),
        ((300,), True, "no"),
        ((0,), False, "no"),
        ((0, 300), False, "no"),
        ((300, 0), False, "no"),
        ((300, 300), False, "probe"),
    ],
)
def test_the_worst_of_several_breakers_counts(rested, frozen, fit):
    gate = gate_of(Door())
    for breaker, seconds in zip(gate.breakers, rested, strict=False):
        cooling(breaker, since=NOW - 2 * seconds)

    assert view(gate=gate, frozen=frozen).fit == fit


def test_a_senders_own_rest_keeps_its_message_away():
    sender = cooling(gate_of(Door()).breaker)

    assert (view().fit, view(sender=sender).fit) == ("yes", "no")


TOGETHER = ask(together={"ses"})


@pytest.mark.parametrize(
    ("door", "asked", "kind"),
    [
        (Door(), TOGETHER, "together"),
        (Door(), ask(), "single"),
        (Door(), ask(together={"mailtrap"}), "single"),
        (Door(Rate(2, 10.0)), TOGETHER, "together"),
        (Door(Rate(1, 10.0)), TOGETHER, "single"),
        (Door(Rate(1, 0.5)), TOGETHER, "single"),
        (Door(Rate(1, 10.0, "requests")), TOGETHER, "together"),
    ],
)
def test_a_message_goes_with_others_where_it_may_and_need_not_wait_or_ask(
    door, asked, kind
):
    gate = gate_of(door)
    granted(view(door, gate=gate))  # one went before

    assert granted(view(door, asked, gate=gate), asked)[0].kind == kind


def test_a_message_that_asks_for_limits_goes_by_itself():
    gate = gate_of(Learning())

    kinds = [granted(view(Learning(), TOGETHER, gate=gate), TOGETHER) for _ in range(2)]

    assert [given.kind for given, _ in kinds] == ["single", "together"]


def test_a_probe_goes_by_itself():
    gate = gate_with(since=NOW - 999)

    assert granted(view(gate=gate, asked=TOGETHER), TOGETHER)[0].kind == "single"


def test_one_that_cannot_go_with_others_waits_for_a_request_of_its_own():
    door = Door(Rate(1, 3.0), Rate(1, 60.0, "requests"))
    gate = gate_of(door)
    granted(view(door, gate=gate))

    assert view(door, TOGETHER, gate=gate).wait == 60.0


def test_what_goes_with_others_takes_no_place_of_a_full_backend():
    gate = gate_with(ONE, in_flight=1)

    assert view(ONE, TOGETHER, gate=gate).goes_at_once


@pytest.mark.parametrize(("seconds", "may"), [(19.9, True), (20.0, True), (21, False)])
def test_nothing_is_begun_after_the_last_moment(seconds, may):
    seen = view(gate=gate_with(pause=seconds))

    assert seen.may_go(ask()) == may
    assert (best([seen], ask()) is seen) == may


def test_what_may_not_be_tried_again_is_not_waited_for_either():
    assert best([view(gate=gate_with(tokens=0), tries=1)], ask()) is None


def test_nobody_is_the_best_of_none():
    assert best([], ask()) is None


def chosen(*views):
    """Tell which of them is best."""
    return views.index(best(views, ask()))


def test_the_best_of_those_that_are_fit_has_room_first():
    late, soon = (view(gate=gate_with(pause=seconds)) for seconds in (7.0, 3.0))

    assert chosen(late, soon) == 1
    assert chosen(soon, late) == 0


@pytest.mark.parametrize(("seconds", "first"), [(0.4, 1), (0.6, 0)])
def test_a_full_backend_has_room_when_one_message_is_through(seconds, first):
    full = view(ONE, gate=gate_with(ONE, in_flight=1))

    assert chosen(full, view(gate=gate_with(pause=seconds), place=1)) == first


def test_those_with_room_at_the_same_moment_keep_their_order():
    first, second = (view(gate=gate_with(pause=7.0), place=n) for n in (0, 1))

    assert chosen(second, first) == 1


def test_one_that_is_fit_and_must_wait_goes_before_one_that_is_not():
    unfit, late = view(gate=gate_with(since=NOW)), view(gate=gate_with(pause=19.0))

    assert chosen(unfit, late) == 1


def test_if_none_is_fit_the_one_whose_rest_ends_first_goes():
    late, soon = (view(gate=gate_with(since=NOW - ago)) for ago in (0, 200))

    assert chosen(late, soon) == 1
    assert chosen(soon, late) == 0


def test_if_none_is_fit_one_that_was_not_tried_yet_goes_first():
    tried = view(gate=gate_with(since=NOW - 200), tries=1)

    assert chosen(tried, view(gate=gate_with(since=NOW))) == 1


def test_if_none_is_fit_those_that_are_alike_keep_their_order():
    first, second = (
        view(gate=gate_with(since=NOW - 200), place=place) for place in (0, 1)
    )
    second.gate.breaker.until = first.gate.breaker.until

    assert chosen(second, first) == 1


def test_the_longest_rest_of_several_breakers_counts():
    gate = gate_with(since=NOW - 200)
    cooling(gate.account.breaker)

    assert chosen(view(gate=gate), view(gate=gate_with(since=NOW - 100))) == 1


def test_a_permit_says_when_it_begins_and_what_it_is_for():
    gate = gate_with(pause=7.0)
    given, changes = granted(view(gate=gate, place=3, tries=1))

    assert (given.place, given.gate, given.sender) == (3, gate, "example.com")
    assert (given.delay, given.began, given.repeated) == (7.0, NOW + 7, True)
    assert (given.watching, given.held) == (gate.breakers, ())
    assert (changes, given.probe) == ([], "no")


def test_a_permit_for_now_has_no_delay():
    given, _ = granted(view(tries=1, not_before=NOW - 3))

    assert (given.delay, given.began) == (0.0, NOW)


def test_a_permit_of_a_first_try_repeats_nothing():
    assert not granted(view())[0].repeated


def test_a_permit_counts_all_recipients():
    door = Door(Rate(9, 10.0, "recipients"))
    gate = gate_of(door)

    granted(view(door, gate=gate), ask(recipients=4))

    assert [window.used(NOW) for window in gate.windows()] == [4]


@pytest.mark.parametrize(("door", "probe"), [(Probed(), "must"), (Door(), "no")])
def test_a_backend_that_rested_is_probed_first_where_it_can_be(door, probe):
    gate = gate_with(door, since=NOW - 999)

    given, changes = granted(view(door, gate=gate))

    assert (given.held, given.probe) == ((gate.breaker,), probe)
    assert [change.state for change in changes] == ["probing"]


def test_only_the_breakers_that_rested_are_probed():
    gate = gate_of(Door())
    cooling(gate.account.breaker, since=NOW - 999)

    assert granted(view(gate=gate))[0].held == (gate.account.breaker,)


def test_a_sender_that_rested_is_tried_with_the_message_itself():
    gate, sender = gate_of(Probed()), gate_of(Door()).breaker
    sender.scope = "sender"
    cooling(sender, since=NOW - 999)

    given, _ = granted(view(Probed(), gate=gate, sender=sender))

    assert (given.held, given.probe) == ((sender,), "no")
    assert given.watching == (*gate.breakers, sender)


def test_one_tried_for_want_of_any_other_is_no_probe():
    gate = gate_with(since=NOW)
    cooling(gate.account.breaker, since=NOW - 999)

    given, changes = granted(view(Probed(), gate=gate))

    assert (given.held, given.probe, changes) == ((), "no", [])
    assert given.watching


def test_limits_are_asked_for_by_a_backend_that_learns_them():
    assert granted(view(Learning()))[0].probe == "may"


def test_nothing_of_the_attempt_before_is_left_in_a_permit():
    rested = gate_with(Probed(), since=NOW - 999)
    given, _ = granted(view(Probed(), gate=rested, tries=1, place=1))
    rested.end(given, TransientError("busy", phase="reply"), NOW)

    gate = gate_of(Door())
    view(gate=gate).grant(given, ask())

    assert (given.place, given.gate, given.kind, given.delay) == (0, gate, "single", 0)
    assert (given.probe, given.repeated, given.held, given.bookings) == (
        "no", False, (), (),
    )  # fmt: skip


def test_one_that_waits_for_another_is_gathered_no_more_when_it_must_go_by_itself():
    given, _ = granted(view(asked=TOGETHER), TOGETHER)
    kinds = [given.kind]

    view().grant(given, ask())

    assert [*kinds, given.kind] == ["together", "single"]
