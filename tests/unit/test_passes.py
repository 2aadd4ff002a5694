"""Who gets a permit, and what is learned from one that ends or is given back."""

from fractions import Fraction
from random import Random

import pytest

from mailbalance import Envelope, Message, fork_lock
from mailbalance.backend import Rate, Receipt
from mailbalance.errors import ThrottledError, TransientError, UnavailableError
from mailbalance.routing import Dispatcher, Entry, Route
from mailbalance.routing.admission import Ask, Fresh, Owner, Permit
from mailbalance.routing.circuit_breaker import ROW
from mailbalance.routing.dispatcher import SENDERS
from mailbalance.routing.rate_limits import RETRY_COST, TOKENS
from tests.unit.gates import CARRIED, NOW, Door, Learning, Probed

REFUSED = TransientError("refused", phase="connect", code="ECONNREFUSED")
BAD_KEY = UnavailableError("no such key", phase="auth")
NOT_HERE = UnavailableError("not verified", scope="sender")
STOPPED = UnavailableError("paused", scope="account")
MESSAGE = Message(from_="me@example.com", to="you@example.com", text="x")


@pytest.fixture(autouse=True, params=["straight", "compared"])
def way(request, monkeypatch):
    """Whether a message goes the straight way first, or is the plan's from the start."""
    monkeypatch.setattr(World, "looks", request.param == "straight")


class World:
    """Some backends in order, their dispatcher, and a clock."""

    looks = True

    def __init__(self, *doors, known=None):
        self.doors = doors or (Door(), Door(name="other", account="mt"))
        self.now = NOW
        self.told = []
        self.dispatcher = Dispatcher(
            [Entry(door, Fraction(1)) for door in known or self.doors],
            tell=self.told.append,
            random=lambda: Random(1),
        )

    def ask(self, *, sender="example.com", recipients=1, within=20.0, **facts):
        return Ask(sender, recipients, self.now, self.now + within, **facts)

    def at_once(self, **facts):
        """Give the permit of a message that goes straight to the first, or nothing."""
        permit, ask, first = Permit(), self.ask(**facts), self.doors[0]
        people = tuple(f"p{n}@example.com" for n in range(ask.recipients))
        asked = self.dispatcher.assign(
            permit,
            MESSAGE,
            Envelope(f"me@{ask.sender}", people),
            ask.now,
            ask.latest,
            via=first.name,
            stand_ins={first.name: first},
            together=ask.together,
        )
        permit.sender = ask.sender  # as the plan does when it is entered
        assert asked is (None if permit.gate is None else first)
        return None if asked is None else permit

    def choose(self, *, tries=0, **facts):
        if self.looks and not tries:
            permit = self.at_once(**facts)
            if permit is not None:
                return permit
        permit, able = Permit(), [Fresh(door, tries=tries) for door in self.doors]
        permit.route = Route(self.doors, self.doors[0].name)
        chosen = self.dispatcher.choose(permit, able, self.ask(**facts))
        assert chosen is (None if permit.gate is None else able[permit.place])
        return None if chosen is None else permit

    def call(self):
        """Give the permit of a call by the first, if it may go."""
        permit = Permit()
        goes = self.dispatcher.call(permit, self.doors[0], self.now)
        assert goes == (permit.gate is not None)
        return permit if goes else None

    def end(self, given, answer=CARRIED):
        """Let it end: straight if that is enough, as it is for most that are carried."""
        straight = given.kind == "single" and not given.watching
        if straight and self.dispatcher.settle(given, answer, 0, self.now):
            return
        self.dispatcher.learn(given, answer, self.now)

    def tell(self, *answers, **facts):
        """Let a message go and end so, for each."""
        for answer in answers:
            self.end(self.choose(**facts), answer)

    def gate(self, name="ses"):
        return self.dispatcher.state.gates[name]

    @property
    def states(self):
        return [change.state for change in self.told]

    @property
    def turned_away(self):
        state = self.dispatcher.state
        counts = state.diverted, state.overflowed
        return tuple({n: c for n, c in each.items() if c} for each in counts)


