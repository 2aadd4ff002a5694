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
from mailbalance.wire.http.direct.blocking import SocketLine
from mailbalance.wire.http.direct.looped import TransportLine
from mailbalance.wire.smtp.blocking import SocketLine as SmtpLine
from mailbalance.wire.smtp.steps import BrokenError
from mailbalance.wire.unasked import UnaskedError
from tests.wire.peer import Peer, answering
from tests.wire.smtp_peer import SmtpPeer

SUCCESS = {
    "ses": b'{"MessageId": "0100-a"}',
    "mailtrap": b'{"success": true, "message_ids": ["9f2c"]}',
}
MESSAGE = Message(from_="a@example.com", to="b@example.com", subject="s", text="t")
MAIL = MESSAGE, Envelope.of(MESSAGE)
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
QUESTION = (memoryview(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),)


def backend_of(api: str, base: str) -> SesBackend | MailtrapBackend:
    if api == "mailtrap":
        return MailtrapBackend(token="token", base_url=base)
    return SesBackend(
        endpoint=base, region="eu-west-1", access_key="key", secret_key="secret"
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
    engine: str, api: str, how: str
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
def test_replies_without_any_id_may_be_alike(
    engine: str, body: bytes, how: str
) -> None:
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


# Lines over a pair of sockets of one machine: their kernel counts as under way what the
# other side has not read.


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


Pair = tuple[socket.socket, socket.socket]


def asked(line: SocketLine) -> None:
    """Use a line for the second time."""
    assert line.quiet
    assert line.finish(QUESTION, 5) is None


def test_an_answer_before_the_question_has_arrived_is_none(pair: Pair) -> None:
    line = SocketLine(pair[0])
    asked(line)
    pair[1].send(REPLY)

    with pytest.raises(UnaskedError):
        line.read(5)


def test_an_answer_to_a_question_that_was_read_is_one(pair: Pair) -> None:
    line = SocketLine(pair[0])
    asked(line)
    pair[1].recv(4096)
    pair[1].send(REPLY)

    assert line.read(5) == REPLY


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 408 Idle\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_server_may_say_that_it_gave_a_connection_up(pair: Pair, said: bytes) -> None:
    line = SocketLine(pair[0])
    asked(line)
    pair[1].send(said)

    assert line.read(5) == said


def test_what_came_before_the_last_write_stops_it(pair: Pair) -> None:
    line = SocketLine(pair[0])
    assert line.quiet
    pair[1].send(REPLY)

    assert line.finish(QUESTION, 5) == REPLY
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        pair[1].recv(4096)


@pytest.mark.parametrize("read", [False, True])
def test_so_it_is_on_a_line_of_an_event_loop(pair: Pair, read: bool) -> None:
    async def run() -> bytes:
        line = await TransportLine.over(pair[0])
        assert line.quiet
        assert line.finish(QUESTION) is None
        if read:
            pair[1].recv(4096)
        pair[1].send(REPLY)
        try:
            return await line.read(5)
        finally:
            line.abort()
            await asyncio.sleep(0)

    if read:
        assert asyncio.run(run()) == REPLY
    else:
        with pytest.raises(UnaskedError):
            asyncio.run(run())


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
