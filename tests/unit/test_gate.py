"""One backend's gate: what closes it, what a permit takes, and what is learned from it."""

from itertools import pairwise

import pytest

from mailbalance.backend import Rate
from mailbalance.errors import ThrottledError, TransientError
from mailbalance.routing.admission import Owner
from mailbalance.routing.rate_limits import RETRY_COST, TOKENS
from tests.unit.gates import CARRIED, NOW, Door, Learning, aws, fill, gate_of, permit_of

MESSAGES, RECIPIENTS, REQUESTS = (
    Rate(5, 10.0, unit) for unit in ("messages", "recipients", "requests")
)


def taken(gate, *, at=NOW, recipients=1, probing=False, **facts):
    """Take a permit."""
    given = permit_of(began=at, **facts)
    gate.take(given, recipients, probing=probing)
    return given


def used(gate, now=NOW):
    return {window.rate.unit: window.used(now) for window in gate.windows()}


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("single", {"messages": 1, "recipients": 3, "requests": 1}),
        ("together", {"messages": 1, "recipients": 3, "requests": 0}),
        ("call", {"messages": 0, "recipients": 0, "requests": 1}),
    ],
)
def test_a_message_counts_by_itself_and_a_request_by_the_call_that_carries_it(
    kind, counted
):
    gate = gate_of(Door(MESSAGES, RECIPIENTS, REQUESTS))

    taken(gate, recipients=3, kind=kind)

    assert used(gate) == counted


@pytest.mark.parametrize(
    ("kind", "places"), [("single", 1), ("call", 1), ("together", 0)]
)
def test_what_goes_together_takes_no_place_until_it_goes(kind, places):
    gate = gate_of(Door())

    given = taken(gate, kind=kind)
    found = gate.in_flight
    gate.end(given, CARRIED, NOW)

    assert found == places
    assert gate.in_flight == 0


def test_as_many_may_be_in_flight_as_may_be_at_once():
    gate = gate_of(Door(concurrency=2))

    full = [gate.is_full]
    full += [taken(gate) and gate.is_full for _ in range(3)]

    assert full == [False, False, True, True]


def test_without_a_limit_any_number_may_be_in_flight():
    gate = gate_of(Door())

    for _ in range(100):
        taken(gate)

    assert not gate.is_full


def ends(given):
    given.over = True


def ends_with_its_owner(given):
    given.owner = Owner()
    given.owner.over = True


@pytest.mark.parametrize("end", [ends, ends_with_its_owner])
def test_what_is_over_counts_no_more_though_nobody_gave_it_back(end):
    gate = gate_of(Door(concurrency=2))
    first, _ = fill(gate, 2)
    full = gate.is_full

    end(first)

    assert (full, gate.is_full, gate.in_flight) == (True, False, 1)


def test_the_wait_is_the_longest_of_all_that_say_one():
    gate = gate_of(Door(Rate(1, 3.0), Rate(2, 60.0, "recipients")))
    waits = [gate.wait(1, NOW)]

    taken(gate)
    waits.append(gate.wait(1, NOW))
    waits.append(gate.wait(2, NOW))
    gate.pause.slow_down(20.0, began=NOW, now=NOW)
    waits.append(gate.wait(1, NOW))

    assert waits == [0.0, 3.0, 60.0, 20.0]


def test_a_call_waits_for_requests_only():
    gate = gate_of(Door(Rate(1, 60.0), Rate(1, 3.0, "requests")))
    taken(gate)

    kinds = ("single", "together", "call")

    assert [gate.wait(1, NOW, kind) for kind in kinds] == [60.0, 60.0, 3.0]


def test_a_permit_that_is_not_used_leaves_no_trace():
    gate = gate_of(Door(MESSAGES, RECIPIENTS))
    given = taken(gate, recipients=3, repeated=True)

    before = used(gate), gate.budget.tokens
    gate.undo(given)

    assert before == ({"messages": 1, "recipients": 3}, TOKENS - RETRY_COST)
    assert used(gate) == {"messages": 0, "recipients": 0}
    assert (gate.in_flight, gate.budget.tokens) == (0, TOKENS)


def test_a_first_try_costs_no_tokens_and_gives_none_back():
    gate = gate_of(Door())
    taken(gate, repeated=True)

    given = taken(gate)
    before = gate.budget.tokens
    gate.undo(given)

    assert (before, gate.budget.tokens) == (TOKENS - RETRY_COST,) * 2


@pytest.mark.parametrize(
    ("repeated", "answer", "left"),
    [
        (False, CARRIED, 101),
        (True, CARRIED, 100),
        (False, TransientError("busy"), 100),
        (True, TransientError("busy"), 95),
    ],
)
def test_only_success_fills_the_budget(repeated, answer, left):
    gate = gate_of(Door())
    gate.budget.tokens = 100

    gate.end(taken(gate, repeated=repeated), answer, NOW)

    assert gate.budget.tokens == left


