"""The straight way and the plan come to the same: the end, the counts and the health.

Every history of answers is played twice. Once each message goes the straight way, and the
plan is entered only with an answer that the straight way leaves to it; once every message
goes by the plan alone. Nobody may be able to tell the two from each other.
"""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenacity import wait_fixed

from mailbalance.backend import Limits, Rate, Receipt, Refusal, Try
from mailbalance.delivery.plan import plan
from mailbalance.delivery.retry import RetryPolicy, wait_retry_after
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.message import Message
from mailbalance.routing import Dispatcher, Entry
from mailbalance.routing.admission import Permit

EVERYONE = ("a@example.com", "b@example.com", "c@example.com")
MESSAGES = {
    domain: Message(from_=f"me@{domain}", to=list(EVERYONE), text="x", subject="any")
    for domain in ("example.com", "else.example")
}
FAULTS = {
    "rejected": lambda: RejectedError("no", phase="reply", code="550"),
    "slow": lambda: ThrottledError("slow", phase="reply", retry_after=3),
    "slow, unasked": lambda: ThrottledError("slow", phase="reply"),
    "pool": lambda: ThrottledError("no free connection", phase="pool"),
    "busy": lambda: TransientError("later", phase="reply", code="503"),
    "dead": lambda: TransientError("refused", phase="connect", code="ECONNREFUSED"),
    "left": lambda: TransientError("left", phase="cancelled"),
    "some refused": lambda: TransientError("later", refused={EVERYONE[0]: GONE}),
    "key": lambda: UnavailableError("key", phase="auth"),
    "account": lambda: UnavailableError("quota", scope="account", retry_after=60.0),
    "sender": lambda: UnavailableError("who?", scope="sender"),
    "lost": lambda: UnknownOutcomeError("lost", phase="body", code="timeout"),
}
GONE, LATER = Refusal(550, "no such user"), Refusal(450, "later")
REFUSED = {
    "accepted": {},
    "one is refused": {EVERYONE[1]: GONE},
    "one is deferred": {EVERYONE[1]: LATER},
    "one of each": {EVERYONE[1]: GONE, EVERYONE[2]: LATER},
}
#: What a backend of somebody else's may answer: the name of one that it wraps, or a
#: receipt that does not say of everybody what became of them.
ODD = ("by another name", "one is not named")
KINDS = [*FAULTS, *REFUSED, *ODD]
ANSWERS = st.sampled_from([*["accepted"] * 12, *KINDS])


@dataclass(frozen=True)
class Door:
    """A backend as routing sees it."""

    name: str
    account: str
    rates: tuple = ()
    concurrency: int | None = None
    limits: Limits = field(init=False)

    def __post_init__(self):
        limits = Limits(
            10**6, 50, "none", date(2026, 11, 23), self.rates, self.concurrency
        )
        object.__setattr__(self, "limits", limits)

    def refuses(self, message, envelope):
        return "no" if message.subject == f"not {self.name}" else None


class World:
    """Three backends that answer as a script says, at one end of the clock."""

    def __init__(self, script, *, straight, rates=(), unit="messages", unknown="raise"):
        self.now = 1000.0
        self.script = iter(script)
        self.straight = straight
        self.went_straight = 0
        self.told = []
        self.policy = RetryPolicy(wait=wait_retry_after(wait_fixed(2)), unknown=unknown)
        entries = [
            Entry(Door("ses", "aws", rates, 2), Fraction(60)),
            Entry(Door("mailtrap", "mt"), Fraction(40)),
            Entry(Door("ses-smtp", "aws"), Fraction(0), backup=True),
        ]
        self.dispatcher = Dispatcher(
            entries, unit=unit, random=lambda: Random(5), tell=self.told.append
        )

    def send(self, message, *, took, **options):
        """Send one message; give how it ended."""
        permit, envelope = Permit(), message.envelope()
        latest = self.now + self.policy.timeout - self.policy.reserve
        asked = self.dispatcher.assign(
            permit, message, envelope, self.now, latest, **options
        )
        permit.envelope = envelope
        answer = None
        try:
            if asked is not None and self.straight:
                self.now += took
                answer = self.answer(asked.name, envelope.recipients)
                people = len(envelope.recipients)
                receipt = self.dispatcher.settle(permit, answer, people, self.now)
                if receipt is not None:
                    self.went_straight += 1
                    return receipt
            elif asked is not None:
                self.dispatcher.give_back(permit)
            return self.by_plan(permit, envelope, answer, took)
        except (DeliveryError, KeyError) as error:
            return error
        finally:
            permit.over = True

    def by_plan(self, permit, envelope, answer, took):
        """Enter the plan, with an answer if an attempt was begun."""
        steps = plan(
            permit,
            permit.route,
            envelope.recipients,
            self.policy,
            clock=lambda: self.now,
            dispatcher=self.dispatcher,
            sender=envelope.domain,
        )
        step = next(steps)
        if answer is not None:
            step = steps.send(answer)
        for _ in range(50):
            if not isinstance(step, Try):
                return step
            self.now += step.delay + took
            step = steps.send(self.answer(step.backend.name, step.recipients))
        raise AssertionError("the plan did not end")

    def answer(self, name, recipients):
        """Give the next answer of the script."""
        kind = next(self.script, "accepted")
        if kind in FAULTS:
            return FAULTS[kind]()
        reply = REFUSED.get(kind, {})
        refused = {a: r for a, r in reply.items() if a in recipients}
        accepted = tuple(a for a in recipients if a not in refused)
        if kind == "by another name":
            name = "wrapped"
        if kind == "one is not named":
            accepted = accepted[1:]
        if refused and not accepted:
            return TransientError("refused", refused=refused)
        return Receipt(
            "partial" if refused else "accepted",
            name,
            tuple(f"id-{a}" for a in accepted),
            "<m@example.com>",
            accepted=accepted,
            refused=refused,
        )

    @property
    def counts(self):
        """Everything that the dispatcher knows, but for what cannot be seen."""
        state = self.dispatcher.state
        gates = {
            name: (
                gate.in_flight,
                gate.pace,
                gate.budget.tokens,
                gate.pause.until,
                gate.pause.times,
                [
                    (w.rate, w.used(self.now), w.wait(1, self.now))
                    for w in gate.windows()
                ],
                *map(known, gate.breakers),
            )
            for name, gate in state.gates.items()
        }
        senders = {key: known(breaker) for key, breaker in state.senders.items()}
        return self.dispatcher.shares(), gates, senders, self.told


