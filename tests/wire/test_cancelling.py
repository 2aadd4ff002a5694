"""A send cancelled at every point where it waits: the outcome is known, the pool whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mailbalance.wire.http.exchange import Exchange
from mailbalance.wire.net.asyncio_stream import Alarm, AsyncioStream
from mailbalance.wire.net.pool import Pool, Ticket
from mailbalance.wire.slots import LoopedSlots
from mailbalance.wire.smtp import looped, looped_pump
from mailbalance.wire.smtp.transaction import Transaction
from tests.wire import live_cancelling
from tests.wire.cancelling import figures
from tests.wire.doors import DOORS

FEW = DOORS[:7]

#: There is no proxy but in memory.
LIVE = tuple(each for each in DOORS if each.way != "proxy")
WHOLE = pytest.mark.parametrize("whole", [False, True], ids=["backend", "mailer"])


@WHOLE
def test_cancelled_anywhere_a_send_has_an_outcome_and_leaves_nothing(
    whole: bool,
) -> None:
    figures(whole=whole, doors=FEW).must_be_clean(50)


@pytest.mark.proof
@WHOLE
@pytest.mark.parametrize("times", [1, 2, 30])
def test_cancelled_anywhere_by_any_door_a_send_has_an_outcome(
    whole: bool, times: int
) -> None:
    figures(whole=whole, times=times).must_be_clean(250)


# Controls: each of these faults must be seen by the same harness.


def the_wait_for_a_reply_is_given_up(patch: pytest.MonkeyPatch) -> None:
    def give_up() -> None:
        raise asyncio.CancelledError

    patch.setattr(looped_pump, "_outlive_cancellation", give_up)
    read = AsyncioStream.read
    patch.setattr(AsyncioStream, "read", lambda self, ends, _=False: read(self, ends))


def cut_connections_are_kept(patch: pytest.MonkeyPatch) -> None:
    always = property(lambda _: True, lambda *_: None)
    patch.setattr(Transaction, "keep", True)
    patch.setattr(Exchange, "keep", always)
    patch.setattr(Ticket, "keep", always)
    # As with uvloop, where a send waits in the middle of a message.
    patch.setattr(looped.TransportLine, "settled", False)


def places_in_the_pool_are_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LoopedSlots, "release", _unless_cancelled(LoopedSlots.release))
    patch.setattr(Ticket, "over", property(lambda _: False, lambda *_: None))
    patch.setattr(Pool, "leave", _unless_cancelled(Pool.leave))


def _unless_cancelled(real: Callable[..., None]) -> Callable[..., None]:
    def leave(self: Any, *args: Any) -> None:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            real(self, *args)

    return leave


def connections_are_left_open(patch: pytest.MonkeyPatch) -> None:
    for line in (looped.TransportLine, AsyncioStream):
        patch.setattr(line, "abort", lambda _: None)


def timers_are_left_running(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Alarm, "end", lambda _: None)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (the_wait_for_a_reply_is_given_up, "said not accepted, and the server has it"),
        (cut_connections_are_kept, "a send after it suffers"),
        (places_in_the_pool_are_lost, "the pool holds"),
        (connections_are_left_open, "was left open"),
        (timers_are_left_running, "a timer was left running"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
@pytest.mark.parametrize("door", ["smtp", "direct"])
def test_the_harness_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    door: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)
    doors = [each for each in DOORS if door in (each.name, each.way)]

    found = figures(whole=False, doors=tuple(doors[:2]), most=40)

    assert any(seen in each for each in found.violations)


# With live peers and a real event loop.


@pytest.mark.proof
@pytest.mark.timeout(180)
@WHOLE
def test_cancelled_anywhere_with_live_peers_a_send_has_an_outcome(
    whole: bool, ca: str
) -> None:
    live_cancelling.figures(LIVE[:5], ca, whole=whole).must_be_clean(40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@WHOLE
def test_cancelled_at_random_with_live_peers_a_send_has_an_outcome(
    whole: bool, ca: str
) -> None:
    count = 5_000 // len(LIVE) + 1
    found = live_cancelling.figures(LIVE, ca, whole=whole, count=count)
    found.must_be_clean(5_000)
