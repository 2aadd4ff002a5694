"""Pools under any sequence of steps: no verdict is wrong, and no line is left or reused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mailbalance.wire.smtp.blocking import SocketLine
from mailbalance.wire.smtp.transaction import Transaction
from tests.wire.certainty import disagreements
from tests.wire.cutting import Case, Stage
from tests.wire.http_cuts import HttpScenario, HttpStage
from tests.wire.http_submission import OK
from tests.wire.memory import Cut, Network
from tests.wire.memory.line import DOWN, UP
from tests.wire.memory.place import installed
from tests.wire.smtp_cuts import SmtpScenario, SmtpStage

cuts = st.one_of(
    st.builds(Cut, st.just("up"), st.integers(0, 400), st.sampled_from(UP)),
    st.builds(Cut, st.just("down"), st.integers(0, 300), st.sampled_from(DOWN)),
)


class PoolMachine(RuleBasedStateMachine):
    """Messages one after another over a pool whose lines break, rest and grow old."""

    scenario: Any
    stage: type[Stage]

    def __init__(self) -> None:
        super().__init__()
        self._installed = installed()
        self._place = self._installed.__enter__()
        self.network = Network(lambda: None)  # type: ignore[arg-type,return-value]
        self._place.network = self.network
        self.player = self.stage(Case(self.scenario, "sync", None), self.network)

    def teardown(self) -> None:
        self.player.close()
        leaked = self.network.leaked
        self._installed.__exit__(None, None, None)
        assert not leaked, f"lines {leaked} were left open"

    @rule()
    def send(self) -> None:
        """On a well network a message goes, whatever was before."""
        assert self._send() == "accepted"

    @rule(cut=cuts)
    def send_over_a_line_that_breaks(self, cut: Cut) -> None:
        """The next bytes of a resting line are cut, or those of a new one."""
        resting = [line for line in self.network.lines if not line.gone]
        if resting:
            line = resting[-1]
            done = line.sent if cut.direction == "up" else line.heard
            line.cut, line.struck = Cut(cut.direction, done + cut.at, cut.kind), False
        else:
            self.network.cuts = {len(self.network.lines): cut}
        self._send()
        self.network.cuts = {}
        for each in self.network.lines:
            each.cut = None

    @rule()
    def the_server_closes_what_rests(self) -> None:
        for line in self.network.lines:
            line.peer.over = True

    @rule()
    def the_server_speaks_unasked(self) -> None:
        for line in self.network.lines:
            if not line.gone:
                line.peer.out += b"421 4.4.2 idle too long\r\n"

    @rule(seconds=st.sampled_from([0.1, 4.0, 9.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.network.now += seconds

    @rule()
    def close(self) -> None:
        """A pool may be used again after it was closed."""
        self.player.close()

    @invariant()
    def one_line_rests_at_most(self) -> None:
        assert len(self.network.leaked) <= 1

    def _send(self) -> str:
        before = len(self.player.truth("after"))
        result = self.player.attempt("after")
        self.network.heal()
        outcome = getattr(result, "outcome", "accepted")
        claimed = result if isinstance(result, (list, tuple)) else ()
        assert not isinstance(result, Exception) or hasattr(result, "outcome"), result
        taken = self.player.truth("after")[before:]
        wrong = list(disagreements(outcome, claimed, taken))
        assert not wrong, (wrong, str(result))
        return outcome


class SmtpPools(PoolMachine):
    scenario = SmtpScenario("any")
    stage = SmtpStage


class PipelinedSmtpPools(PoolMachine):
    scenario = SmtpScenario("any", "starttls", True)
    stage = SmtpStage


class HttpPools(PoolMachine):
    scenario = HttpScenario("any", "ses", OK)
    stage = HttpStage


MACHINES = [SmtpPools, PipelinedSmtpPools, HttpPools]


@pytest.mark.parametrize("machine", MACHINES)
def test_any_short_sequence_leaves_a_sound_pool(machine: Any) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=10, stateful_step_count=20)
    )


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", MACHINES)
def test_any_sequence_leaves_a_sound_pool(machine: Any) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=200, stateful_step_count=50)
    )


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("machine", MACHINES)
def test_any_of_very_many_sequences_leaves_a_sound_pool(machine: Any) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=5000, stateful_step_count=50)
    )


# Controls: each of these faults must be found.


def lines_are_kept_after_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Transaction, "keep", True)


def lines_are_forgotten_unclosed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SocketLine, "abort", lambda _: None)


@pytest.mark.proof
@pytest.mark.parametrize(
    "fault", [lines_are_kept_after_anything, lines_are_forgotten_unclosed]
)
def test_a_broken_pool_is_found(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)

    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(
            SmtpPools,
            settings=settings(
                max_examples=200,
                stateful_step_count=50,
                database=None,
                phases=[Phase.generate],
            ),
        )
