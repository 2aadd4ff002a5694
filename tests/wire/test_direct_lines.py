"""The direct exchange on real sockets: what reaches the server when it is given up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import threading

import pytest
import trustme
import uvloop

from mailbalance import TransientError
from mailbalance.wire.http import HttpRequest, HttpWire

from .peer import OK, Peer, serve

#: Fits no socket's buffers.
LARGE = bytes(range(256)) * 40_000


def by_post(request, *, timeout=10.0, times=1, **options):
    wire = HttpWire(backend="b", **options)
    try:
        for _ in range(times):
            reply = wire.post(request, timeout=timeout)
        return reply
    finally:
        wire.close()


async def _attempts(request, timeout, times, options):
    wire = HttpWire(backend="b", **options)
    for _ in range(times):
        reply = await wire.apost(request, timeout=timeout)
    return reply


def by_apost(request, *, timeout=10.0, times=1, **options):
    return asyncio.run(_attempts(request, timeout, times, options))


def in_uvloop(request, *, timeout=10.0, times=1, **options):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_attempts(request, timeout, times, options))


@pytest.fixture(params=[by_post, by_apost, in_uvloop])
def how(request):
    return request.param


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(params=["plain", "tls"])
def secured(request, authority, tmp_path):
    """Give options of the peer and of the wire, in the clear and in TLS."""
    if request.param == "plain":
        return {}, {}
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return {"tls": server}, {"ca": str(tmp_path / "ca.pem")}


def to(peer, body):
    return HttpRequest("POST", peer.url(host="localhost"), {}, body)


def test_a_large_body_in_pieces_arrives_whole(how, secured):
    theirs, ours = secured
    body = LARGE[:3_000_000]
    pieces = tuple(body[at : at + 999_999] for at in range(0, len(body), 999_999))

    with Peer((serve,), **theirs) as peer:
        reply = how(to(peer, (b"", *pieces, b"end")), times=2, **ours)

    assert reply.body == OK
    assert [each.body == body + b"end" for each in peer.requests] == [True, True]
    assert peer.connections == 1


def test_a_server_that_stops_reading_never_has_the_end(how, secured):
    """What was given up is gone: reading on, the server finds the request cut short."""
    theirs, ours = secured
    given_up = threading.Event()

    def act(caller):
        head = caller.take_head()
        caller.peer.begun = bool(head)
        given_up.wait(10)
        caller.peer.seen = 0
        with contextlib.suppress(OSError):
            while data := caller.sock.recv(65536):
                caller.peer.seen += len(data)

    with Peer((act,), **theirs) as peer:
        with pytest.raises(TransientError) as caught:
            how(to(peer, LARGE), timeout=0.6, **ours)
        given_up.set()
        peer.wait_for_an_end()

    assert (caught.value.phase, caught.value.code) == ("request", "timeout")
    assert peer.begun
    assert peer.seen < len(LARGE)


def test_a_refusal_before_the_end_is_given_and_the_rest_kept(how, secured):
    theirs, ours = secured

    def act(caller):
        caller.take_head()
        caller.reply(413, b"too big")
        caller.peer.stop.wait(5)

    with Peer((act,), **theirs) as peer:
        reply = how(to(peer, LARGE), **ours)

    assert (reply.status, reply.body) == (413, b"too big")


@pytest.mark.parametrize("at", [0, 5, 20, 45])
def test_interim_replies_before_the_end_stop_nothing(how, secured, at):
    theirs, ours = secured
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    def act(caller):
        head = caller.take_head()
        caller.say(b"HTTP/1.1 100 Continue\r\n\r\n" + hints[:at])
        caller.take_some()
        caller.say(hints[at:])
        caller.take_rest(head)
        caller.reply()

    with Peer((act,), **theirs) as peer:
        reply = how(to(peer, LARGE), **ours)

    assert reply.body == OK
    assert [each.body == LARGE for each in peer.requests] == [True]


def test_a_servers_trouble_before_the_end_is_not_accepted(how, secured):
    theirs, ours = secured

    def act(caller):
        caller.take_head()
        caller.reply(502, b"")
        caller.peer.stop.wait(5)

    with Peer((act,), **theirs) as peer, pytest.raises(TransientError) as caught:
        how(to(peer, LARGE), **ours)

    assert (caught.value.phase, caught.value.code) == ("request", "502")


def test_cancelling_at_every_turn_of_a_large_send_is_told_truly():
    """Cancelled, a send either never arrived whole, or goes on and gives its outcome."""

    async def run(peer, turns):
        wire = HttpWire(backend="b")
        request = to(peer, LARGE[:600_000])
        task = asyncio.create_task(wire.apost(request, timeout=10))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        await wire.aclose()
        return not task.cancelled()

    finished = 0
    for turns in itertools.chain(range(40), range(40, 400, 30)):
        with Peer((serve,)) as peer:
            told = asyncio.run(run(peer, turns))
        assert told == bool(peer.requests), turns
        finished += told
    assert finished < 52


def test_words_that_nobody_asked_for_retire_an_idle_connection(how):
    def act(caller):
        caller.take()
        caller.reply()
        caller.say(b"HTTP/1.1 408 Bye\r\nContent-Length: 0\r\n\r\n")
        caller.peer.said.set()
        caller.wait_until_gone()

    with Peer((act, serve)) as peer:
        peer.said = threading.Event()
        request = to(peer, b"mail")

        async def twice():
            wire = HttpWire(backend="b")
            await wire.apost(request, timeout=5)
            await asyncio.to_thread(peer.said.wait, 5)
            reply = await wire.apost(request, timeout=5)
            await wire.aclose()
            return reply

        if how is by_post:
            wire = HttpWire(backend="b")
            wire.post(request, timeout=5)
            peer.said.wait(5)
            reply = wire.post(request, timeout=5)
            wire.close()
        else:
            factory = uvloop.new_event_loop if how is in_uvloop else None
            with asyncio.Runner(loop_factory=factory) as runner:
                reply = runner.run(twice())

    assert (reply.body, peer.connections) == (OK, 2)