def known(breaker):
    """Give what a breaker knows."""
    facts = breaker.state, breaker.reason, breaker.code, breaker.since, breaker.until
    return *facts, breaker.failures, breaker.fit(breaker.until)


def told(end):
    """Give all that a caller learns from an end."""
    if isinstance(end, Receipt):
        return end
    if isinstance(end, KeyError):  # the backend's mistake, which no way hides
        return type(end), str(end)
    return (
        type(end), str(end), end.outcome, end.attempts, end.accepted, dict(end.refused),
        getattr(end, "__notes__", []),
    )  # fmt: skip


messages = st.lists(
    st.tuples(
        st.sampled_from([*["example.com"] * 3, "else.example"]),
        st.sampled_from([0.0, 0.0, 0.5, 70.0, 400.0]),  # the gap before it
        st.sampled_from([0.0, 0.1, 3.0]),  # what each attempt takes
        st.sampled_from([None, None, None, "ses", "mailtrap"]),
    ),
    min_size=1,
    max_size=40,
)
whole_scripts = st.lists(ANSWERS, max_size=60)


def play(world, sent):
    """Send these; give how each ended, and what was known after it."""
    found = []
    for domain, gap, took, via in sent:
        world.now += gap
        end = world.send(MESSAGES[domain], took=took, via=via)
        found.append((told(end), world.now, world.counts))
    return found


@settings(max_examples=150)
@given(
    script=whole_scripts,
    sent=messages,
    rates=st.sampled_from(
        [
            (),
            (Rate(3, 10.0),),
            (Rate(9, 5.0, "recipients"),),
            (Rate(4, 10.0, shared="account"), Rate(2, 1.0, "requests")),
        ]
    ),
    unit=st.sampled_from(["messages", "recipients"]),
    unknown=st.sampled_from(["raise", "retry"]),
)
def test_both_ways_end_every_message_alike_and_leave_the_same_counts(
    script, sent, **facts
):
    straight, planned = (
        play(World(script, straight=way, **facts), sent) for way in (True, False)
    )

    assert straight == planned


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_both_ways_agree_on_every_pair_of_answers(first, second):
    sent = [("example.com", 0.0, 0.5, None)] * 12
    script = [*["accepted"] * 6, first, second]

    straight, planned = (
        play(World(script, straight=way), sent) for way in (True, False)
    )

    assert straight == planned


def test_the_straight_way_was_really_gone():
    world = World([], straight=True)

    play(world, [("example.com", 0.0, 0.5, None)] * 20)

    assert world.went_straight == 18  # each backend's first message is the plan's


@pytest.mark.parametrize(
    ("gap", "number"), [(0.0, 49), (61.0, 1)], ids=["by many since", "by its age"]
)
def test_a_failure_that_counts_no_more_leaves_the_straight_way_free_again(gap, number):
    one = ("example.com", gap, 0.0, "ses")
    world = World(["accepted", "busy", *["accepted"] * 200], straight=True)
    play(world, [("example.com", 0.0, 0.0, "ses")] * 2)
    before = world.went_straight

    play(world, [one] * number)
    held = world.went_straight - before
    play(world, [one] * 5)

    assert (before, held, world.went_straight - before) == (0, 0, 5)


# Each of these makes the two ways differ, which must be seen.


def broken(what):
    sent = [("example.com", 0.0, 0.5, None)] * 20
    straight, planned = (play(World(what, straight=way), sent) for way in (True, False))
    return straight != planned


def test_a_way_that_counts_nothing_is_seen(monkeypatch):
    settle = Dispatcher.settle

    def silent(self, permit, *given):
        before = dict(self.state.carried)
        receipt = settle(self, permit, *given)
        self.state.carried.update(before)
        return receipt

    monkeypatch.setattr(Dispatcher, "settle", silent)

    assert broken([])


def test_a_way_that_tells_no_breaker_of_a_success_is_seen(monkeypatch):
    def deaf(self, permit, answer, recipients, now):
        if not isinstance(answer, Receipt) or answer.refused:
            return None
        name = permit.gate.name
        self.state.carried[name] += 1
        permit.gate.live.discard(permit)
        permit.gate = None
        return self.receipt(permit, name, answer, recipients, now - permit.began)

    monkeypatch.setattr(Dispatcher, "settle", deaf)

    assert broken(["accepted"] * 4 + ["busy"])
