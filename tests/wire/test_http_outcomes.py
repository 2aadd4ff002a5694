"""What becomes of a request when the other side, or the way to it, misbehaves.

The peer counts whole requests that reached it, so every claim of "not accepted" is checked
where it matters: at the other end.
"""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from mailbalance import DeliveryError, TransientError, UnknownOutcomeError
from mailbalance.wire.http import HttpRequest, HttpWire

from .peer import (
    OK,
    Peer,
    answering,
    dribbling,
    saying,
    serve,
    serve_once,
    silent,
)

BODY = b"x" * 5000


def by_post(url, *, timeout=5.0, times=1, first=None, **options):
    """Send so many times, call ``first`` after the first, and give the last reply."""
    wire = HttpWire(backend="b", **options)
    request = HttpRequest("POST", url, {"Content-Type": "text/plain"}, BODY)
    try:
        for turn in range(times):
            reply = wire.post(request, timeout=timeout)
            if first is not None and turn == 0:
                first()
        return reply
    finally:
        wire.close()


def by_apost(url, *, timeout=5.0, times=1, first=None, **options):
    """Do as ``by_post`` does, in an event loop."""

    async def attempt():
        wire = HttpWire(backend="b", **options)
        request = HttpRequest("POST", url, {"Content-Type": "text/plain"}, BODY)
        for turn in range(times):
            reply = await wire.apost(request, timeout=timeout)
            if first is not None and turn == 0:
                await asyncio.to_thread(first)
        return reply

    return asyncio.run(attempt())


@pytest.fixture(params=[by_post, by_apost], ids=["post", "apost"])
def how(request):
    return request.param


def test_a_reply_comes_back_whole(how):
    with Peer((answering(201, OK, "X-Odd: Yes", "X-Odd: No"),)) as peer:
        reply = how(peer.url())

    assert (reply.status, reply.body) == (201, OK)
    assert reply.headers["x-odd"] == "No"
    assert [request.body for request in peer.requests] == [BODY]


def test_a_request_says_its_length_and_who_sends_it(how):
    with Peer((serve,)) as peer:
        how(peer.url())

    (request,) = peer.requests
    assert request.headers["content-length"] == str(len(BODY))
    assert request.headers["user-agent"].startswith("mailbalance/")
    assert request.headers["host"] == f"127.0.0.1:{peer.port}"
    assert request.headers["accept-encoding"] == "identity"
    assert "transfer-encoding" not in request.headers


def test_a_refused_connection_is_not_accepted(how):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(TransientError) as caught:
        how(f"http://127.0.0.1:{port}/")

    assert (caught.value.phase, caught.value.code) == ("connect", "ECONNREFUSED")
    assert caught.value.backend == "b"


def test_a_name_that_does_not_exist_is_not_accepted(how):
    with pytest.raises(TransientError) as caught:
        how("http://no-such-host.invalid/")

    assert (caught.value.phase, caught.value.code) == ("connect", "dns")


@pytest.mark.parametrize(
    ("act", "likely"),
    [
        pytest.param(lambda caller: caller.take(), None, id="closed after the body"),
        pytest.param(
            lambda caller: (caller.take(), caller.reset()), None, id="reset after it"
        ),
        pytest.param(saying(b"HTTP/1.1 20"), None, id="half a status line"),
        pytest.param(saying(b"220 smtp.example.com ESMTP\r\n"), None, id="junk"),
        pytest.param(saying(b"HTTP/1.1 200 OK\r\nX: "), None, id="half a header"),
        pytest.param(
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
            "accepted",
            id="a body cut short",
        ),
        pytest.param(
            saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
            "accepted",
            id="chunks cut short",
        ),
        pytest.param(
            answering(200, b" " * (1024 * 1024 + 1)), "accepted", id="a reply too long"
        ),
    ],
)
def test_a_reply_that_is_no_reply_leaves_the_outcome_unknown(how, act, likely):
    with Peer((act,)) as peer, pytest.raises(UnknownOutcomeError) as caught:
        how(peer.url())

    assert caught.value.likely == likely
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(silent, id="silence"),
        pytest.param(dribbling(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), id="headers"),
        pytest.param(
            dribbling(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
            id="body",
        ),
    ],
)
def test_a_slow_reply_ends_in_time_with_an_unknown_outcome(how, act):
    began = time.monotonic()

    for timeout in (0.6, 5.0):
        with Peer((act,)) as peer, pytest.raises(DeliveryError) as caught:
            how(peer.url(), timeout=timeout)
        if peer.requests:  # on a busy machine the first time may be over before that
            break

    assert type(caught.value) is UnknownOutcomeError
    assert time.monotonic() - began < 15


