"""Every reply at every stage, held against rules written from the standards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailbalance.errors import TransientError
from mailbalance.wire.smtp import transaction, verdict
from mailbalance.wire.smtp.replies import Reply
from mailbalance.wire.smtp.verdict import Rule
from tests.wire.cutting import How
from tests.wire.smtp_replies import CODES, FORMS, STAGES, figures


def test_each_code_at_each_stage_comes_to_what_the_standards_say(how: How) -> None:
    figures((how,), ("plain",)).must_be_clean(11 * 60)


@pytest.mark.proof
def test_every_reply_comes_to_what_the_standards_say(how: How) -> None:
    assert (len(STAGES), len(CODES), len(FORMS)) == (11, 60, 4)
    figures((how,)).must_be_clean(11 * 60 * 4)


# Controls: each of these faults must be seen by the same table.


def refusals_pass(patch: pytest.MonkeyPatch) -> None:
    rules = (Rule("5", TransientError), *verdict.ANY_SERVER)
    patch.setattr(verdict, "ANY_SERVER", rules)


def any_word_but_a_refusal_is_a_success(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reply, "positive", property(lambda self: self.code < 400))


def a_reset_that_fails_is_a_failure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transaction, "_ends_session", lambda _: False)
    never = property(lambda _: False, lambda *_: None)
    patch.setattr(transaction.Transaction, "stale", never, raising=False)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (refusals_pass, "TransientError, not RejectedError"),
        (any_word_but_a_refusal_is_a_success, "None, not UnknownOutcomeError"),
        (a_reset_that_fails_is_a_failure, "not None"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_table_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    how: How,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)

    found = figures((how,), ("plain",))

    assert any(seen in each for each in found.violations)