def test_the_first_in_the_order_goes():
    world = World()

    found = [world.choose() for _ in range(3)]

    assert [(given.place, given.gate.name) for given in found] == [(0, "ses")] * 3
    assert (world.gate().in_flight, found[0].delay, found[0].began) == (3, 0.0, NOW)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    ("together", "kind", "places"),
    [({"ses"}, "together", 0), ({"other"}, "single", 1)],
)
def test_what_may_go_with_others_is_gathered(known, together, kind, places):
    world = World()
    if known:
        world.tell(CARRIED)

    given = world.choose(together=together)

    assert (given.kind, given.sender, given.place) == (kind, "example.com", 0)
    assert (given.delay, given.began) == (0.0, NOW)
    assert world.gate().in_flight == places


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
    world.dispatcher.drained = {"ses": NOW}
    found = world.choose(assigned="ses")

    world.dispatcher.drained = {"ses": NOW, "other": NOW}

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
    probe = first.gate.name, first.probe
    world.end(first)
    world.tell(CARRIED, CARRIED)

    assert probe == ("ses", "must")
    assert second.gate.name == "other"
    assert world.states == ["cooling", "probing", "healthy"]


def test_a_probe_that_is_given_back_leaves_its_place_to_the_next():
    world = World()
    world.tell(BAD_KEY)
    world.now += 400

    given = world.choose()
    name = given.gate.name
    world.dispatcher.give_back(given)

    assert world.gate().in_flight == 0
    assert world.choose().gate.name == name == "ses"


def test_a_permit_given_back_gives_everything_back():
    world = World(Door(Rate(1, 5.0)))
    world.dispatcher.give_back(world.choose(tries=1))

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
    world.dispatcher.frozen = frozenset({"ses"})

    world.tell(answer)

    assert (world.told, world.choose().gate.name) == ([], "ses")


def test_a_backend_frozen_while_a_probe_is_out_gets_the_place_back():
    world = World()
    world.tell(BAD_KEY)
    world.now += 400
    given = world.choose()

    world.dispatcher.frozen = frozenset({"ses"})
    world.end(given)
    frozen = world.choose().gate.name
    world.dispatcher.frozen = frozenset()

    assert (frozen, world.choose().gate.name) == ("other", "ses")
    assert world.states == ["cooling", "probing"]


def test_a_call_takes_a_request_and_a_place():
    door = Door(Rate(1, 5.0, "requests"), Rate(1, 60.0))
    world = World(door)

    found = [world.call() for _ in range(2)]

    assert [(each.delay, each.began, each.kind) for each in found] == [
        (0.0, NOW, "call"),
        (5.0, NOW + 5, "call"),
    ]
    assert world.gate().in_flight == 2


@pytest.mark.parametrize("answer", [BAD_KEY, STOPPED])
def test_no_call_goes_to_a_backend_that_rests(answer):
    world = World()
    world.tell(answer)

    assert world.call() is None


def test_no_call_goes_to_a_drained_backend():
    world = World()
    world.dispatcher.drained = {"ses": NOW}

    assert world.call() is None


def test_a_call_goes_to_a_frozen_backend_whatever_its_health():
    world = World()
    world.tell(BAD_KEY)
    world.dispatcher.frozen = frozenset({"ses"})

    assert world.call() is not None


def test_what_a_call_comes_to_is_learned_once_for_all_it_carries():
    world = World()
    gathered = [world.choose(together={"ses"}) for _ in range(3)]
    for _ in range(ROW):
        world.end(world.call(), REFUSED)
    for given in gathered:
        world.end(given, REFUSED)

    assert world.states == ["cooling"]
    assert world.gate().in_flight == 0


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

    world.dispatcher.report_rates(world.doors[0], (Rate(1, 5.0),), NOW)

    assert [world.choose().delay for _ in range(2)] == [0.0, 5.0]


def test_the_limits_of_a_known_backend_hold_for_who_acts_for_it():
    known = Door(Rate(1, 5.0))
    world = World(Door(), known=[known])

    assert [world.choose().delay for _ in range(2)] == [0.0, 5.0]


def test_who_is_kept_from_a_message_is_told_with_the_reason():
    world = World(
        Door(name="drained"), Door(Rate(2, 5.0), name="full"), Door(name="fit")
    )
    world.dispatcher.drained = {"drained": NOW}
    world.choose(), world.choose()
    envelope = Envelope.of(MESSAGE)
    route = Route(world.doors, "drained")

    told = [dict(world.dispatcher.kept_from(route, envelope, NOW)) for _ in range(2)]

    assert told == [{"drained": "drained by hand", "full": "no room for 5.0 s"}] * 2


