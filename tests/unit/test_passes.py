"""Who gets a pass to try, and what is learned from one that ends or is given back."""

import os
from random import Random

import pytest

from mailbalance import Envelope, Message
from mailbalance.backend import Rate
from mailbalance.errors import ThrottledError, TransientError, UnavailableError
from mailbalance.routing import Route, Traffic
from mailbalance.routing.choice import Ask, Fresh
from mailbalance.routing.health import ROW
from mailbalance.routing.limits import RETRY_COST, TOKENS
from tests.unit.gates import CARRIED, NOW, Door, Learning, Probed

REFUSED = TransientError("refused", phase="connect", code="ECONNREFUSED")
BAD_KEY = UnavailableError("no such key", phase="auth")
NOT_HERE = UnavailableError("not verified", scope="sender")
STOPPED = UnavailableError("paused", scope="account")
MESSAGE = Message(from_="me@example.com", to="you@example.com", text="x")


@pytest.fixture(autouse=True, params=["looked at", "compared"])
def way(request, monkeypatch):
    """Whether a message's first choice is looked at by itself first, as a plan does."""
    monkeypatch.setattr(World, "looks", request.param == "looked at")


class World:
    """Some backends in order, their traffic, and a clock."""

    looks = True

    def __init__(self, *doors, **options):
        self.doors = doors or (Door(), Door(name="other", account="mt"))
        self.now = NOW
        self.told = []
        self.traffic = Traffic(self.told.append, random=lambda: Random(1), **options)

    def ask(self, *, sender="example.com", recipients=1, within=20.0, **facts):
        return Ask(sender, recipients, self.now, self.now + within, **facts)

    def choose(self, *, tries=0, **facts):
        ask = self.ask(**facts)
        if self.looks and not tries:
            given = self.traffic.at_once(self.doors[0], ask)
            if given is not None:
                return given
        able = [Fresh(door, tries=tries) for door in self.doors]
        return self.traffic.choose(able, ask)

    def end(self, given, answer=CARRIED):
        self.traffic.end(given, answer, self.now)

    def tell(self, *answers, **facts):
        """Let a message go and end so, for each."""
        for answer in answers:
            self.end(self.choose(**facts), answer)

    def gate(self, name="ses"):
        return self.traffic.state().gates[name]

    @property
    def states(self):
        return [change.state for change in self.told]

    @property
    def turned_away(self):
        state = self.traffic.state()
        return dict(state.diverted), dict(state.overflowed)


def test_the_first_in_the_order_goes():
    world = World()

    found = [world.choose() for _ in range(3)]

    assert [(given.place, given.gate.name) for given in found] == [(0, "ses")] * 3
    assert (world.gate().in_flight, found[0].delay, found[0].began) == (3, 0.0, NOW)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    ("together", "kind", "places"),
    [({"ses"}, "together", (0, 1)), ({"other"}, "single", (1, 0))],
)
def test_what_may_go_with_others_is_gathered(known, together, kind, places):
    world = World()
    if known:
        world.tell(CARRIED)

    given = world.choose(together=together)

    assert (given.kind, given.sender, given.place) == (kind, "example.com", 0)
    assert (given.delay, given.began) == (0.0, NOW)
    assert (world.gate().in_flight, world.gate().gathering) == places


@pytest.mark.parametrize(("within", "goes"), [(0.1, True), (0.0, True), (-0.1, False)])
def test_nobody_goes_after_the_last_moment(within, goes):
    assert (World().choose(within=within) is not None) == goes


def test_nobody_goes_who_would_have_to_wait_too_long():
    world = World(Door(Rate(1, 30.0)))
    world.choose()

    assert world.choose() is None
    assert world.choose(within=30.0).delay == 30.0


def test_one_without_room_is_passed_over_for_one_that_has_it():
    world = World(Door(Rate(1, 5.0)), Door(name="other"))

    found = [world.choose(assigned="ses") for _ in range(2)]

    assert [(given.place, given.gate.name) for given in found] == [
        (0, "ses"),
        (1, "other"),
    ]
    assert world.turned_away == ({}, {"ses": 1})


def test_with_room_nowhere_the_first_that_has_it_again_is_waited_for():
    world = World(Door(Rate(1, 5.0)), Door(Rate(1, 3.0), name="other"))

    found = [world.choose(assigned="ses") for _ in range(3)]

    assert [(given.place, given.delay) for given in found] == [(0, 0), (1, 0), (1, 3)]
    assert found[2].began == NOW + 3
    assert world.turned_away == ({}, {"ses": 2})


def test_one_that_waits_for_its_own_backend_is_not_turned_away():
    world = World(Door(Rate(1, 5.0)))
    world.tell(CARRIED, CARRIED, assigned="ses")

    assert world.turned_away == ({}, {})


def test_a_later_try_is_not_counted_as_turned_away():
    world = World()
    world.tell(BAD_KEY)

    assert world.choose().gate.name == "other"
    assert world.turned_away == ({}, {})


