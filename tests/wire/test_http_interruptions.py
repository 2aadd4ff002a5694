"""An exception from outside, raised into the middle of a send: it gets out, as it is."""

from __future__ import annotations

import asyncio
import signal
import threading
import types

import httpx
import httpx2
import pytest

from mailbalance.wire.http import HttpRequest, HttpWire

from .peer import OK, Peer, dribbling, serve


class LimitError(Exception):
    """As a task queue's soft time limit: an Exception that is nobody's fault."""


HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = HEAD + b"Content-Length: 9999\r\n\r\n"
REPLIES = pytest.mark.parametrize(
    "reply",
    [
        pytest.param((HEAD, b"X-A: b\r\n"), id="head"),
        pytest.param((BODY, b" "), id="body"),
    ],
)


@pytest.fixture
def limit():
    """Have a signal raise in the main thread, as a worker's time limit does."""

    def strike(*_):
        raise LimitError

    before = signal.signal(signal.SIGUSR1, strike)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@types.coroutine
def interrupted(sending, when):
    """Run a coroutine, and throw into it where it waits once ``when()`` is true."""
    waits = sending.send(None)
    while not when():
        yield waits
        waits = sending.send(None)
    waits = sending.throw(LimitError())
    while True:
        yield waits
        waits = sending.send(None)


@REPLIES
def test_a_limit_in_a_blocking_send_gets_out_and_the_connection_goes(
    reply, family, limit
):
    def act(caller):
        caller.take()
        caller.say(reply[0])
        limit()
        caller.wait_until_gone()

    client = family.Client() if family else None
    wire = HttpWire(backend="b", client=client)
    with Peer((act, serve)) as peer:
        request = HttpRequest("POST", peer.url(), {}, b"mail")
        with pytest.raises(LimitError):
            wire.post(request, timeout=5)
        assert wire.post(request, timeout=5).body == OK
        wire.close()
        if client is not None:
            client.close()

    assert (peer.connections, len(peer.requests)) == (2, 2)


@REPLIES
def test_a_limit_in_a_waiting_send_gets_out_and_the_connection_goes(reply):
    async def run(peer):
        wire = HttpWire(backend="b")
        request = HttpRequest("POST", peer.url(), {}, b"mail")
        with pytest.raises(LimitError):
            await interrupted(wire.apost(request, timeout=5), lambda: peer.requests)
        again = await wire.apost(request, timeout=5)
        await wire.aclose()
        return again

    with Peer((dribbling(*reply), serve)) as peer:
        assert asyncio.run(run(peer)).body == OK

    assert (peer.connections, len(peer.requests)) == (2, 2)


@pytest.mark.parametrize("family", [httpx2, httpx], ids=lambda family: family.__name__)
def test_a_limit_in_a_users_own_client_gets_out_of_reading_the_reply(family):
    async def body():
        yield b"{"
        raise LimitError

    async def run():
        answer = family.MockTransport(lambda _: family.Response(200, content=body()))
        async with family.AsyncClient(transport=answer) as client:
            wire = HttpWire(backend="b", async_client=client)
            await wire.apost(HttpRequest("POST", "https://x/", {}, b""), timeout=5)

    with pytest.raises(LimitError):
        asyncio.run(run())