def test_who_is_kept_from_a_message_depends_on_its_sender_and_recipients():
    world = World(Door(Rate(9, 5.0, "recipients")))
    envelope = Envelope.of(MESSAGE)
    many = Envelope(envelope.sender, tuple(f"p{n}@example.com" for n in range(8)))
    route = Route(world.doors, "ses")
    world.choose(recipients=2)

    few, more = (
        world.dispatcher.kept_from(route, each, NOW) for each in (envelope, many)
    )
    world.tell(NOT_HERE)

    assert (few, more) == ((), (("ses", "no room for 5.0 s"),))
    (name, why), *_ = world.dispatcher.kept_from(route, envelope, NOW)
    assert (name, why) == ("ses", "this sender is not allowed there")


def test_a_refusal_says_why_and_when_to_come_again():
    world = World(Door(Rate(1, 90.0)), Door(Rate(1, 60.0), name="other"))
    world.choose(), world.choose()

    error = world.dispatcher.refusal([Fresh(door) for door in world.doors], world.ask())

    assert isinstance(error, ThrottledError)
    assert (error.phase, error.retry_after) == ("pool", 60.0)
    assert error.detail == (
        "no backend has room before the time-out: "
        "ses: no room for 90.0 s; other: no room for 60.0 s"
    )


def test_a_refusal_for_want_of_any_backend_says_that_they_are_drained():
    world = World()
    world.dispatcher.drained = {"ses": NOW, "other": NOW}

    error = world.dispatcher.refusal([Fresh(door) for door in world.doors], world.ask())

    assert isinstance(error, UnavailableError)
    assert "is drained; undrain one" in error.detail


def given_back(world, given):
    with world.dispatcher.state.lock:  # as in a signal handler amid a choice
        world.dispatcher.give_back(given)


def over(_, given):
    given.over = True


def over_with_its_owner(_, given):
    given.owner = Owner()
    given.owner.over = True


ENDS = pytest.mark.parametrize("end", [given_back, over, over_with_its_owner])


def looked_at(world):
    given = world.at_once()
    return given is not None and given.kind == "single"


def compared(world):
    permit, able = Permit(), [Fresh(door) for door in world.doors]
    world.dispatcher.choose(permit, able, world.ask())
    return permit.gate.name == "ses"


def called(world):
    return world.call().gate.in_flight == 1


def told_apart(world):
    envelope = Envelope.of(MESSAGE)
    route = Route(world.doors, "ses")
    return world.dispatcher.kept_from(route, envelope, NOW) == ()


@ENDS
@pytest.mark.parametrize("act", [looked_at, compared, called, told_apart])
def test_a_place_that_is_free_again_is_there_for_who_asks_next(act, end):
    world = World(Door(concurrency=1), Door(name="other", account="mt"))
    given = world.choose()
    assert world.gate().in_flight == 1

    end(world, given)

    assert act(world)


@ENDS
def test_a_probe_that_ends_without_a_word_leaves_its_place_to_the_next(end):
    world = World()
    world.tell(BAD_KEY)
    world.now += 400
    given = world.choose()
    held = world.choose().gate.name

    end(world, given)

    assert (held, world.choose().gate.name) == ("other", "ses")


def test_a_refusal_counts_what_was_given_back():
    world = World(Door(Rate(1, 60.0)))
    given_back(world, world.choose())

    error = world.dispatcher.refusal([Fresh(door) for door in world.doors], world.ask())

    assert error.retry_after == 0


def test_a_permit_ends_once_however_often_it_is_ended():
    world = World(Door(Rate(9, 60.0)))
    given = world.choose()
    world.end(given)
    before = world.gate().pace, world.dispatcher.shares()

    world.end(given, BAD_KEY)
    world.dispatcher.give_back(given)

    assert (world.gate().pace, world.dispatcher.shares()) == before
    assert ([w.used(NOW) for w in world.gate().windows()], world.told) == ([1], [])


def test_a_permit_of_the_process_before_a_fork_changes_nothing_here():
    world = World()
    given = world.choose()
    before = world.dispatcher.state
    fork_lock.in_child()

    world.end(given, BAD_KEY)
    world.dispatcher.give_back(given)
    mine = world.choose()

    assert (world.told, world.gate().in_flight) == ([], 1)
    assert mine.gate is not given.gate
    assert world.dispatcher.state is not before


def test_nothing_is_settled_that_was_begun_before_a_fork():
    world = World()
    world.tell(CARRIED)
    given = world.choose()
    fork_lock.in_child()
    world.tell(CARRIED)

    assert world.dispatcher.settle(given, CARRIED, 0, NOW) is None
    assert [share.carried for share in world.dispatcher.shares()] == [1, 0]