def test_one_that_rests_is_passed_over():
    world = World()
    world.tell(BAD_KEY)

    found = world.choose(assigned="ses")

    assert (found.place, found.gate.name, world.states) == (1, "other", ["cooling"])
    assert world.turned_away == ({"ses": 1}, {})


def test_one_that_is_drained_is_passed_over_and_never_used_in_need():
    world = World()
    world.tell(CARRIED)
    world.traffic.drained = {"ses": NOW}
    found = world.choose(assigned="ses")

    world.traffic.drained = {"ses": NOW, "other": NOW}

    assert found.gate.name == "other"
    assert world.choose() is None
    assert world.turned_away == ({"ses": 1}, {})


def test_if_none_is_fit_the_one_whose_rest_ends_first_goes():
    world = World()
    world.tell(BAD_KEY)
    world.tell(*[REFUSED] * ROW)

    assert world.choose(assigned="ses").gate.name == "other"


@pytest.mark.parametrize(
    ("sender", "name"), [("example.com", "other"), ("else.example", "ses")]
)
def test_a_sender_that_is_not_allowed_goes_elsewhere(sender, name):
    world = World()
    world.tell(NOT_HERE)

    assert world.choose(sender=sender).gate.name == name
    assert [(each.scope, each.name) for each in world.told] == [
        ("sender", "example.com at ses")
    ]


def test_after_its_rest_one_message_at_a_time_goes_until_three_were_carried():
    world = World(Probed(), Door(name="other"))
    world.tell(BAD_KEY)
    world.now += 400

    first, second = world.choose(), world.choose()
    world.end(first)
    world.tell(CARRIED, CARRIED)

    assert (first.gate.name, first.probe) == ("ses", "must")
    assert second.gate.name == "other"
    assert world.states == ["cooling", "probing", "healthy"]


def test_a_probe_that_is_given_back_leaves_its_place_to_the_next():
    world = World()
    world.tell(BAD_KEY)
    world.now += 400

    given = world.choose()
    world.traffic.undo(given)

    assert world.gate().in_flight == 0
    assert world.choose().gate.name == given.gate.name == "ses"


def test_a_pass_given_back_gives_everything_back():
    world = World(Door(Rate(1, 5.0)))
    world.traffic.undo(world.choose(tries=1))

    assert (world.gate().in_flight, world.gate().budget.tokens) == (0, TOKENS)
    assert world.choose().delay == 0.0


def test_trying_again_costs_tokens_and_the_first_try_none():
    world = World(Door())
    world.choose()
    first = world.gate().budget.tokens

    world.choose(tries=1)

    assert (first, world.gate().budget.tokens) == (TOKENS, TOKENS - RETRY_COST)


@pytest.mark.parametrize("answer", [BAD_KEY, STOPPED, NOT_HERE])
def test_a_frozen_backend_learns_nothing_of_its_health(answer):
    world = World()
    world.traffic.frozen = frozenset({"ses"})

    world.tell(answer)

    assert (world.told, world.choose().gate.name) == ([], "ses")


def test_a_backend_frozen_while_a_probe_is_out_gets_the_place_back():
    world = World()
    world.tell(BAD_KEY)
    world.now += 400
    given = world.choose()

    world.traffic.frozen = frozenset({"ses"})
    world.end(given)
    frozen = world.choose().gate.name
    world.traffic.frozen = frozenset()

    assert (frozen, world.choose().gate.name) == ("other", "ses")
    assert world.states == ["cooling", "probing"]


def test_a_call_takes_a_request_and_a_place():
    door = Door(Rate(1, 5.0, "requests"), Rate(1, 60.0))
    world = World(door)

    found = [world.traffic.call(door, NOW) for _ in range(2)]

    assert [(each.delay, each.began, each.kind) for each in found] == [
        (0.0, NOW, "call"),
        (5.0, NOW + 5, "call"),
    ]
    assert (world.gate().in_flight, world.gate().gathering) == (2, 0)


@pytest.mark.parametrize("answer", [BAD_KEY, STOPPED])
def test_no_call_goes_to_a_backend_that_rests(answer):
    world = World()
    world.tell(answer)

    assert world.traffic.call(world.doors[0], NOW) is None


def test_no_call_goes_to_a_drained_backend():
    world = World()
    world.traffic.drained = {"ses": NOW}

    assert world.traffic.call(world.doors[0], NOW) is None


def test_a_call_goes_to_a_frozen_backend_whatever_its_health():
    world = World()
    world.tell(BAD_KEY)
    world.traffic.frozen = frozenset({"ses"})

    assert world.traffic.call(world.doors[0], NOW) is not None


def test_what_a_call_comes_to_is_learned_once_for_all_it_carries():
    world = World()
    door = world.doors[0]
    gathered = [world.choose(together={"ses"}) for _ in range(3)]
    for _ in range(ROW):
        world.end(world.traffic.call(door, NOW), REFUSED)
    for given in gathered:
        world.end(given, REFUSED)

    assert world.states == ["cooling"]
    assert (world.gate().in_flight, world.gate().gathering) == (0, 0)


