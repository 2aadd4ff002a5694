"""Proxies over real sockets: whatever one does, nothing is lost, leaked or late."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time

import pytest
import trustme

from mailbalance import TransientError, UnknownOutcomeError
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.net.tls import client_context

from .peer import OK, Peer, dribbling, serve

#: Fits no socket's buffers.
LARGE = bytes(range(256)) * 12_000

#: Seconds for a send that must end by its deadline, and what a slow machine may add.
TIMEOUT, LATE = 1.0, 2.0


def by_post(url, body=b"mail", *, timeout=5.0, times=1, **options):
    wire = HttpWire(backend="b", **options)
    try:
        for _ in range(times):
            reply = wire.post(HttpRequest("POST", url, {}, body), timeout=timeout)
        return reply
    finally:
        wire.close()


def by_apost(url, body=b"mail", *, timeout=5.0, times=1, **options):
    async def run():
        wire = HttpWire(backend="b", **options)
        for _ in range(times):
            reply = await wire.apost(
                HttpRequest("POST", url, {}, body), timeout=timeout
            )
        await wire.aclose()
        return reply

    return asyncio.run(run())


@pytest.fixture(params=[by_post, by_apost], ids=["post", "apost"])
def how(request):
    return request.param


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return str(path), context


@pytest.fixture
def ca(authority, monkeypatch):
    """Our CA, which the system trusts too: a proxy has no ``ca`` of its own."""
    monkeypatch.setenv("SSL_CERT_FILE", authority[0])
    client_context.cache_clear()
    yield authority[0]
    client_context.cache_clear()


def exactly(caller, count):
    found = b""
    while len(found) < count:
        more = caller.sock.recv(count - len(found))
        if not more:
            raise ConnectionResetError
        found += more
    return found


def joined(caller, address):
    """Pass bytes both ways until both sides are done."""

    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    with socket.create_connection(address) as far:
        back = threading.Thread(target=copy, args=(far, caller.sock))
        back.start()
        copy(caller.sock, far)
        back.join()


def tunnel(caller):
    host, port = caller.take_head().split()[1].decode().rsplit(":", 1)
    caller.say(b"HTTP/1.1 200 Connected\r\n\r\n")
    joined(caller, (host, int(port)))


def socks(caller):
    """Be a SOCKS 5 proxy (RFC 1928) that wants a user and password (RFC 1929)."""
    exactly(caller, exactly(caller, 2)[1])
    caller.say(b"\x05\x02")
    user = exactly(caller, exactly(caller, 2)[1])
    password = exactly(caller, exactly(caller, 1)[0])
    caller.peer.logins.append((user, password))
    caller.say(b"\x01\x00")
    kind = exactly(caller, 4)[3]
    size = exactly(caller, 1)[0] if kind == 3 else {1: 4, 4: 16}[kind]
    name = exactly(caller, size)
    port = int.from_bytes(exactly(caller, 2), "big")
    caller.peer.names.append(name if kind == 3 else None)
    caller.say(b"\x05\x00\x00\x01" + bytes(6))
    joined(caller, ("localhost", port))


def proxied(scheme, proxy, user=""):
    proxy.logins, proxy.names = [], []
    return {"HTTPS_PROXY": f"{scheme}://{user}localhost:{proxy.port}"}


@pytest.mark.parametrize("body", [b"mail", LARGE], ids=["short", "long"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_message_goes_through_a_tunnel_and_the_tunnel_is_kept(
    how, ca, authority, scheme, body
):
    tls = authority[1] if scheme == "https" else None
    with Peer((serve,), tls=authority[1]) as peer, Peer((tunnel,), tls=tls) as proxy:
        environ = proxied(scheme, proxy)
        url = peer.url(host="localhost")
        reply = how(url, body, ca=ca, environ=environ, times=3)

    assert reply.body == OK
    assert [each.body == body for each in peer.requests] == [True] * 3
    assert proxy.connections == 1


@pytest.mark.parametrize(
    ("scheme", "name"), [("socks5h", b"localhost"), ("socks5", None)]
)
def test_a_message_goes_through_socks(how, ca, authority, scheme, name):
    with Peer((serve,), tls=authority[1]) as peer, Peer((socks,)) as proxy:
        environ = proxied(scheme, proxy, "us%40er:pa%3Ass@")
        reply = how(peer.url(host="localhost"), ca=ca, environ=environ, times=2)

    assert reply.body == OK
    assert proxy.logins == [(b"us@er", b"pa:ss")]
    assert proxy.names == [name]


def drop_by_drop(caller, data):
    """Say something a byte at a time, until the caller goes."""
    for at in range(len(data)):
        if caller.peer.stop.wait(0.1):
            return
        caller.say(data[at : at + 1])
    caller.wait_until_gone()


def slow_reply(caller):
    caller.take_head()
    drop_by_drop(caller, b"HTTP/1.1 200 Connected\r\nX: " + b"y" * 2000)


def slow_socks(caller):
    exactly(caller, exactly(caller, 2)[1])
    drop_by_drop(caller, b"\x05\x02\x01\x00\x05\x00\x00\x03\xff" + bytes(257))


def silent(caller):
    caller.wait_until_gone()


@pytest.mark.parametrize(
    ("scheme", "act"),
    [
        ("http", slow_reply),
        ("http", silent),
        ("https", silent),
        ("socks5h", slow_socks),
        ("socks5h", silent),
    ],
)
def test_a_slow_proxy_leaves_time_for_another_attempt(how, ca, scheme, act):
    began = time.monotonic()
    with Peer((act,)) as proxy:
        environ = proxied(scheme, proxy, "u:p@")
        with pytest.raises(TransientError) as caught:
            how("https://localhost:9/", ca=ca, environ=environ, timeout=3 * TIMEOUT)
        took = time.monotonic() - began

    assert (caught.value.phase, caught.value.code) == ("proxy", "timeout")
    assert took < TIMEOUT + LATE


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    ],
    ids=["head", "body"],
)
def test_a_dribbling_reply_through_a_proxy_ends_by_the_deadline(
    how, ca, authority, scheme, start, drop
):
    tls = authority[1] if scheme == "https" else None
    act = dribbling(start, drop)
    began = time.monotonic()
    with (
        Peer((act,), tls=authority[1]) as peer,
        Peer((tunnel,), tls=tls) as proxy,
    ):
        options = {"ca": ca, "environ": proxied(scheme, proxy), "timeout": TIMEOUT}
        with pytest.raises(UnknownOutcomeError):
            how(peer.url(host="localhost"), **options)
        took = time.monotonic() - began

    assert took < TIMEOUT + LATE
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"220 smtp.example.com\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        b"",
    ],
)
def test_what_is_no_answer_to_connect_leaves_the_message_unsent(how, ca, said):
    def act(caller):
        caller.take_head()
        caller.say(said)

    with Peer((act,)) as proxy, pytest.raises(TransientError) as caught:
        how("https://localhost:9/", ca=ca, environ=proxied("http", proxy, "u:hidden@"))

    assert caught.value.phase == "proxy"
    assert f"the proxy localhost:{proxy.port} on the way to" in caught.value.detail
    assert "hidden" not in caught.value.detail


def test_an_interim_reply_of_a_proxy_stops_nothing(how, ca, authority):
    def act(caller):
        caller.say(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")
        tunnel(caller)

    with Peer((serve,), tls=authority[1]) as peer, Peer((act,)) as proxy:
        url = peer.url(host="localhost")
        assert how(url, ca=ca, environ=proxied("http", proxy)).body == OK


def test_a_socks_proxy_that_refuses_leaves_the_message_unsent(how, ca):
    def act(caller):
        exactly(caller, exactly(caller, 2)[1])
        caller.say(b"\x05\xff")

    with Peer((act,)) as proxy, pytest.raises(TransientError) as caught:
        how(
            "https://localhost:9/", ca=ca, environ=proxied("socks5", proxy, "u:hidden@")
        )

    assert (caught.value.phase, caught.value.code) == ("proxy", "socks")
    assert "hidden" not in caught.value.detail