def test_an_error_status_counts_even_if_its_body_is_cut(how):
    act = saying(b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\n{")

    with Peer((act,)) as peer:
        assert how(peer.url()).status == 400


def test_an_error_body_is_read_up_to_a_limit_only(how):
    with Peer((answering(400, b"e" * 3_000_000),)) as peer:
        assert len(how(peer.url()).body) == 1024 * 1024


def test_a_redirect_is_given_back_and_not_followed(how):
    with Peer((answering(307, b"", "Location: /elsewhere"),)) as peer:
        reply = how(peer.url())

    assert reply.status == 307
    assert len(peer.requests) == 1


def test_a_reply_sent_before_the_request_is_read_still_counts(how):
    def act(caller):
        caller.take_head()
        caller.reply(413, b"too big")

    with Peer((act,)) as peer:
        assert how(peer.url()).status == 413


def test_a_server_that_does_not_read_is_given_up_in_time(how, monkeypatch):
    """The end of a large body has not left yet."""

    def act(caller):
        caller.peer.stop.wait(5)

    monkeypatch.setitem(globals(), "BODY", b"x" * 30_000_000)
    began = time.monotonic()

    with Peer((act,)) as peer, pytest.raises(TransientError):
        how(peer.url(), timeout=0.5)

    assert time.monotonic() - began < 15


def test_connections_are_kept(how):
    with Peer((serve,)) as peer:
        how(peer.url(), times=5)

    assert (peer.connections, len(peer.requests)) == (1, 5)


def test_cookies_are_not_kept(how):
    with Peer((answering(200, OK, "Set-Cookie: a=b"),)) as peer:
        how(peer.url(), times=2)

    assert "cookie" not in peer.requests[1].headers


def test_a_kept_connection_that_died_is_replaced_unseen(how):
    with Peer((serve_once, serve)) as peer:
        how(peer.url(), times=3, first=peer.wait_for_an_end)

    assert (peer.connections, len(peer.requests)) == (2, 3)


def test_a_kept_connection_closed_on_a_request_was_likely_not_accepted(how):
    def act(caller):
        caller.take()
        caller.reply()
        caller.take()

    with Peer((act,)) as peer, pytest.raises(UnknownOutcomeError) as caught:
        how(peer.url(), times=2)

    assert caught.value.likely == "not_accepted"
    assert len(peer.requests) == 2


def test_a_kept_connection_that_says_half_a_reply_hints_at_nothing(how):
    def act(caller):
        caller.take()
        caller.reply()
        caller.take()
        caller.say(b"HTTP/1.1 2")

    with Peer((act,)) as peer, pytest.raises(UnknownOutcomeError) as caught:
        how(peer.url(), times=2)

    assert caught.value.likely is None


@pytest.mark.parametrize(
    "surplus",
    [
        pytest.param(b"surplus", id="rubbish"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="a twin"),
    ],
)
def test_no_request_is_given_what_came_with_an_earlier_reply(how, surplus):
    def act(caller):
        caller.take()
        caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + surplus)
        caller.wait_until_gone()

    with Peer((act, serve)) as peer:
        reply = how(peer.url(), times=2)

    assert reply.body == OK
    assert peer.connections == 2


def test_a_connection_with_chunked_replies_is_kept(how):
    def act(caller):
        chunks = b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
        while caller.take():
            caller.say(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
            )

    with Peer((act,)) as peer:
        reply = how(peer.url(), times=3)

    assert (reply.body, peer.connections) == (b"{}", 1)
