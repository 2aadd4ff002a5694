"""One request on one connection: how far it came, and every judgement on the way.

The commit point is the *call* that hands over the request's last block, after every byte
before it was handed to the kernel. Content-Length makes anything shorter an incomplete
request (RFC 9112 section 6.3), so a failure up to there is proof that nothing was
accepted; the connection is then aborted. After it only a clear reply decides.

``straight`` is the exchange as it nearly always goes: one write, one read, a plain success.
It judges nothing. As soon as anything is odd, ``Dialogue`` goes on from what the record
says was written and read; driven from the beginning, it comes to the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailbalance.errors import TransientError
from mailbalance.secret import bare
from mailbalance.wire.http import errors
from mailbalance.wire.http.errors import BrokenError, broken
from mailbalance.wire.http.reply import ReplyReader, plain
from mailbalance.wire.net.deadline import EARLY_REPLY, Deadline
from mailbalance.wire.net.drive import Commit, Read, Write
from mailbalance.wire.net.socket_stream import FULL
from mailbalance.wire.net.unasked import UnaskedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mailbalance.wire.http.reply import HttpResponse
    from mailbalance.wire.http.request import Outgoing
    from mailbalance.wire.net.asyncio_stream import AsyncioStream
    from mailbalance.wire.net.drive import Pieces, Step, Steps
    from mailbalance.wire.net.socket_stream import SocketStream

#: How a server ends a connection that idled for too long (RFC 9110 section 15.5.9).
_IDLED = 408

#: A refusal that says so itself, perhaps in a provider's words (RFC 9110 section 15.6.4).
_BUSY = 503

#: How an interim reply begins, as soon as it can be told from the final one.
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d")


#: How a final reply begins, with the digit that tells its kind.
_FINAL = re.compile(rb"HTTP/1\.\d ([2-5])")

#: What a server says that gave an idle connection up (RFC 9110 section 15.5.9).
_GIVEN_UP = re.compile(rb"HTTP/1\.\d (?:408|1)")

#: How every reply begins.
_HEAD = b"HTTP/1."


class Exchange(Deadline):
    """The record of one request on its way, and its deadline.

    Args:
        backend: The name that errors carry.
        host: Where the request goes.
        timeout: Seconds for all of it, or the deadline of an attempt that has begun.
        clock: Monotonic seconds; that of the process when ``None``.
        harmless: Whether it sends no mail.

    Attributes:
        backend: The name that errors carry.
        host: Where the request goes, for sentences in errors.
        via: Host and port of the proxy on the way, if there is one.
        phase: How far it came.
        plain: Whether a user's own client sends it without TLS.
        committed: Whether the call that hands over the last byte was made.
        cut: Whether that call failed, so that the request probably never arrived whole.
        blind: Whether no trace event was seen where there may never be one.
        abandoned: Whether the caller was cancelled and wants it to end.
        reused: Whether the connection was used before.
        secured: Whether TLS was begun on it, if it is a new one.
        received: Bytes of a reply seen, or ``None`` where nobody counts them.
        spoke: Whether a reply of HTTP's seems to have begun.
        connection: The connection in use, if it is ours.
        connections: Most connections of our pool; ``None`` for a user's own client.
        harmless: Whether it sends no mail, so that nothing about it can be unknown.
        written: Bytes that the straight exchange handed over; ``None`` if it was not begun.
        seen: What the straight exchange read, if it came so far.
        fault: What broke the straight exchange, if anything did.
        keep: Whether the connection may be used again.
        stale: Whether a kept connection turned out to be dead, so that the request may go
            out again on another one: nobody can have read it.
    """

    __slots__ = (
        "_start",
        "abandoned",
        "backend",
        "blind",
        "committed",
        "connection",
        "connections",
        "cut",
        "fault",
        "harmless",
        "host",
        "keep",
        "phase",
        "plain",
        "proxy_login",
        "received",
        "reused",
        "secured",
        "seen",
        "spoke",
        "stale",
        "via",
        "written",
    )

    def __init__(
        self,
        backend: str,
        host: str,
        timeout: float | Deadline,
        clock: Callable[[], float] | None = None,
        *,
        harmless: bool = False,
    ) -> None:
        if isinstance(timeout, Deadline):
            self.clock, self.ends = timeout.clock, timeout.ends
            self.commit_by, self.opening_ends = timeout.commit_by, timeout.opening_ends
            self.patience = timeout.patience
        else:
            super().__init__(timeout, commits=not harmless, clock=clock)
        self.backend = backend
        self.host = host
        self.phase = "connect"
        self.harmless = harmless
        self.reused = True
        self.received: int | None = None
        self.written: int | None = None
        self.seen: bytes | None = None
        self.fault: OSError | None = None
        self.connection: SocketStream | AsyncioStream | None = None
        self.connections: int | None = None
        self.committed = self.cut = self.blind = self.abandoned = self.plain = False
        self.secured = self.spoke = self.keep = self.stale = False
        self.via, self._start = "", b""
        self.proxy_login: tuple[str, ...] = ()

    def restart(self) -> None:
        """Begin again on another connection, with the time that is left."""
        self.phase = "connect"
        self.committed = self.stale = False
        self.reused = True
        self.received = self.written = self.seen = self.fault = None
        self.open_again()

    def enter(self, phase: str) -> None:
        """Take note of a step on the way of the request, or on that of its connection."""
        self.phase = phase
        if phase in {"connect", "proxy"}:
            self.reused = self.secured = False
        elif phase == "tls":
            self.secured = True

    def may_be_committed(self) -> bool:
        """Report whether the commit point was passed, or nobody can tell."""
        return not self.harmless and (self.committed or self.blind)

    def saw(self, data: bytes) -> None:
        """Take note of what was read; with ``b""``, that reads will be counted."""
        self.received = (self.received or 0) + len(data)
        if not self.spoke:
            begun = self._start + data
            self.spoke, self._start = _HEAD in begun, begun[1 - len(_HEAD) :]

    def commit(self) -> None:
        """Pass the commit point: the call that hands over the last byte comes next.

        Raises:
            TransientError: When too little time is left for a reply, or the caller does
                not want it any more.
        """
        if self.abandoned:
            raise self._stopped("cancelled before the request was sent", "cancelled")
        if self.clock() >= (self.ends if self.committed else self.commit_by):
            raise self._stopped("not enough time left to commit safely", "deadline")
        self.phase = "request"
        self.committed = True
        self.received = None if self.received is None else 0

    def _stopped(self, why: str, code: str) -> TransientError:
        return TransientError(
            f"{why} to {self.host}", backend=self.backend, phase="request", code=code
        )


def straight(
    stream: SocketStream, exchange: Exchange, out: Outgoing
) -> HttpResponse | None:
    """Make the whole exchange of a request that is one block, if it goes as usual.

    Returns:
        The reply; ``None`` when anything is odd, and ``Dialogue`` must go on.

    Raises:
        TransientError: When too little time is left to commit.
    """
    if out[0] or len(out[1]) != 1:
        return None
    data = out[1][0]
    exchange.commit()
    exchange.written = 0
    stream.handed, stream.early = stream.used, False
    try:
        exchange.written = written = stream.socket.send(data)
        if written < len(data):
            return None
        exchange.phase = "reply"
        exchange.seen = said = stream.read(exchange.ends)
    except FULL:
        return None
    except OSError as error:
        exchange.fault = bare(error)
        return None
    response = None if stream.early else plain(said, stream)
    exchange.keep = response is not None
    return response


async def astraight(
    stream: AsyncioStream, exchange: Exchange, out: Outgoing
) -> HttpResponse | None:
    """Async version of ``straight``; cancelled, it goes on, unless it is harmless."""
    if out[0] or len(out[1]) != 1:
        return None
    data = out[1][0]
    exchange.commit()
    exchange.written = 0
    stream.handed, stream.early = stream.used, False
    try:
        stream.hand_over(data)
        exchange.written = len(data)
        exchange.phase = "reply"
        exchange.seen = said = await stream.read(exchange.ends, not exchange.harmless)
    except OSError as error:
        exchange.fault = bare(error)
        return None
    response = None if stream.early else plain(said, stream)
    exchange.keep = response is not None
    return response


class Dialogue:
    """The exchange of one request on one open connection, with all that can be odd in it.

    Driven by ``net.drive``, or by hand: ``run`` yields steps, and the reply last.
    It goes on from what the exchange says that ``straight`` has done, if it was begun.

    Args:
        outgoing: The request.
        exchange: How far it came, its deadline, and what it may become of it.
    """

    def __init__(self, outgoing: Outgoing, exchange: Exchange) -> None:
        self._outgoing = outgoing
        self._exchange = exchange
        self._reader = ReplyReader()
        self._interim = b""  # what came before the commit point

    def run(self) -> Steps:
        """Yield the steps, and the ``HttpResponse`` last.

        Raises:
            DeliveryError: When the request was not sent, or its outcome is unknown.
        """
        exchange = self._exchange
        exchange.received, exchange.cut = 0, False
        try:
            if exchange.written is None:
                exchange.phase = "request"
                said = yield from self._request()
            elif exchange.phase == "request":
                said = yield from self._finish(self._rest(), exchange.fault)
                exchange.fault = None
            else:
                said, exchange.seen = exchange.seen, None
            yield from self._reply(said)
        except BrokenError as error:
            exchange.stale = errors.is_stale(error, exchange)
            raise errors.translate(error, exchange) from error.__cause__
        yield self._settled()

    def _reply(self, said: bytes | None) -> Generator[Step, bytes | None, None]:
        """Read the reply to its end, from what was read of it already."""
        exchange, reader = self._exchange, self._reader
        while not reader.done:
            try:
                if said is None:
                    if exchange.fault is not None:
                        raise exchange.fault
                    said = yield Read((exchange.ends, exchange.may_be_committed()))
            except OSError as error:
                reader.break_off(error)
            else:
                exchange.saw(said or b"")
                if said and self._is_unasked(said):
                    reader.break_off(UnaskedError())
                else:
                    reader.feed(said or b"")
                said = None

    def _is_unasked(self, said: bytes) -> bool:
        """Report whether this came before the server can have had the request.

        It may say at any time that it had given an idle connection up, and refuse a
        request that went in several writes before it has the last.
        """
        stream = self._exchange.connection
        if stream is None or not stream.early:
            return False
        stream.early = False
        if _GIVEN_UP.match(said):
            return False
        found = _FINAL.match(said)
        return not self._outgoing[0] or (found is not None and found[1] == b"2")

    def _request(self) -> Generator[Step, bytes | None, bytes | None]:
        """Write the request, or stop where the server refuses it.

        Returns:
            What the server said and the reader has not been given yet, if anything.
        """
        before, last = self._outgoing
        exchange = self._exchange
        if before:
            step = Write((list(before), exchange.commit_by, exchange.wait()))
            try:
                while (said := (yield step)) is not None:
                    yield from self._interrupted(said)
                    if self._reader.reply is not None:
                        return None
            except OSError as error:
                return (yield from self._last_words(error))
        exchange.commit()
        return (yield from self._finish(last))

    def _finish(
        self, last: Pieces, fault: OSError | None = None
    ) -> Generator[Step, bytes | None, bytes | None]:
        """Hand over the end of a request that is committed; return as ``_request``."""
        exchange = self._exchange
        try:
            if fault is not None:
                raise fault
            yield Commit((last, exchange.ends))
        except OSError as error:
            exchange.cut = True
            return (yield from self._last_words(error))
        exchange.phase = "reply"
        if self._interim:
            exchange.saw(self._interim)
        return None

    def _rest(self) -> Pieces:
        """Return what the straight exchange has not handed over."""
        (data,) = self._outgoing[1]
        return (data[self._exchange.written :],)

    def _settled(self) -> HttpResponse:
        """Return the reply, unless it is a success of what was not sent."""
        reply, exchange = self._reader.reply, self._exchange
        assert reply is not None  # noqa: S101 - a reply that is done has a head
        early = exchange.cut or not exchange.committed
        if early and 200 <= reply.status < 300:
            reply.fault = "came before the request was sent"
        response = reply.settled(exchange)
        exchange.keep = not early and self._reader.clean
        return response

    def _interrupted(self, said: bytes) -> Generator[Step, bytes | None, None]:
        """Judge what came before the commit point: only a refusal is an answer to us.

        Interim replies are none yet, and stop nothing (RFC 9110 section 15.2). Anything
        else on a kept connection belongs to an earlier request, or says that the server
        had given the connection up.

        Raises:
            BrokenError: When it is no answer.
            TransientError: When it is about the server's trouble, not about the request.
        """
        reader, exchange = self._reader, self._exchange
        while said and reader.reply is None:
            reader.feed(said)
            self._interim += said
            if reader.reply is None:
                if _is_interim(self._interim):
                    return
                said = (yield Read((self._early(), False))) or b""
        reply = reader.reply
        if reply is None or reply.status < 300:
            raise BrokenError("it did not wait for the request", "WriteError")
        if exchange.reused and reply.status == _IDLED:
            raise BrokenError("it had given the connection up", "WriteError")
        if reply.status >= 500 and reply.status != _BUSY:
            raise errors.failed_early(reply.status, exchange)

    def _last_words(
        self, error: OSError
    ) -> Generator[Step, bytes | None, bytes | None]:
        """Read what a server said that broke the connection before it had the request.

        Raises:
            BrokenError: When it said nothing.
            TransientError: As ``_interrupted``.
        """
        if isinstance(error, TimeoutError):
            raise broken(error, "Write") from error
        try:
            while self._reader.reply is None:
                said = yield Read((self._early(), self._exchange.may_be_committed()))
                if said and self._exchange.committed:
                    return said
                yield from self._interrupted(said or b"")
        except (OSError, BrokenError):
            raise broken(error, "Write") from error
        return None

    def _early(self) -> float:
        """Return until when to wait for what a server may say before it cuts us off."""
        exchange = self._exchange
        ends = exchange.ends if exchange.committed else exchange.commit_by
        return min(ends, exchange.clock() + EARLY_REPLY)


def _is_interim(said: bytes) -> bool:
    """Report whether these are interim replies only, the last one perhaps cut short."""
    last = said.rpartition(b"\r\n\r\n")[2].lstrip(b"\r\n")
    return not last or _INTERIM.match(last) is not None
