"""Split, breaker and gates under any sequence of steps, held against simple models."""

from datetime import date
from fractions import Fraction
from random import Random

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailbalance.backend import Limits, Rate, Receipt
from mailbalance.errors import (
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.events import HealthChanged
from mailbalance.message import Envelope, Message
from mailbalance.routing import Dispatcher, Entry
from mailbalance.routing.admission import Ask, Fresh, Owner, Permit
from mailbalance.routing.circuit_breaker import CALM, ROW, WINDOW, WINDOW_AGE, Breaker

CARRIED = Receipt("accepted", "any", accepted=("b@example.com",))
ANSWERS = {
    "carried": CARRIED,
    "refused": TransientError("refused", phase="connect"),
    "lost": UnknownOutcomeError("lost", phase="reply"),
    "busy": TransientError("busy", phase="reply", code="503"),
    "gateway": UnknownOutcomeError("gateway", phase="reply", code="502"),
    "rejected": RejectedError("no"),
    "slow": ThrottledError("slow"),
    "key": UnavailableError("key", phase="auth"),
    "account": UnavailableError("paused", scope="account"),
    "sender": UnavailableError("who?", scope="sender"),
    "left": TransientError("left", phase="cancelled"),
}
MESSAGES = {
    subject: Message(
        from_="a@example.com", to="b@example.com", subject=subject, text="x"
    )
    for subject in ("any", "not ses", "not mailtrap", "only backup")
}
answers = st.sampled_from([*["carried", "refused", "busy"] * 3, *sorted(ANSWERS)])
gaps = st.sampled_from([0.0, 0.01, 1.0, 5.0, 7.0, 61.0, 400.0, 700.0])


class Door:
    """A backend for the dispatcher: a name, an account and limits."""

    def __init__(self, name, account="", rates=(), concurrency=None, refuses=()):
        self.name, self.account = name, account or name
        self._refuses = refuses
        self.limits = Limits(
            10**9, 10**6, "none", date(2026, 11, 23), rates, concurrency
        )

    def refuses(self, message, envelope):
        return "no" if message.subject in self._refuses else None


class BreakerMachine(RuleBasedStateMachine):
    """One breaker; the model looks through the whole history each time."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(Random(0), 0.0, name="ses")
        self.history = []
        self.changed = 0.0
        self.probe = False

    @rule(gap=gaps)
    def pass_time(self, gap):
        self.now += gap

    @rule(kinds=st.lists(answers, min_size=1, max_size=25))
    def try_freely(self, kinds):
        for kind in kinds:
            if self.breaker.fit(self.now) != "yes":
                return
            self.history.append((self.now, kind))
            change = self.breaker.end(ANSWERS[kind], began=self.now, now=self.now)
            assert (change is not None) == self._must_open(kind), (kind, self.history)
            if change is not None:
                self._opened(change)

    @precondition(lambda self: self.breaker.fit(self.now) == "probe")
    @rule()
    def begin_probe(self):
        self.breaker.begin(self.now)
        self.probe = True
        assert self.breaker.fit(self.now) == "no"

    @precondition(lambda self: self.probe)
    @rule(kind=answers)
    def end_probe(self, kind):
        self.probe = False
        answer = ANSWERS[kind]
        change = self.breaker.end(answer, began=self.now, now=self.now, probe=True)
        if kind in {"refused", "lost", "busy", "gateway", "key"}:
            self._opened(change)
        elif change is not None:
            assert (change.state, change.rest) == ("healthy", 0.0)
            self.history.clear()
            self.changed = self.now

    @precondition(lambda self: self.probe)
    @rule()
    def undo_probe(self):
        self.probe = False
        self.breaker.undo()
        assert self.breaker.fit(self.now) == "probe"

    @precondition(lambda self: self.breaker.state == "cooling")
    @rule()
    def a_rest_ends(self):
        self.now = max(self.now, self.breaker.until)
        assert self.breaker.fit(self.now) == "probe"

    def _opened(self, change):
        assert isinstance(change, HealthChanged)
        assert change.state == "cooling"
        assert 4.0 <= change.rest <= 360.0
        self.history.clear()
        self.changed = self.now

    def _must_open(self, kind):
        """Say what the rules on the page say, by looking at everything."""
        if kind == "key":
            return True
        row = 0
        for _, each in self.history:
            if each in {"refused", "lost"}:
                row += 1
            elif each != "left":
                row = 0
        failures, calls = self._counted()
        counted = kind not in {"left"}
        return counted and (
            row >= ROW or (len(calls) >= 20 and failures * 2 >= len(calls))
        )

    def _counted(self):
        """Give how many of the calls that count failed, and those calls."""
        calls = []
        for at, each in self.history:
            failed = each in {"refused", "lost", "busy", "gateway"}
            if failed or (calls and each == "carried"):
                calls.append((at, failed))
            while calls and (len(calls) > WINDOW or at - calls[0][0] > WINDOW_AGE):
                calls.pop(0)
            if not any(fault for _, fault in calls):
                calls.clear()
        return sum(failed for _, failed in calls), calls

    @invariant()
    def rests_are_bounded(self):
        assert self.breaker.due(self.now) <= max(360.0, CALM)


class TrafficMachine(RuleBasedStateMachine):
    """Many messages in flight at once, any end of each, time, drains and freezes."""

    @initialize(rate=st.sampled_from([None, Rate(3, 10.0), Rate(5, 1.0)]))
    def begin(self, rate):
        self.now = 0.0
        self.changes = []
        rates = () if rate is None else (rate,)
        self.doors = [
            Door("ses", "aws", rates),
            Door("ses-smtp", "aws", concurrency=2),
            Door("mailtrap"),
        ]
        self.dispatcher = Dispatcher(
            [Entry(door, Fraction(1)) for door in self.doors],
            tell=self.changes.append,
            random=lambda: Random(0),
        )
        self.owner = Owner()
        self.in_flight = []
        self.went = {door.name: [] for door in self.doors}

    @rule(gap=gaps)
    def pass_time(self, gap):
        self.now += gap

    @rule(
        order=st.permutations([0, 1, 2]),
        patience=st.sampled_from([0.0, 3.0, 30.0]),
        number=st.integers(1, 6),
    )
    def send(self, order, patience, number):
        for _ in range(number):
            self._send(order, patience)

    def _send(self, order, patience):
        able = [Fresh(self.doors[index]) for index in order]
        ask = Ask("example.com", 1, self.now, self.now + patience)
        given = Permit()
        given.owner = self.owner
        if self.dispatcher.choose(given, able, ask) is None:
            error = self.dispatcher.refusal(able, ask)
            assert error.outcome == "not_accepted"
            drained = all(each.backend.name in self.dispatcher.drained for each in able)
            assert drained or error.retry_after > patience
            return
        self._went(given, able[given.place].backend.name, patience)

    @rule(
        index=st.integers(0, 2),
        patience=st.sampled_from([0.0, 3.0, 30.0]),
        number=st.integers(1, 6),
    )
    def send_straight(self, index, patience, number):
        """Let messages go by a backend that nothing speaks against, or not at all."""
        name, message = self.doors[index].name, MESSAGES["any"]
        envelope = Envelope.of(message)
        for _ in range(number):
            given, latest = Permit(), self.now + patience
            given.owner = self.owner
            asked = self.dispatcher.assign(
                given, message, envelope, self.now, latest, via=name
            )
            assert (asked is None) == (given.gate is None)
            if asked is None:
                given.over = True
            else:
                self._went(given, name, patience)
                assert given.began == self.now
                assert all(each.state == "healthy" for each in given.gate.breakers)

    def _went(self, given, name, patience):
        assert given.gate.name == name
        assert name not in self.dispatcher.drained
        assert given.began <= self.now + patience
        self.in_flight.append(given)
        self.went[name].append(given.began)
        limit = given.gate.concurrency
        if given.kind == "single" and limit is not None and not given.watching:
            assert given.gate.in_flight <= limit

    @precondition(lambda self: self.in_flight)
    @rule(index=st.integers(0, 99), kind=answers)
    def end(self, index, kind):
        given = self.in_flight.pop(index % len(self.in_flight))
        self.now = max(self.now, given.began)
        if given.watching or not self.dispatcher.settle(
            given, ANSWERS[kind], 1, self.now
        ):
            self.dispatcher.learn(given, ANSWERS[kind], self.now)

    @precondition(lambda self: self.in_flight)
    @rule(index=st.integers(0, 99))
    def undo(self, index):
        given = self.in_flight.pop(index % len(self.in_flight))
        name = given.gate.name
        self.dispatcher.give_back(given)
        self.went[name].remove(given.began)

    @precondition(lambda self: self.in_flight)
    @rule(index=st.integers(0, 99))
    def break_off(self, index):
        """End one by the one store that a broken-off send makes; its rate stays used."""
        self.in_flight.pop(index % len(self.in_flight)).over = True

    @rule()
    def leave_all(self):
        """End all that wait together, as a source of many that is left does."""
        self.owner.over, self.owner = True, Owner()
        self.in_flight.clear()

    @precondition(lambda self: self.in_flight)
    @rule(kind=st.sampled_from(["key", "account"]))
    def a_rest_begins_and_ends(self, kind):
        given = self.in_flight.pop()
        gate = given.gate
        self.now = max(self.now, given.began)
        self.dispatcher.learn(given, ANSWERS[kind], self.now)
        self.now = max(self.now, *(each.until for each in gate.breakers))

    @rule(index=st.integers(0, 2))
    def drain(self, index):
        name = self.doors[index].name
        self.dispatcher.drained = {**self.dispatcher.drained, name: self.now}

    @rule()
    def undrain(self):
        self.dispatcher.drained = {}

    @rule(index=st.integers(0, 2))
    def freeze(self, index):
        self.dispatcher.frozen ^= {self.doors[index].name}

    @invariant()
    def what_is_in_flight_is_what_was_given_out(self):
        if not hasattr(self, "dispatcher"):
            return
        for door in self.doors:
            mine = [g for g in self.in_flight if g.gate.name == door.name]
            gate = self.dispatcher.state.gates.get(door.name)
            assert len(mine) == (gate.in_flight if gate else 0)

    @invariant()
    def there_is_one_probe_at_a_time(self):
        if hasattr(self, "dispatcher"):
            held = [b for given in self.in_flight for b in given.held]
            assert len(held) == len(set(map(id, held)))

    @invariant()
    def nobody_holds_the_place_of_a_probe_who_is_over(self):
        if not hasattr(self, "dispatcher"):
            return
        held = {b for given in self.in_flight for b in given.held}
        state = self.dispatcher.state
        for each in (*state.gates.values(), *state.accounts.values()):
            breaker = each.breaker
            late = max(self.now, breaker.until)
            assert (breaker.fit(late) == "no") == (breaker in held)

    @invariant()
    def rates_are_kept(self):
        if not hasattr(self, "dispatcher"):
            return
        for door in self.doors:
            for rate in door.limits.rates:
                went = sorted(self.went[door.name])
                for start in went:
                    end = start + rate.period * (1 - 1e-9)
                    assert sum(start <= each < end for each in went) <= rate.count


class SplitMachine(RuleBasedStateMachine):
    """Messages that all, some or one backend can carry, in any order."""

    def __init__(self):
        super().__init__()
        self.entries = [
            Entry(Door("ses", refuses={"not ses", "only backup"}), 60),
            Entry(Door("mailtrap", refuses={"not mailtrap", "only backup"}), 40),
            Entry(Door("spare"), 0, backup=True),
        ]
        self.dispatcher = Dispatcher(self.entries, random=lambda: Random(7))
        self.free, self.forced = [], 0

    @rule(
        subject=st.sampled_from(
            ["any", "any", "any", "not ses", "not mailtrap", "only backup"]
        ),
        number=st.integers(1, 20),
    )
    def send(self, subject, number):
        for _ in range(number):
            message = MESSAGES[subject]
            permit = Permit()
            self.dispatcher.assign(permit, message, Envelope.of(message), 0.0, 20.0)
            route, permit.over = permit.route, True
            names = [backend.name for backend in route.order]
            assert len(names) == len(set(names))
            assert names[0] == route.assigned
            assert route.forced == (subject != "any")
            assert {name for name, _ in route.left_out}.isdisjoint(names)
            if route.forced:
                self.forced += 1
            else:
                self.free.append(route.assigned)

    @rule()
    def peek(self):
        message = MESSAGES["any"]
        first = self.dispatcher.peek(message, Envelope.of(message))
        assert (
            first.assigned
            == self.dispatcher.peek(message, Envelope.of(message)).assigned
        )

    @invariant()
    def the_share_is_exact_over_what_could_go_either_way(self):
        for start in (0, len(self.free) // 2):
            stretch = self.free[start:]
            assert abs(stretch.count("ses") - 0.6 * len(stretch)) <= 1

    @invariant()
    def everything_is_counted_once(self):
        shares = self.dispatcher.shares()
        assert sum(share.assigned for share in shares) == len(self.free)
        assert sum(share.forced for share in shares) == self.forced


MACHINES = [BreakerMachine, TrafficMachine, SplitMachine]


@pytest.mark.parametrize("machine", MACHINES)
def test_any_short_sequence_of_steps_is_sound(machine):
    run_state_machine_as_test(
        machine, settings=settings(max_examples=15, stateful_step_count=40)
    )


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", MACHINES)
def test_any_sequence_of_steps_is_sound(machine):
    run_state_machine_as_test(
        machine, settings=settings(max_examples=200, stateful_step_count=50)
    )


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("machine", MACHINES)
def test_any_of_very_many_sequences_of_steps_is_sound(machine):
    run_state_machine_as_test(
        machine, settings=settings(max_examples=5000, stateful_step_count=50)
    )


@pytest.mark.parametrize(
    ("machine", "where", "what"),
    [
        (BreakerMachine, "mailbalance.routing.circuit_breaker.ROW", 2),
        (
            BreakerMachine,
            "mailbalance.routing.circuit_breaker.Breaker.undo",
            lambda self: None,
        ),
        (TrafficMachine, "mailbalance.routing.rate_limits.Window.wait", lambda *_: 0.0),
        (TrafficMachine, "mailbalance.routing.admission.Gate.undo", lambda *_: None),
        (
            TrafficMachine,
            "mailbalance.routing.admission._ProbePlace.over",
            False,
        ),
        (SplitMachine, "mailbalance.routing.split.Pair.pick", lambda *_: 0),
    ],
)
def test_a_broken_rule_is_found(machine, where, what, monkeypatch):
    monkeypatch.setattr(where, what)

    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=200,
                stateful_step_count=50,
                database=None,
                phases=[Phase.generate],  # it need not be small, only found
            ),
        )
