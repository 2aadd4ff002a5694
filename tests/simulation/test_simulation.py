"""Nothing lost in silence, nothing doubled unpredicted, whatever the providers do."""

import os

import pytest

from mailbalance.errors import TransientError, UnknownOutcomeError
from mailbalance.routing.split import Pair
from tests.simulation.scenario import Run, play

SEED = int(os.environ.get("MB_SEED", "1"))


def holds(figures):
    """Say whether a run kept every promise; its seed is in each line that broke one."""
    assert not figures.wrong, figures.wrong[:5]
    assert figures.doubled == figures.predicted


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_short_run_keeps_every_promise(seed):
    holds(Run(seed, 250, unknown=["raise", "retry"][seed % 2]).play())


def test_a_run_without_async_keeps_every_promise():
    holds(Run(SEED, 500, how="sync", unknown="retry").play())


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_of_many_at_once_keeps_every_promise(seed):
    holds(Run(seed, 500, how="many", unknown=["raise", "retry"][seed % 2]).play())


def test_a_run_with_keys_keeps_every_promise():
    holds(Run(SEED, 300, keyed=True).play())


def test_the_same_seed_gives_the_same_run():
    first, second = (Run(5, 1500, unknown="retry").play() for _ in range(2))

    assert first.trace == second.trace


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", [0, 1])
def test_a_hundred_thousand_messages_keep_every_promise(half):
    figures = play(50_000, seed=SEED + 1000 * half)

    holds(figures)
    assert figures.doubled > 100, "too few doubles to speak of"


@pytest.mark.slow
@pytest.mark.timeout(20_000)
@pytest.mark.parametrize("part", range(10))
def test_ten_million_messages_keep_every_promise(part):
    holds(play(1_000_000, seed=SEED + 100_000 * part, each=10_000))


# The simulation must see what it is there to see: each of these breaks one promise.


def broken(run):
    return run.play().wrong


def test_an_unknown_outcome_taken_for_a_failure_is_seen(monkeypatch):
    for fact in ("retry_here", "try_next", "outcome", "health"):
        monkeypatch.setattr(UnknownOutcomeError, fact, getattr(TransientError, fact))

    assert broken(Run(1, 600))


def test_a_split_that_pays_debts_back_is_seen(monkeypatch):
    monkeypatch.setattr(Pair, "pick", lambda self, size=1: 0)

    assert broken(Run(1, 200))


def test_a_permit_that_is_not_given_back_is_seen(monkeypatch):
    for verb in ("end", "sweep"):  # it is over in any case, which sweeping sees
        where = f"mailbalance.routing.admission.Gate.{verb}"
        monkeypatch.setattr(where, lambda *_: None)

    assert broken(Run(1, 200))


def test_accepted_recipients_that_are_sent_to_again_are_seen(monkeypatch):
    from mailbalance.delivery.plan import Story

    note = Story._note_refused

    def forgetful(self, receipt):
        everyone = self.waiting
        note(self, receipt)
        if not self.settled:
            self.waiting = everyone

    monkeypatch.setattr(Story, "_note_refused", forgetful)

    assert broken(Run(3, 1500))


def test_a_deadline_that_is_not_kept_is_seen(monkeypatch):
    from mailbalance.delivery.retry import RetryPolicy

    monkeypatch.setattr(RetryPolicy, "reserve", property(lambda _: -60.0))

    assert broken(Run(4, 1500, how="sync", unknown="retry"))