# Whether a message goes straight to its first choice


def known(*rates, **options):
    """Make a world whose first backend has carried a message, some time ago."""
    world = World(Door(*rates, **options))
    world.tell(CARRIED)
    world.now += 3600
    return world


def test_a_message_goes_straight_to_a_backend_that_nothing_speaks_against():
    world = known(concurrency=1)

    permit = world.at_once()

    assert (permit.gate, permit.began, permit.delay) == (world.gate(), world.now, 0)
    assert (permit.watching, permit.held, permit.probe) == ((), (), "no")


def test_what_was_never_asked_is_the_plans_to_ask():
    assert World().at_once() is None


def test_one_whose_limits_are_to_be_asked_for_is_the_plans_to_ask():
    world = World(Learning())
    world.tell(CARRIED)

    assert world.at_once() is None


@pytest.mark.parametrize(
    "rate", [Rate(2, 7200.0), Rate(2, 7200.0, shared="account")], ids=["own", "account"]
)
def test_a_message_goes_straight_as_long_as_there_is_room(rate):
    world = known(rate)

    found = [world.at_once() for _ in range(2)]

    assert (found[0] is not None, found[1]) == (True, None)
    assert [window.used(world.now) for window in world.gate().windows()] == [2]


def test_what_may_go_with_others_but_must_wait_is_the_plans_and_single_again():
    world, permit = known(Rate(1, 7200.0)), Permit()
    envelope = Envelope.of(MESSAGE)

    asked = world.dispatcher.assign(
        permit, MESSAGE, envelope, world.now, world.now + 20, together={"ses"}
    )

    assert (asked, permit.gate, permit.kind) == (None, None, "single")


def test_a_message_goes_straight_until_the_backend_is_full():
    world = known(concurrency=1)
    given = world.at_once()
    full = world.at_once()

    world.dispatcher.give_back(given)

    assert full is None
    assert world.at_once() is not None


def test_a_message_goes_straight_again_when_a_pause_is_over():
    world = known()
    world.gate().pause.slow_down(5.0, began=world.now, now=world.now)

    found = []
    for later in (0, 4.9, 0.1):
        world.now += later
        found.append(world.at_once() is not None)

    assert found == [False, False, True]


@pytest.mark.parametrize("own", [True, False], ids=["its own", "its account's"])
def test_no_message_goes_straight_where_health_says_no(own):
    world = known()
    breaker = world.gate().breakers[not own]
    breaker.open(UnavailableError("no", scope=breaker.scope), world.now)

    assert world.at_once() is None


def test_no_message_goes_straight_to_a_drained_backend():
    world = known()
    world.dispatcher.drained = {"ses": NOW}

    assert world.at_once() is None


@pytest.mark.parametrize(("within", "goes"), [(0.0, True), (-0.1, False)])
def test_no_message_goes_straight_after_the_last_moment(within, goes):
    assert (known().at_once(within=within) is not None) == goes


def test_only_the_sender_that_was_refused_goes_straight_no_more():
    world = known()
    world.tell(NOT_HERE)

    assert world.at_once() is None
    assert world.at_once(sender="else.example") is not None


# What is learned, and by whom


BUSY = TransientError("busy", phase="reply", code="503")


def test_a_success_among_failures_is_told_to_the_breaker():
    world = World()
    world.tell(CARRIED)
    before = world.gate().breaker.failures

    world.tell(BUSY, CARRIED)

    assert (before, world.gate().breaker.failures) == ((0, 0), (1, 2))


@pytest.mark.parametrize(
    ("together", "counted"),
    [((), (1, 2)), ({"ses"}, (1, 1))],
    ids=["single", "together"],
)
def test_a_success_of_what_went_together_is_no_news_of_the_backend(together, counted):
    world = World()
    world.tell(CARRIED, BUSY)

    world.tell(CARRIED, together=together)

    assert world.gate().breaker.failures == counted


def test_the_call_that_carries_others_is_learned_from():
    world = World()
    world.tell(CARRIED, BUSY)

    world.end(world.call())

    assert world.gate().breaker.failures == (1, 2)
    assert [share.carried for share in world.dispatcher.shares()] == [1, 0]


WHOLE = Receipt("accepted", "ses", accepted=("you@example.com",))


