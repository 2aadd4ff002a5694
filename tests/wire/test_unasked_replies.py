"""A reply that nobody asked for is not taken for the answer to a later message."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailbalance import (
    Envelope,
    MailtrapBackend,
    Message,
    Receipt,
    SesBackend,
    SesSmtpBackend,
    UnknownOutcomeError,
)
from mailbalance.wire.http.exchange import Dialogue, Exchange, astraight, straight
from mailbalance.wire.net.asyncio_stream import AsyncioStream
from mailbalance.wire.net.drive import adrive, drive
from mailbalance.wire.net.socket_stream import SocketStream
from mailbalance.wire.smtp.blocking import SocketLine as SmtpLine
from mailbalance.wire.smtp.steps import BrokenError
from tests.wire.peer import Peer, answering
from tests.wire.smtp_peer import SmtpPeer

SUCCESS = {
    "ses": b'{"MessageId": "0100-a"}',
    "mailtrap": b'{"success": true, "message_ids": ["9f2c"]}',
}
MESSAGE = Message(from_="a@example.com", to="b@example.com", subject="s", text="t")
MAIL = MESSAGE, Envelope.of(MESSAGE)
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
QUESTION = (), (memoryview(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),)


def backend_of(api: str, base: str) -> SesBackend | MailtrapBackend:
    if api == "mailtrap":
        return MailtrapBackend(token="token", base_url=base)
    return SesBackend(
        endpoint=base,
        region="eu-west-1",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="a-secret-of-the-test",
    )


def sent(backend: Any, how: str, count: int) -> list[Receipt | Exception]:
    """Send so many messages, one after the other."""

    async def many() -> list[Receipt | Exception]:
        made: list[Any] = []
        for _ in range(count):
            made += await asyncio.gather(
                backend.asend(*MAIL, timeout=5), return_exceptions=True
            )
        await backend.aclose()
        return made

    if how == "async":
        return asyncio.run(many())
    found: list[Receipt | Exception] = []
    for _ in range(count):
        try:
            found.append(backend.send(*MAIL, timeout=5))
        except UnknownOutcomeError as error:
            found.append(error)
    backend.close()
    return found


@pytest.mark.parametrize("api", SUCCESS)
def test_one_id_twice_on_one_connection_is_unknown_and_ends_the_connection(
    api: str, how: str
) -> None:
    with Peer((answering(200, SUCCESS[api]),)) as peer:
        first, second, third = sent(backend_of(api, peer.url("")), how, 3)

    assert isinstance(first, Receipt)
    assert type(second) is UnknownOutcomeError
    assert "id of the message before" in second.detail
    assert second.likely is None
    assert isinstance(third, Receipt)
    assert peer.connections == 2


@pytest.mark.parametrize(
    "body", [b'{"success": true}', b'{"success": true, "message_ids": []}']
)
def test_replies_without_any_id_may_be_alike(body: bytes, how: str) -> None:
    with Peer((answering(200, body),)) as peer:
        found = sent(backend_of("mailtrap", peer.url("")), how, 3)

    assert all(isinstance(each, Receipt) for each in found)
    assert peer.connections == 1


def test_a_batch_is_not_believed_with_the_ids_of_the_one_before(how: str) -> None:
    body = b'{"success": true, "responses": [%s, %s]}' % ((SUCCESS["mailtrap"],) * 2)
    with Peer((answering(200, body),)) as peer:
        backend = MailtrapBackend(token="token", base_url=peer.url(""))
        send = backend.send_batch if how == "sync" else waited_for(backend)
        send([MAIL, MAIL], timeout=5)
        if how == "sync":
            with pytest.raises(UnknownOutcomeError):
                send([MAIL, MAIL], timeout=5)
        backend.close()


def waited_for(backend: MailtrapBackend) -> Callable[..., Any]:
    async def twice(mails: Any, *, timeout: float) -> None:
        await backend.asend_batch(mails, timeout=timeout)
        with pytest.raises(UnknownOutcomeError):
            await backend.asend_batch(mails, timeout=timeout)
        await backend.aclose()

    return lambda mails, timeout: asyncio.run(twice(mails, timeout=timeout))


# Streams over a pair of sockets of one machine: their kernel counts as under way what the
# other side has not read.


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


Pair = tuple[socket.socket, socket.socket]

#: What a server says, however much of the question it has read, and what becomes of it.
SAID = [
    (b"", False, "not_accepted"),
    (REPLY, False, "unknown"),
    (REPLY, True, "accepted"),
    (b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", False, "unknown"),
    (b"HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n", False, "408"),
    (b"HTTP/1.1 100 Go\r\n\r\n" + REPLY, False, "accepted"),
]


def come_to(act: Callable[[], Any]) -> str:
    try:
        found = act()
    except UnknownOutcomeError as error:
        if "before the question" in error.detail:
            return "unknown" if error.likely is None else "hinted"
        return str(error.likely)
    return "accepted" if found.status == 200 else str(found.status)


def exchange_over(stream: Any, *, used: bool = True) -> Exchange:
    stream.used = used
    exchange = Exchange("b", "host", 5.0)
    exchange.reused, exchange.connection = used, stream
    return exchange


class Server:
    """The other end, which says something when it is asked."""

    def __init__(self, sock: socket.socket, said: bytes, *, reads: bool) -> None:
        self._sock, self._said, self._reads = sock, said, reads

    def act(self, *_: Any) -> None:
        if self._reads:
            self._sock.recv(65536)
        self._sock.send(self._said)
        self._sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("straightly", [False, True])
@pytest.mark.parametrize(("said", "reads", "outcome"), SAID)
def test_an_answer_before_the_question_has_arrived_is_none(
    pair: Pair, said: bytes, reads: bool, outcome: str, straightly: bool
) -> None:
    stream = SocketStream(pair[0])
    exchange = exchange_over(stream)
    server = Server(pair[1], said, reads=reads)
    real = stream.read

    def read(ends: float) -> bytes:
        server.act()
        stream.read = real  # type: ignore[method-assign]
        return real(ends)

    stream.read = read  # type: ignore[method-assign]

    def act() -> Any:
        found = straight(stream, exchange, QUESTION) if straightly else None
        return found or drive(stream, Dialogue(QUESTION, exchange).run())

    assert come_to(act) == outcome


@pytest.mark.parametrize("straightly", [False, True])
@pytest.mark.parametrize(("said", "reads", "outcome"), SAID)
def test_so_it_is_in_an_event_loop(
    pair: Pair, said: bytes, reads: bool, outcome: str, straightly: bool
) -> None:
    async def run() -> Any:
        stream = await AsyncioStream.over(pair[0])
        exchange = exchange_over(stream)
        server = Server(pair[1], said, reads=reads)
        asyncio.get_running_loop().call_soon(server.act)
        try:
            found = None
            if straightly:
                found = await astraight(stream, exchange, QUESTION)
            return found or await adrive(stream, Dialogue(QUESTION, exchange).run())
        finally:
            stream.abort()
            await asyncio.sleep(0)

    assert come_to(lambda: asyncio.run(run())) == outcome


def test_a_new_connection_is_not_looked_at(pair: Pair) -> None:
    stream = SocketStream(pair[0])
    exchange = exchange_over(stream, used=False)
    pair[1].send(REPLY)

    assert straight(stream, exchange, QUESTION) is not None


# The same over SMTP.


def over_smtp(how: str, peer: SmtpPeer, count: int) -> list[Any]:
    backend = SesSmtpBackend(
        host="127.0.0.1", port=peer.port, tls="off", username="u", password="p"
    )
    if how != "batch":
        return sent(backend, how, count)
    found = [*backend.send_batch([MAIL] * count, timeout=5)]
    backend.close()
    return found


@pytest.mark.parametrize("way", ["sync", "async", "batch"])
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["", "pipelining"])
def test_one_id_twice_over_smtp_is_unknown_and_ends_the_connection(
    way: str, extensions: tuple[str, ...]
) -> None:
    dot = "250 Ok 0100018f-6a4d-000000"
    with SmtpPeer(extensions=("AUTH PLAIN", *extensions), dot=dot) as peer:
        first, second, third = over_smtp(way, peer, 3)

    assert isinstance(first, Receipt)
    assert type(second) is UnknownOutcomeError
    assert "id of the message before" in second.detail
    assert isinstance(third, Receipt)
    assert len(peer.sessions) == 2


@pytest.mark.parametrize("way", ["sync", "async", "batch"])
def test_replies_over_smtp_without_an_id_may_be_alike(way: str) -> None:
    with SmtpPeer(dot="250 Ok thanks") as peer:
        found = over_smtp(way, peer, 3)

    assert all(isinstance(each, Receipt) for each in found)
    assert len(peer.sessions) == 1


class Pipe(socket.socket):
    """One end of a pair, which has no options of TCP."""

    def setsockopt(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("read", [False, True])
def test_a_reply_before_the_end_of_the_message_has_arrived_is_none(
    pair: Pair, read: bool
) -> None:
    line = SmtpLine(Pipe(fileno=pair[0].detach()))
    line.commit(b".\r\n", 5)
    if read:
        pair[1].recv(4096)
    pair[1].send(b"250 Ok 0100-a\r\n")

    if read:
        assert line.read(5).code == 250
    else:
        with pytest.raises(BrokenError, match="before the question") as caught:
            line.read(5)
        assert (caught.value.kind, caught.value.begun) == ("garbled", "")
    line.abort()
