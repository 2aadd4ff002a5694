"""How many calls of Python functions a message costs: counted, since no clock tells it.

Where a process has just waited, each call costs a microsecond, whatever it does.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

from mailbalance.wire.http import HttpRequest, HttpWire

from .peer import Peer, serve

pytestmark = pytest.mark.usefixtures("calls_are_ours")

#: Calls of a POST over a kept connection, for a plain reply: asyncio's own included.
SYNC, ASYNC = 13, 47


def counting(names):
    def note(frame, event, _):
        if event == "call":
            names.append(frame.f_code.co_qualname)

    return note


def test_a_post_over_a_kept_connection_costs_few_calls():
    names = []
    wire = HttpWire(backend="b")
    with Peer((serve,)) as peer:
        request = HttpRequest("POST", peer.url(), {"X": "y"}, b"x" * 2000)
        for _ in range(3):
            wire.post(request, timeout=5)
        sys.setprofile(counting(names))
        wire.post(request, timeout=5)
        sys.setprofile(None)
        wire.close()

    assert len(names) <= SYNC, names


def test_a_post_in_an_event_loop_costs_few_calls():
    names = []

    async def run(url):
        wire = HttpWire(backend="b")
        request = HttpRequest("POST", url, {"X": "y"}, b"x" * 2000)
        for _ in range(3):
            await wire.apost(request, timeout=5)
        sys.setprofile(counting(names))
        await wire.apost(request, timeout=5)
        sys.setprofile(None)
        await wire.aclose()

    with Peer((serve,)) as peer:
        asyncio.run(run(peer.url()))

    assert len(names) <= ASYNC, names
