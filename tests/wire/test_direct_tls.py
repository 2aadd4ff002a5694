"""The direct exchange in TLS, where a server goes wrong right after its reply."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
import uvloop

from mailbalance import UnknownOutcomeError
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.net.tls import Tls

from .peer import Peer

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

#: A record of TLS that nobody can have encrypted.
BAD = b"\x17\x03\x03\x00\x05hello"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def theirs(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def ca(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


class Server:
    """The other side of a TLS session, over two buffers."""

    def __init__(self, context):
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.coming, self.going, server_side=True)

    def shake_hands(self, data):
        """Take what the client said; give whether that is enough, and what to say."""
        self.coming.write(data)
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False, self.going.read()
        return True, self.going.read()

    def sealed(self, data):
        self.session.write(data)
        return self.going.read()


@pytest.fixture
def ends(authority, theirs):
    """Both sides of a session that is open."""
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    client, server = Tls(ours, "localhost"), Server(theirs)
    done = met = False
    while not (done and met):
        done = done or client.shake_hands()
        met, said = server.shake_hands(client.pending())
        client.take(said)
    return client, server


def test_what_stands_before_a_bad_record_is_given(ends):
    client, server = ends
    client.take(server.sealed(b"reply") + BAD)

    assert client.opened() == (b"reply", True)
    assert isinstance(client.fault, ssl.SSLError)


def test_a_bad_record_alone_is_a_fault(ends):
    client, _ = ends
    client.take(BAD)

    assert client.opened() == (b"", True)
    assert isinstance(client.fault, ssl.SSLError)


def test_an_orderly_end_is_no_fault(ends):
    client, server = ends
    said = server.sealed(b"reply")
    with pytest.raises(ssl.SSLWantReadError):
        server.session.unwrap()
    client.take(said + server.going.read())

    assert client.opened() == (b"reply", True)
    assert client.fault is None


def by_post(request, ca):
    wire = HttpWire(backend="b", ca=ca)
    try:
        return wire.post(request, timeout=5)
    finally:
        wire.close()


async def _attempt(request, ca):
    wire = HttpWire(backend="b", ca=ca)
    try:
        return await wire.apost(request, timeout=5)
    finally:
        await wire.aclose()


def by_apost(request, ca):
    return asyncio.run(_attempt(request, ca))


def in_uvloop(request, ca):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_attempt(request, ca))


@pytest.fixture(params=[by_post, by_apost, in_uvloop])
def how(request):
    return request.param


def ending_badly(context, reply):
    """Take a request, and say in one write the reply and what is no TLS."""

    def act(caller):
        server = Server(context)
        met = False
        while not met:
            met, said = server.shake_hands(caller.sock.recv(65536))
            caller.say(said)
        taken = b""
        while not taken.endswith(b"mail"):
            try:
                taken += server.session.read(65536)
            except ssl.SSLWantReadError:
                server.coming.write(caller.sock.recv(65536))
        caller.peer.requests.append(taken)
        caller.say(server.sealed(reply) + BAD)
        caller.wait_until_gone()

    return act


def send(how, context, ca, reply):
    with Peer((ending_badly(context, reply),)) as peer:
        url = f"https://localhost:{peer.port}/send"
        try:
            return how(HttpRequest("POST", url, {}, b"mail"), ca)
        finally:
            assert len(peer.requests) == 1


def test_a_reply_before_a_bad_record_counts(how, theirs, ca):
    reply = send(how, theirs, ca, REPLY)

    assert (reply.status, reply.body) == (200, b"{}")


def test_a_bad_record_does_not_end_a_reply_as_closing_would(how, theirs, ca):
    with pytest.raises(UnknownOutcomeError) as caught:
        send(how, theirs, ca, b"HTTP/1.1 200 OK\r\n\r\n{}")

    assert caught.value.likely == "accepted"
    assert "broke off" in caught.value.detail
