"""A request cut at every byte, every way: no verdict that the server would deny."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailbalance.backend import Receipt
from mailbalance.backends import _mailtrap_reply, ses
from mailbalance.errors import DeliveryError, TransientError
from mailbalance.wire.http import errors
from mailbalance.wire.net.asyncio_stream import AsyncioStream
from mailbalance.wire.net.pool import Pool
from mailbalance.wire.net.socket_stream import SocketStream
from tests.wire.cutting import How
from tests.wire.http_cuts import WAYS, Way, figures

BY_ANY_WAY = pytest.mark.parametrize("way", WAYS)


@BY_ANY_WAY
def test_a_sample_of_all_cuts_makes_no_verdict_that_the_server_would_deny(
    way: Way, how: How
) -> None:
    figures(200, (how,), (way,)).must_be_clean(200)


@pytest.mark.proof
@pytest.mark.timeout(300)
@BY_ANY_WAY
def test_no_cut_at_any_byte_makes_a_verdict_that_the_server_would_deny(
    way: Way, how: How
) -> None:
    figures(None, (how,), (way,)).must_be_clean(18_000)


# Controls: each of these faults must be seen by the same harness.


def lost_replies_count_as_refusals(patch: pytest.MonkeyPatch) -> None:
    real = errors.translate

    def translate(error: BaseException, exchange: Any) -> DeliveryError:
        return TransientError(str(real(error, exchange)))

    patch.setattr(errors, "translate", translate)


def any_reply_counts_as_acceptance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_mailtrap_reply, "_says", lambda _, *, success: success)
    patch.setattr(_mailtrap_reply, "ids", lambda _: ())
    patch.setattr(
        ses,
        "receipt",
        lambda name, response, message, envelope, keys: Receipt(
            "accepted", name, accepted=envelope.recipients
        ),
    )


def every_failure_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def is_stale(_error: BaseException, exchange: Any) -> bool:
        tried.append(id(exchange))
        return tried.count(id(exchange)) == 1

    patch.setattr(errors, "is_stale", is_stale)


def resting_connections_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pool, "_replace", lambda *_: None)


def connections_are_forgotten_unclosed(patch: pytest.MonkeyPatch) -> None:
    for stream in (SocketStream, AsyncioStream):
        patch.setattr(stream, "abort", lambda _: None)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (lost_replies_count_as_refusals, "said not accepted, and the server has it"),
        (any_reply_counts_as_acceptance, "said accepted, and the server has it not"),
        (every_failure_is_tried_again, "the server has it 2 times"),
        (resting_connections_are_not_looked_at, "the message after it"),
        (connections_are_forgotten_unclosed, "was left open"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
@BY_ANY_WAY
def test_the_harness_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    way: Way,
    how: How,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)

    found = figures(800, (how,), (way,))

    assert any(seen in each for each in found.violations)
