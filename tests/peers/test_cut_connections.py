"""A real Postfix behind a proxy that cuts connections: nothing lost, nothing doubled."""

import os
import random

import pytest

from mailbalance import UnknownOutcomeError
from tests.peers import cutting
from tests.peers.cutting import MODES, Delivered, Run, send_through
from tests.peers.postfix import Postfix, postfix

__all__ = ["postfix"]

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]

#: Messages of all modes together, the share of them that is struck, and the seconds that
#: each may take.
SIZES = [
    pytest.param(100, 0.25, 0.7, id="100"),
    pytest.param(3_000, 0.03, 2.0, id="3000", marks=pytest.mark.proof),
    pytest.param(
        100_000,
        0.03,
        2.0,
        id="100000",
        marks=[pytest.mark.slow, pytest.mark.timeout(1800)],
    ),
]


@pytest.fixture
def seed() -> str:
    return os.environ.get("MB_SEED") or str(random.randrange(10**6))


@pytest.mark.parametrize(("how", "unknown"), MODES)
@pytest.mark.parametrize(("count", "rate", "patience"), SIZES)
def test_what_is_told_is_what_postfix_has(
    postfix: Postfix,
    seed: str,
    count: int,
    rate: float,
    patience: float,
    how: cutting.How,
    unknown: cutting.Unknown,
) -> None:
    run = send_through(
        postfix,
        count // len(MODES),
        how=how,
        unknown=unknown,
        seed=seed,
        rate=rate,
        patience=patience,
    )

    found = run.figures()
    assert not run.wrong(), f"MB_SEED={seed}: {run.wrong()} {found}"
    assert unknown == "retry" or found["duplicates"] == 0
    assert count < 1000 or found["withheld"] > 0, "the proxy did nothing"


def test_an_unknown_outcome_taken_for_a_refusal_is_found(
    postfix: Postfix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnknownOutcomeError, "outcome", "not_accepted")
    monkeypatch.setattr(UnknownOutcomeError, "retry_here", True)
    monkeypatch.setattr(UnknownOutcomeError, "try_next", True)

    run = send_through(
        postfix, 40, how="sync", unknown="raise", seed="1", rate=0.5, patience=0.7
    )

    assert any("twice and nobody was told" in each for each in run.wrong())


def test_the_reckoning_finds_what_is_missing_doubled_or_foreign(
    postfix: Postfix,
) -> None:
    run = send_through(postfix, 5, how="sync", unknown="raise", seed="1", rate=0)
    assert not run.wrong()

    lost = Run("1", run.told, run.inbox[1:], run.proxy, run.seconds)
    double = Run("1", run.told, [*run.inbox, *run.inbox[:1]], run.proxy, run.seconds)
    others = [Delivered(each.message_id, "another") for each in run.inbox]
    foreign = Run("1", run.told, others, run.proxy, run.seconds)

    assert any("accepted is missing" in each for each in lost.wrong())
    assert any("twice and nobody was told" in each for each in double.wrong())
    assert any("queue id of another" in each for each in foreign.wrong())