def test_what_went_together_is_counted_as_carried_message_by_message():
    world = World()
    world.tell(CARRIED)
    members = [
        (world.choose(together={"ses"}), answer, 1) for answer in (WHOLE, BUSY, CARRIED)
    ]

    found = world.dispatcher.settle_members(members, NOW)

    assert [receipt and receipt.outcome for receipt in found] == [
        "accepted",
        None,
        None,
    ]
    assert [share.carried for share in world.dispatcher.shares()] == [2, 0]
    assert [permit.gate is None for permit, *_ in members] == [True, False, False]


def test_a_backend_has_one_gate_however_often_it_is_asked_for():
    gate = World().dispatcher.gate

    assert gate(Door(), NOW) is gate(Door(), NOW + 1)


def test_backends_of_one_account_share_it_and_others_do_not():
    world = World(
        Door(), Door(name="smtp", account="aws"), Door(name="mailtrap", account="mt")
    )
    ses, smtp, mailtrap = (
        world.dispatcher.gate(door, NOW).account for door in world.doors
    )

    assert ses is smtp
    assert ses is not mailtrap
    assert (ses.name, ses.breaker.name, ses.breaker.scope) == ("aws", "aws", "account")


@pytest.mark.parametrize("kind", ["single", "call"])
def test_a_backend_and_its_account_learn_from_an_attempt(kind):
    told = []
    for answer in (BAD_KEY, STOPPED):
        world = World()
        world.end(world.choose() if kind == "single" else world.call(), answer)
        told += [(each.scope, each.name, each.state) for each in world.told]

    assert told == [("backend", "ses", "cooling"), ("account", "aws", "cooling")]


@pytest.mark.parametrize(
    "answer", [REFUSED, BUSY, STOPPED, BAD_KEY], ids=lambda each: each.detail
)
def test_messages_that_go_together_say_nothing_of_the_backend(answer):
    world = World()
    world.tell(CARRIED)

    for given in [world.choose(together={"ses"}) for _ in range(30)]:
        world.end(given, answer)

    assert (world.told, world.gate().breaker.failures) == ([], (0, 0))


def test_the_call_that_carries_others_says_nothing_of_a_sender():
    world = World()

    world.end(world.call(), NOT_HERE)

    assert (world.told, world.dispatcher.state.senders) == ([], {})


@pytest.mark.parametrize("answer", [BAD_KEY, STOPPED, REFUSED, CARRIED])
def test_what_is_wrong_with_all_else_makes_no_sender_known(answer):
    world = World()
    world.tell(answer)

    assert not world.dispatcher.state.senders


def test_a_sender_that_was_known_before_learns_once():
    world = World()
    world.tell(NOT_HERE)
    world.now += 400

    world.tell(NOT_HERE)

    assert world.states == ["cooling", "probing", "cooling"]
    assert len(world.dispatcher.state.senders) == 1


def test_a_sender_is_remembered_for_each_backend_by_itself():
    world = World()

    world.tell(NOT_HERE, NOT_HERE)

    assert [each.name for each in world.told] == [
        "example.com at ses",
        "example.com at other",
    ]
    assert set(world.dispatcher.state.senders) == {
        ("ses", "example.com"),
        ("other", "example.com"),
    }


def test_the_oldest_of_too_many_senders_is_forgotten():
    world = World()
    for number in range(SENDERS + 2):
        world.tell(NOT_HERE, sender=f"d{number}.example")

    assert len(world.dispatcher.state.senders) == SENDERS == 1000
    assert next(iter(world.dispatcher.state.senders)) == ("ses", "d2.example")


@pytest.mark.parametrize("why", ["unfit", "full"])
@pytest.mark.parametrize("other", ["fit", "unfit", "full"])
def test_a_message_is_diverted_when_unfit_and_overflows_when_there_is_no_room(
    why, other
):
    world = World(
        Door(), Door(name="other", account="mt"), Door(name="third", account="x")
    )
    for name, how in (("ses", why), ("other", other)):
        door = next(each for each in world.doors if each.name == name)
        gate = world.dispatcher.gate(door, NOW)
        if how == "unfit":
            gate.breaker.open(UnavailableError("no"), NOW)
        elif how == "full":
            gate.pause.slow_down(5.0, began=NOW, now=NOW)

    world.choose(assigned="ses")

    one = {"ses": 1}
    assert world.turned_away == ((one, {}) if why == "unfit" else ({}, one))


def test_a_message_is_diverted_from_a_backend_that_was_not_even_looked_at():
    world = World()

    able = [Fresh(world.doors[1])]
    world.dispatcher.choose(Permit(), able, world.ask(assigned="ses"))

    assert world.turned_away == ({"ses": 1}, {})