@pytest.mark.parametrize(
    ("answer", "paused"),
    [
        (CARRIED, 0),
        (ThrottledError("slow down", phase="reply", retry_after=7.0), 7),
        (ThrottledError("no free connection", phase="pool", retry_after=7.0), 0),
        (TransientError("busy", phase="reply", retry_after=7.0), 0),
    ],
)
def test_only_a_provider_that_asks_for_it_makes_a_pause(answer, paused):
    gate = gate_of(Door())

    gate.end(taken(gate), answer, NOW)

    assert gate.pause.wait(NOW) == paused


def test_of_many_that_are_throttled_at_once_the_first_makes_the_pause():
    gate = gate_of(Door())
    passes = [taken(gate) for _ in range(5)]
    slow = ThrottledError("slow down", phase="reply")
    gate.end(passes.pop(), slow, NOW + 0.1)
    until = gate.pause.until

    for given in passes:
        gate.end(given, slow, NOW + 0.2)

    assert gate.pause.until == until


def test_a_message_that_is_carried_makes_the_next_pause_short_again():
    gate, now = gate_of(Door()), NOW
    slow = ThrottledError("slow down", phase="reply")
    for answer in (*[slow] * 6, CARRIED, slow):
        now += gate.pause.wait(now)
        gate.end(taken(gate, at=now), answer, now)

    assert gate.pause.wait(now) <= 1.0


@pytest.mark.parametrize(
    ("kind", "took", "pace"),
    [
        ("single", 1.5, 0.6),
        ("call", 1.5, 0.6),
        ("together", 1.5, 0.5),
        ("single", -9, 0.45),
    ],
)
def test_the_pace_follows_what_each_try_takes(kind, took, pace):
    gate = gate_of(Door())

    gate.end(taken(gate, kind=kind), CARRIED, NOW + took)

    assert gate.pace == pytest.approx(pace)


def test_messages_that_go_together_teach_the_gate_nothing():
    gate = gate_of(Door())
    slow = ThrottledError("slow down", phase="reply", retry_after=7.0)

    gate.end(taken(gate, kind="together"), slow, NOW)

    assert gate.pause.wait(NOW) == 0


def test_limits_are_asked_for_by_one_message_at_a_time():
    gate = gate_of(Learning())

    first, second = taken(gate, probing=True), taken(gate, probing=True)

    assert (first.probe, second.probe) == ("may", "no")


def test_a_probe_that_must_be_made_stays_one():
    assert taken(gate_of(Learning()), probing=True, probe="must").probe == "must"


def test_limits_are_asked_for_only_where_they_are_told():
    assert taken(gate_of(Door()), probing=True).probe == "no"


def test_a_call_asks_for_no_limits():
    gate = gate_of(Learning())

    assert taken(gate, kind="call").probe == "no"


def asked(gate, until):
    """Give when limits are asked for, if a message goes every half minute."""
    moments = [NOW + 30.0 * step for step in range(int((until - NOW) / 30.0))]
    return [m - NOW for m in moments if taken(gate, at=m, probing=True).probe == "may"]


def test_limits_that_are_asked_for_in_vain_are_asked_for_ever_less_often():
    found = asked(gate_of(Learning()), NOW + 20_000)

    gaps = [late - soon for soon, late in pairwise(found)]
    assert gaps == [60, 120, 240, 480, 960, 1920, *[3600] * 4]


def test_limits_that_were_told_are_asked_for_anew_after_a_quarter_of_an_hour():
    gate = gate_of(Learning())
    for late in (0, 60, 180):
        taken(gate, at=NOW + late, probing=True)

    gate.learn((MESSAGES,), NOW)

    assert [gate.asks(NOW + late) for late in (0, 899, 900)] == [False, False, True]
    assert asked(gate, NOW + 1000) == [900, 960]


def test_an_answer_that_tells_no_limits_was_asked_for_in_vain():
    gate = gate_of(Learning())
    taken(gate, probing=True)

    gate.learn((), NOW)

    assert [gate.asks(NOW + late) for late in (59, 60)] == [False, True]


@pytest.mark.parametrize(
    ("told", "now_used"),
    [
        (Rate(5, 10.0), 2),
        (Rate(5, 10.0, used=4), 4),
        (Rate(6, 10.0), 0),
    ],
    ids=["nothing new", "what was used", "another count"],
)
def test_a_rate_that_is_told_takes_the_place_of_the_one_known_when_it_is_news(
    told, now_used
):
    gate = gate_of(Door(MESSAGES))
    taken(gate), taken(gate)

    gate.learn((told,), NOW)

    (window,) = gate.windows()
    assert (window.rate.count, window.used(NOW)) == (told.count, now_used)


def test_rates_of_other_stretches_or_units_are_kept_side_by_side():
    gate = gate_of(Door(Rate(5, 10.0), Rate(5, 60.0), Rate(5, 10.0, "recipients")))

    assert len(list(gate.windows())) == 3


def test_a_rate_of_the_account_is_one_for_all_its_backends():
    account, rate = aws(), Rate(5, 10.0, shared="account")
    one, other = gate_of(Door(rate), account), gate_of(Door(rate), account)

    taken(one)

    assert used(other) == {"messages": 1}


def test_a_rate_of_its_own_is_kept_by_each_backend_alone():
    account, rate = aws(), Rate(5, 10.0)
    one, other = gate_of(Door(rate), account), gate_of(Door(rate), account)

    taken(one)

    assert used(other) == {"messages": 0}
