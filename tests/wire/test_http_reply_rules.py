"""Every status in every shape from both APIs, held against rules written by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailbalance.backends import _http, _mailtrap_reply, ses
from mailbalance.backends._http import Rule, Verdict
from mailbalance.errors import TransientError
from tests.wire.cutting import How
from tests.wire.http_cuts import WAYS, Way
from tests.wire.http_replies import (
    APIS,
    SHAPES,
    STATUSES,
    carried,
    judged,
    over_sockets,
)


@pytest.mark.proof
def test_every_reply_is_judged_as_the_rules_say() -> None:
    assert (len(STATUSES), len(SHAPES), len(APIS)) == (500, 7, 2)
    judged(STATUSES).must_be_clean(7_000)


def test_a_few_statuses_of_each_kind_are_judged_as_the_rules_say() -> None:
    judged(range(100, 600, 9)).must_be_clean(700)


@pytest.mark.parametrize("way", WAYS)
def test_a_sample_of_replies_comes_over_the_wire_as_it_is_judged(
    way: Way, how: How
) -> None:
    carried(150, (how,), (way,)).must_be_clean(150)


@pytest.mark.proof
@pytest.mark.parametrize("way", WAYS)
def test_replies_come_over_the_wire_as_they_are_judged(way: Way, how: How) -> None:
    carried(1_500, (how,), (way,)).must_be_clean(1_500)


@pytest.mark.proof
def test_replies_come_over_real_sockets_as_they_are_judged(how: How, ca: str) -> None:
    over_sockets(100, how, ca).must_be_clean(100)


# Controls: each of these faults must be seen by the same table.


def any_200_is_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        _mailtrap_reply,
        "_says",
        lambda reply, *, success: success and isinstance(reply, dict),
    )


def a_servers_own_trouble_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    failed = Rule(Verdict(TransientError), statuses=frozenset(range(500, 600)))
    patch.setattr(_http, "BY_STATUS", (failed, *_http.BY_STATUS))
    patch.setattr(_http, "_NOT_BEGUN", frozenset(range(500, 600)))


def replies_of_ses_go_unread(patch: pytest.MonkeyPatch) -> None:
    real = ses.receipt

    def receipt(name, response, *rest):  # type: ignore[no-untyped-def]
        return real(name, type(response)(200, {}, response.body), *rest)

    patch.setattr(ses, "receipt", receipt)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (any_200_is_accepted, "None, not UnknownOutcomeError"),
        (a_servers_own_trouble_is_a_refusal, "TransientError, not UnknownOutcomeError"),
        (replies_of_ses_go_unread, "None, not RejectedError"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_table_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)

    found = judged(range(200, 600, 20))

    assert any(seen in each for each in found.violations)
