"""Requests that commit nothing: whatever becomes of them, no outcome is unknown."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mailbalance import TransientError
from mailbalance.wire.http import HttpRequest, HttpWire

from .peer import OK, Peer, answering, dribbling, saying, serve, serve_once, silent


def by_get(url, *, timeout=5.0, times=1, between=lambda: None, family=None):
    """Ask so many times, and give the last reply."""
    client = family.Client() if family else None
    wire = HttpWire(backend="b", client=client)
    try:
        for turn in range(times):
            reply = wire.get(HttpRequest("GET", url, {}, b""), timeout=timeout)
            if turn + 1 < times:
                between()
        return reply
    finally:
        wire.close()
        if client is not None:
            client.close()


def by_aget(url, *, timeout=5.0, times=1, between=lambda: None, family=None):
    """Do as ``by_get`` does, in an event loop."""

    async def ask():
        client = family.AsyncClient() if family else None
        wire = HttpWire(backend="b", async_client=client)
        try:
            for turn in range(times):
                request = HttpRequest("GET", url, {}, b"")
                reply = await wire.aget(request, timeout=timeout)
                if turn + 1 < times:
                    await asyncio.to_thread(between)
            return reply
        finally:
            await wire.aclose()
            if client is not None:
                await client.aclose()

    return asyncio.run(ask())


@pytest.fixture(params=[by_get, by_aget], ids=["get", "aget"])
def how(request):
    return request.param


def test_the_reply_comes_back_and_the_request_has_no_body(how, family):
    with Peer((answering(418),)) as peer:
        reply = how(peer.url("/hello"), family=family)

    (request,) = peer.requests
    assert request.head.startswith(b"GET /hello HTTP/1.1\r\n")
    assert "content-length" not in request.headers
    assert (reply.status, reply.body) == (418, OK)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(silent, id="no reply"),
        pytest.param(saying(b""), id="closed"),
        pytest.param(saying(b"220 smtp.example.com\r\n"), id="rubbish"),
        pytest.param(
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), id="cut"
        ),
    ],
)
def test_a_lost_reply_is_trouble_that_may_pass(how, family, act):
    with Peer((act,)) as peer, pytest.raises(TransientError) as caught:
        how(peer.url(), timeout=0.4, family=family)

    assert caught.value.outcome == "not_accepted"


def test_a_reply_without_end_is_given_up_in_time(how):
    act = dribbling(b"HTTP/1.1 200 OK\r\n", b"X")

    with Peer((act,)) as peer, pytest.raises(TransientError):
        how(peer.url(), timeout=0.4)


def test_nobody_there_is_trouble_that_may_pass(how, family):
    with Peer((serve,)) as peer:
        url = peer.url()

    with pytest.raises(TransientError):
        how(url, family=family)


def test_a_connection_that_died_while_resting_is_replaced(how):
    with Peer((serve_once, serve)) as peer:
        reply = how(peer.url(), times=2, between=peer.wait_for_an_end)

        assert (reply.status, peer.connections) == (200, 2)


def test_a_connection_serves_questions_and_mail():
    with Peer((serve,)) as peer:
        wire = HttpWire(backend="b")
        wire.get(HttpRequest("GET", peer.url(), {}, b""), timeout=5)
        wire.post(HttpRequest("POST", peer.url(), {}, b"mail"), timeout=5)
        wire.close()

    assert (len(peer.requests), peer.connections) == (2, 1)


def test_cancelled_it_ends_though_the_request_has_left(family):
    came = threading.Event()

    def act(caller):
        caller.take()
        came.set()
        caller.wait_until_gone()

    async def run(peer):
        client = family.AsyncClient() if family else None
        wire = HttpWire(backend="b", async_client=client)
        request = HttpRequest("GET", peer.url(), {}, b"")
        task = asyncio.create_task(wire.aget(request, timeout=30))
        await asyncio.to_thread(came.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await wire.aclose()
        if client is not None:
            await client.aclose()

    with Peer((act,)) as peer:
        asyncio.run(asyncio.wait_for(run(peer), 10))
