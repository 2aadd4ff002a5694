"""A send interrupted at every system call: no connection is used again half done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailbalance.wire.http.exchange import Exchange
from mailbalance.wire.net.pool import Pool, Ticket
from mailbalance.wire.net.socket_stream import SocketStream
from mailbalance.wire.slots import Slots
from mailbalance.wire.smtp import blocking
from mailbalance.wire.smtp.transaction import Transaction
from tests.wire.doors import DOORS
from tests.wire.interrupting import figures


def test_interrupted_at_any_system_call_a_send_leaves_nothing_behind() -> None:
    figures().must_be_clean(400)


# Controls: each of these faults must be seen by the same harness.


def half_done_connections_are_kept(patch: pytest.MonkeyPatch) -> None:
    always = property(lambda _: True, lambda *_: None)
    patch.setattr(Transaction, "keep", True)
    patch.setattr(Exchange, "keep", always)
    patch.setattr(Ticket, "keep", always)


def connections_are_left_open(patch: pytest.MonkeyPatch) -> None:
    for line in (blocking.SocketLine, SocketStream):
        patch.setattr(line, "abort", lambda _: None)


def places_in_the_pool_are_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slots, "release", lambda _: None)
    patch.setattr(Ticket, "over", property(lambda _: False, lambda *_: None))
    patch.setattr(Pool, "leave", lambda *_: None)


@pytest.mark.proof
@pytest.mark.parametrize("door", ["smtp", "direct"])
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (half_done_connections_are_kept, "a send after it suffers"),
        (connections_are_left_open, "was left open"),
        (places_in_the_pool_are_lost, "in the pool are lost"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_harness_sees(
    fault: Callable[[pytest.MonkeyPatch], None],
    seen: str,
    door: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)
    doors = [each for each in DOORS if door in (each.name, each.way)]

    found = figures(tuple(doors[:2]))

    assert any(seen in each for each in found.violations)
