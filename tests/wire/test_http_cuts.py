"""A request cut at every byte, every way: no verdict that the server would deny."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailbalance.backend import Receipt
from mailbalance.backends import _mailtrap_reply, ses
from mailbalance.errors import DeliveryError, TransientError
from mailbalance.wire.http import faults, pooled, sockets, streams
from mailbalance.wire.http.direct import blocking, looped
from mailbalance.wire.http.wire import Engine
from tests.wire.cutting import How
from tests.wire.http_cuts import figures


def test_a_sample_of_all_cuts_makes_no_verdict_that_the_server_would_deny(
    engine: Engine, how: How
) -> None:
    figures(200, (how,), (engine,)).must_be_clean(200)


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_no_cut_at_any_byte_makes_a_verdict_that_the_server_would_deny(
    engine: Engine, how: How
) -> None:
    figures(None, (how,), (engine,)).must_be_clean(18_000)


# Controls: each of these faults must be seen by the same harness.


def lost_replies_count_as_refusals(patch: pytest.MonkeyPatch) -> None:
    real = faults.translate

    def translate(error: BaseException, exchange: Any) -> DeliveryError:
        return TransientError(str(real(error, exchange)))

    patch.setattr(faults, "translate", translate)


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

    patch.setattr(faults, "is_stale", is_stale)


def resting_connections_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    for stream in (sockets.SocketStream, streams.Stream):
        patch.setattr(stream, "get_extra_info", lambda *_: None)
    for line in (blocking.SocketLine, looped.TransportLine):
        patch.setattr(line, "quiet", True)


def connections_are_forgotten_unclosed(patch: pytest.MonkeyPatch) -> None:
    async def aclose(_: object) -> None:
        return None

    patch.setattr(sockets.SocketStream, "close", lambda _: None)
    patch.setattr(streams.Stream, "aclose", aclose)
    for line in (blocking.SocketLine, looped.TransportLine):
        patch.setattr(line, "abort", lambda _: None)


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
def test_the_harness_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    engine: Engine,
    how: How,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)

    found = figures(800, (how,), (engine,))

    assert any(seen in each for each in found.violations)


@pytest.mark.proof
def test_the_harness_sees_odd_replies_leave_their_connection_in_use(
    how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the direct exchange: what came with a reply too many went with its reader."""
    monkeypatch.setattr(pooled, "_retire_after_oddity", lambda *_: None)

    found = figures(800, (how,), ("httpcore2",))

    assert any("the message after it" in each for each in found.violations)
