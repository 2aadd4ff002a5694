"""The plan always ends, and never sends after an accepted or unknown answer."""

import copy
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from mailbalance.backend import Limits, Receipt, Refusal, Try
from mailbalance.delivery.plan import plan
from mailbalance.delivery.retry import RetryPolicy
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.routing import Dispatcher, Entry, Route
from mailbalance.routing.admission import Permit


@dataclass(frozen=True)
class Door:
    name: str
    account: str
    limits = Limits(10**6, 50, source="none", checked=date(2026, 11, 23))


EVERYONE = ("a@example.com", "b@example.com", "c@example.com")

doors = st.lists(
    st.builds(Door, st.sampled_from("pqrs"), st.sampled_from("xy")),
    min_size=1,
    max_size=4,
    unique_by=lambda door: door.name,
)
faults = st.sampled_from(
    [
        lambda: RejectedError("no"),
        lambda: ThrottledError("slow", retry_after=3),
        lambda: TransientError("later"),
        lambda: UnavailableError("key"),
        lambda: UnavailableError("quota", scope="account"),
        lambda: UnknownOutcomeError("lost"),
    ]
)
replies = st.lists(st.sampled_from([250, 450, 550]), min_size=3, max_size=3)
answers = st.one_of(faults, replies, st.just("accepted"))


def drive(route_doors, script, *, unknown="raise", took=0.5):
    """Play a script against a plan; give the tries made and how it ended."""
    now = [1000.0]
    policy = RetryPolicy(unknown=unknown)
    route = Route(tuple(route_doors), route_doors[0].name)
    entries = [Entry(door, Fraction(1)) for door in route_doors]
    steps = plan(
        Permit(),
        route,
        EVERYONE,
        policy,
        clock=lambda: now[0],
        dispatcher=Dispatcher(entries),
    )
    tries, given_answers = [], []
    step = next(steps)
    for number in range(50):
        if not isinstance(step, Try):
            return tries, given_answers, step
        tries.append(step)
        now[0] += step.delay + took
        answer = answer_to(script[number % len(script)], step)
        # A copy: the plan fills the error that it ends with.
        given_answers.append(copy.copy(answer))
        try:
            step = steps.send(answer)
        except DeliveryError as error:
            return tries, given_answers, error
    raise AssertionError("the plan did not end")


def answer_to(what, step):
    """Make a backend's answer to a try."""
    if callable(what):
        return what()
    codes = [250, 250, 250] if what == "accepted" else what
    code_of = dict(zip(EVERYONE, codes, strict=True))
    accepted = tuple(a for a in step.recipients if code_of[a] == 250)
    refused = {
        a: Refusal(code_of[a], "no") for a in step.recipients if code_of[a] != 250
    }
    if accepted:
        kind = "partial" if refused else "accepted"
        return Receipt(kind, step.backend.name, accepted=accepted, refused=refused)
    final = {a: r for a, r in refused.items() if not r.temporary}
    kind = RejectedError if len(final) == len(refused) else TransientError
    return kind("refused", refused=final)


scripts = st.lists(answers, min_size=1, max_size=8)


@given(route_doors=doors, script=scripts, unknown=st.sampled_from(["raise", "retry"]))
def test_a_plan_always_ends_after_five_tries_at_most(route_doors, script, unknown):
    tries, _, _ = drive(route_doors, script, unknown=unknown)

    assert 1 <= len(tries) <= 5


@given(route_doors=doors, script=scripts)
def test_nothing_follows_an_unknown_answer_unless_told(route_doors, script):
    _, given_answers, _ = drive(route_doors, script)

    kinds = [isinstance(answer, UnknownOutcomeError) for answer in given_answers]
    assert not any(kinds[:-1])


@given(route_doors=doors, script=scripts, unknown=st.sampled_from(["raise", "retry"]))
def test_an_accepted_recipient_is_never_in_a_later_try(route_doors, script, unknown):
    tries, given_answers, _ = drive(route_doors, script, unknown=unknown)

    accepted = set()
    for step, answer in zip(tries, given_answers, strict=True):
        assert not accepted.intersection(step.recipients)
        if isinstance(answer, Receipt):
            accepted.update(answer.accepted)


@given(route_doors=doors, script=scripts, unknown=st.sampled_from(["raise", "retry"]))
def test_a_recipient_refused_for_good_is_never_in_a_later_try(
    route_doors, script, unknown
):
    tries, given_answers, _ = drive(route_doors, script, unknown=unknown)

    gone = set()
    for step, answer in zip(tries, given_answers, strict=True):
        assert not gone.intersection(step.recipients)
        gone |= {a for a, reply in answer.refused.items() if not reply.temporary}


@given(route_doors=doors, script=scripts, unknown=st.sampled_from(["raise", "retry"]))
def test_every_recipient_is_accounted_for_exactly_once(route_doors, script, unknown):
    _, given_answers, end = drive(route_doors, script, unknown=unknown)

    really = [a for x in given_answers if isinstance(x, Receipt) for a in x.accepted]
    assert list(end.accepted) == really
    if isinstance(end, Receipt):
        assert sorted([*end.accepted, *end.refused]) == sorted(EVERYONE)
        assert end.outcome == ("partial" if end.refused else "accepted")
    else:
        assert not set(end.accepted) & set(end.refused)


@given(route_doors=doors, script=scripts, unknown=st.sampled_from(["raise", "retry"]))
def test_no_try_starts_without_time_left_to_commit(route_doors, script, unknown):
    tries, _, _ = drive(route_doors, script, unknown=unknown, took=7.0)

    for step in tries:
        assert step.timeout >= RetryPolicy().reserve
        assert step.timeout <= RetryPolicy().timeout


@given(route_doors=doors, script=scripts)
def test_an_account_that_is_unavailable_is_left_alone(route_doors, script):
    tries, given_answers, _ = drive(route_doors, script)

    closed = set()
    for step, answer in zip(tries, given_answers, strict=True):
        assert step.backend.account not in closed
        if getattr(answer, "scope", "") == "account":
            closed.add(step.backend.account)


@given(route_doors=doors, script=scripts)
def test_an_end_after_an_unknown_says_so(route_doors, script):
    _, given_answers, end = drive(route_doors, script, unknown="retry")

    if any(isinstance(answer, UnknownOutcomeError) for answer in given_answers):
        assert (
            end.possible_duplicate
            if isinstance(end, Receipt)
            else isinstance(end, UnknownOutcomeError)
        )