def test_messages_that_go_together_tell_of_their_senders():
    world = World()
    world.choose()

    world.tell(NOT_HERE, together={"ses"})

    assert [(each.scope, each.state) for each in world.told] == [("sender", "cooling")]


def test_a_provider_that_asks_to_slow_down_is_waited_for():
    world = World(Door())

    world.tell(ThrottledError("slow", phase="reply", retry_after=7.0))

    assert world.choose().delay == 7.0
    assert world.told == []


def test_rates_that_are_told_are_kept():
    world = World(Learning())

    world.traffic.learn(world.doors[0], (Rate(1, 5.0),), NOW)

    assert [world.choose().delay for _ in range(2)] == [0.0, 5.0]


def test_the_limits_of_a_known_backend_hold_for_who_acts_for_it():
    known = Door(Rate(1, 5.0))
    world = World(Door(), backends={"ses": known})

    assert [world.choose().delay for _ in range(2)] == [0.0, 5.0]


def test_who_is_kept_from_a_message_is_told_with_the_reason():
    world = World(
        Door(name="drained"), Door(Rate(2, 5.0), name="full"), Door(name="fit")
    )
    world.traffic.drained = {"drained": NOW}
    world.choose(), world.choose()
    envelope = Envelope.of(MESSAGE)
    route = Route(world.doors, "drained")

    told = [dict(world.traffic.kept_from(route, envelope, NOW)) for _ in range(2)]

    assert told == [{"drained": "drained by hand", "full": "no room for 5.0 s"}] * 2


def test_who_is_kept_from_a_message_depends_on_its_sender_and_recipients():
    world = World(Door(Rate(9, 5.0, "recipients")))
    envelope = Envelope.of(MESSAGE)
    many = Envelope(envelope.sender, tuple(f"p{n}@example.com" for n in range(8)))
    route = Route(world.doors, "ses")
    world.choose(recipients=2)

    few, more = (world.traffic.kept_from(route, each, NOW) for each in (envelope, many))
    world.tell(NOT_HERE)

    assert (few, more) == ((), (("ses", "no room for 5.0 s"),))
    (name, why), *_ = world.traffic.kept_from(route, envelope, NOW)
    assert (name, why) == ("ses", "this sender is not allowed there")


def test_a_refusal_says_why_and_when_to_come_again():
    world = World(Door(Rate(1, 90.0)), Door(Rate(1, 60.0), name="other"))
    world.choose(), world.choose()

    error = world.traffic.refusal([Fresh(door) for door in world.doors], world.ask())

    assert isinstance(error, ThrottledError)
    assert (error.phase, error.retry_after) == ("pool", 60.0)
    assert error.detail == (
        "no backend has room before the time-out: "
        "ses: no room for 90.0 s; other: no room for 60.0 s"
    )


def test_a_refusal_for_want_of_any_backend_says_that_they_are_drained():
    world = World()
    world.traffic.drained = {"ses": NOW, "other": NOW}

    error = world.traffic.refusal([Fresh(door) for door in world.doors], world.ask())

    assert isinstance(error, UnavailableError)
    assert "is drained; undrain one" in error.detail


def the_only_place(world):
    """Take a place and give it back while somebody else chooses."""
    given = world.choose()
    assert world.gate().in_flight == 1
    with world.traffic.state().lock:
        world.traffic.undo(given)
    assert world.gate().in_flight == 1


def looked_at(world):
    return world.traffic.at_once(world.doors[0], world.ask()).kind == "single"


def compared(world):
    able = [Fresh(door) for door in world.doors]
    return world.traffic.choose(able, world.ask()).gate.name == "ses"


def called(world):
    return world.traffic.call(world.doors[0], NOW).gate.in_flight == 1


def told_apart(world):
    envelope = Envelope.of(MESSAGE)
    route = Route(world.doors, "ses")
    return world.traffic.kept_from(route, envelope, NOW) == ()


@pytest.mark.parametrize("act", [looked_at, compared, called, told_apart])
def test_a_place_given_back_amid_a_choice_is_there_for_who_asks_next(act):
    world = World(Door(concurrency=1), Door(name="other", account="mt"))
    the_only_place(world)

    assert act(world)


def test_a_refusal_counts_what_was_given_back_amid_a_choice():
    world = World(Door(Rate(1, 60.0)))
    the_only_place(world)

    error = world.traffic.refusal([Fresh(door) for door in world.doors], world.ask())

    assert error.retry_after == 0


def test_a_pass_of_the_process_before_a_fork_changes_nothing_here(monkeypatch):
    world = World()
    given = world.choose()
    monkeypatch.setattr(os, "getpid", lambda: -1)

    world.end(given, BAD_KEY)
    world.traffic.undo(given)
    mine = world.choose()

    assert (world.told, world.gate().in_flight) == ([], 1)
    assert mine.gate is not given.gate
    assert world.traffic.state() is world.traffic.state()
