"""A mail cut at every byte, every way: no verdict that the server would deny."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailbalance.errors import TransientError
from mailbalance.wire.smtp import transaction
from mailbalance.wire.smtp.blocking import SocketLine
from mailbalance.wire.smtp.commands import Mail
from mailbalance.wire.smtp.looped import TransportLine
from mailbalance.wire.smtp.transaction import Transaction
from tests.wire.cutting import How
from tests.wire.smtp_cuts import figures


def test_a_sample_of_all_cuts_makes_no_verdict_that_the_server_would_deny(
    how: How,
) -> None:
    figures(200, (how,)).must_be_clean(200)


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_no_cut_at_any_byte_makes_a_verdict_that_the_server_would_deny(
    how: How,
) -> None:
    figures(hows=(how,)).must_be_clean(12_000)


# Controls: each of these faults must be seen by the same harness.


def lost_replies_count_as_refusals(patch: pytest.MonkeyPatch) -> None:
    def judged(self: Transaction, detail: str, *_: object) -> TransientError:
        return TransientError(detail, phase="dot")

    patch.setattr(Transaction, "_unknown", judged)


def lost_replies_count_as_acceptance(patch: pytest.MonkeyPatch) -> None:
    def judged(self: Transaction, broken: Exception) -> Any:
        if not self.committed:
            return TransientError(str(broken), phase="body")
        reply = transaction.Accepted(None, self._mail.recipients)  # type: ignore[arg-type]
        yield reply

    patch.setattr(Transaction, "_after", judged)


def connections_are_kept_after_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Transaction, "keep", True)


def the_dot_goes_with_the_body(patch: pytest.MonkeyPatch) -> None:
    wire = Mail.wire.fget  # type: ignore[attr-defined]
    patch.setattr(Mail, "wire", property(lambda self: (*wire(self), b".\r\n")))
    patch.setattr(transaction, "DOT", b"")


def every_failure_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    always = property(lambda _: True, lambda *_: None)
    patch.setattr(Transaction, "stale", always, raising=False)


def resting_connections_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SocketLine, "quiet", True)
    patch.setattr(TransportLine, "quiet", True)


def connections_are_forgotten_unclosed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SocketLine, "abort", lambda _: None)
    patch.setattr(TransportLine, "abort", lambda _: None)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (lost_replies_count_as_refusals, "said not accepted, and the server has it"),
        (lost_replies_count_as_acceptance, "said accepted, and the server has it not"),
        (connections_are_kept_after_anything, "the message after it"),
        (the_dot_goes_with_the_body, "said not accepted, and the server has it"),
        (every_failure_is_tried_again, "the server has it 2 times"),
        (resting_connections_are_not_looked_at, "the message after it"),
        (connections_are_forgotten_unclosed, "was left open"),
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
