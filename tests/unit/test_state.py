"""What one process remembers of backends, accounts and senders, and who learns what."""

import os
from random import Random

import pytest

from mailbalance.backend import Rate
from mailbalance.errors import TransientError, UnavailableError
from mailbalance.routing.choice import Ask, Fresh, View
from mailbalance.routing.gate import Pass
from mailbalance.routing.state import SENDERS, State
from tests.unit.gates import CARRIED, NOW, Door

REFUSED = TransientError("refused", phase="connect")
NOT_HERE = UnavailableError("not verified", scope="sender")


@pytest.fixture
def state():
    return State({}, Random(1), os.getpid())


def given_by(state, door=None, **facts):
    return Pass(0, state.gate(door or Door(), NOW), 0.0, NOW, "example.com", **facts)


def test_a_backend_has_one_gate_however_often_it_is_asked_for(state):
    assert state.gate(Door(), NOW) is state.gate(Door(), NOW + 1)


def test_backends_of_one_account_share_it_and_others_do_not(state):
    ses, smtp, mailtrap = (
        state.gate(Door(name=name, account=account), NOW).account
        for name, account in (("ses", "aws"), ("smtp", "aws"), ("mailtrap", "mt"))
    )

    assert ses is smtp
    assert ses is not mailtrap
    assert (ses.name, ses.breaker.name, ses.breaker.scope) == ("aws", "aws", "account")


def test_the_limits_of_a_known_backend_hold_for_who_acts_for_it():
    state = State({"ses": Door(Rate(5, 10.0))}, Random(1), os.getpid())

    gate = state.gate(Door(Rate(7, 10.0)), NOW)

    assert [window.rate.count for window in gate.windows()] == [5]


def test_a_pass_of_the_process_before_a_fork_is_not_ours(state):
    fresh = State({}, Random(1), os.getpid())
    given = given_by(state)

    before = fresh.gave(given)
    fresh.gate(Door(), NOW)

    assert (state.gave(given), before, fresh.gave(given)) == (True, False, False)


@pytest.mark.parametrize("kind", ["single", "call"])
def test_a_backend_and_its_account_learn_from_a_try(state, kind):
    given = given_by(state, kind=kind)

    assert state.watching(given, REFUSED, NOW) == given.gate.breakers


def test_messages_that_go_together_tell_nothing_of_the_backend(state):
    assert state.watching(given_by(state, kind="together"), REFUSED, NOW) == ()


@pytest.mark.parametrize("answer", [CARRIED, REFUSED])
def test_those_that_watched_learn_from_it(state, answer):
    gate = state.gate(Door(), NOW)
    watching = (*gate.breakers, state.sender(given_by(state), NOW))

    found = state.watching(given_by(state, watching=watching), answer, NOW)

    assert found == watching


@pytest.mark.parametrize(("kind", "known"), [("single", 2), ("together", 0)])
def test_a_sender_is_known_from_its_first_refusal_on(state, kind, known):
    given = given_by(state, kind=kind)

    found = state.watching(given, NOT_HERE, NOW)

    assert found == (*given.gate.breakers[:known], state.sender(given, NOW))
    assert (found[-1].name, found[-1].scope) == ("example.com at ses", "sender")


def test_a_sender_that_was_known_before_learns_once(state):
    gate = state.gate(Door(), NOW)
    sender = state.sender(given_by(state), NOW)

    given = given_by(state, watching=(*gate.breakers, sender))

    assert state.watching(given, NOT_HERE, NOW) == (*gate.breakers, sender)


def test_the_call_that_carries_others_says_nothing_of_a_sender(state):
    given = given_by(state, kind="call")

    assert state.watching(given, NOT_HERE, NOW) == given.gate.breakers
    assert not state.senders


def test_what_is_wrong_with_all_else_makes_no_sender_known(state):
    for scope in ("backend", "account"):
        state.watching(given_by(state), UnavailableError("no", scope=scope), NOW)

    assert not state.senders


def test_a_sender_is_remembered_for_each_backend_by_itself(state):
    ses, other = given_by(state), given_by(state, Door(name="other"))

    assert state.sender(ses, NOW) is state.sender(ses, NOW + 1)
    assert state.sender(ses, NOW) is not state.sender(other, NOW)


def test_the_oldest_of_too_many_senders_is_forgotten(state):
    given = given_by(state)
    for number in range(SENDERS + 2):
        given.sender = f"d{number}.example"
        state.sender(given, NOW)

    assert len(state.senders) == SENDERS == 1000
    assert next(iter(state.senders)) == ("ses", "d2.example")


@pytest.mark.parametrize("rests", [True, False])
@pytest.mark.parametrize("other_rests", [True, False])
def test_a_message_is_diverted_for_want_of_health_and_overflows_for_want_of_room(
    state, rests, other_rests
):
    views, ask = [], Ask("example.com", 1, NOW, NOW + 20)
    for name, cools in (("ses", rests), ("other", other_rests)):
        door = Door(name=name)
        gate = state.gate(door, NOW)
        if cools:
            gate.breaker.open(UnavailableError("no"), NOW)
        views.append(View(gate, 0, Fresh(door), ask, sender=None, frozen=False))

    state.turned_away("ses", views)

    assert (state.diverted["ses"], state.overflowed["ses"]) == (rests, not rests)


def test_a_message_is_diverted_from_a_backend_that_was_not_even_looked_at(state):
    state.turned_away("ses", [])

    assert (state.diverted["ses"], state.overflowed["ses"]) == (1, 0)
