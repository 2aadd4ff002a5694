"""Mails in a row, cut at every byte: each verdict is what the server would say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailbalance.errors import TransientError
from mailbalance.wire.smtp.transaction import Transaction
from tests.wire.cutting import How
from tests.wire.smtp_chain_cuts import figures


def test_a_sample_of_all_cuts_makes_no_verdict_that_the_server_would_deny(
    how: How,
) -> None:
    figures(150, (how,)).must_be_clean(150)


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_no_cut_at_any_byte_makes_a_verdict_that_the_server_would_deny(
    how: How,
) -> None:
    figures(hows=(how,)).must_be_clean(5_000)


# Controls: each of these faults must be seen by the same harness.


def lost_replies_count_as_refusals(patch: pytest.MonkeyPatch) -> None:
    def judged(self: Transaction, detail: str, *_: object) -> TransientError:
        return TransientError(detail, phase="dot")

    patch.setattr(Transaction, "_unknown", judged)


def a_broken_chain_goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Transaction, "keep", True)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (lost_replies_count_as_refusals, "said not accepted, and the server has it"),
        (a_broken_chain_goes_on, "the server has it not"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_harness_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    how: How,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)

    found = figures(1_000, (how,))

    assert any(seen in each for each in found.violations)
