"""One HTTP/1.1 exchange: a request out, its reply in.

What lives here: the generator that holds the exchange and every judgement in it. What must
not: a socket, an event loop, or the opening of a connection.

How to read it, and how to drive it from a test: ``Dialogue(outgoing, exchange).run()``
yields what to do next (``Write``, ``Finish``, ``Read``: see ``steps``) and is sent what
came of it, or has an ``OSError`` thrown in. Last it yields the ``HttpResponse``, or raises
a ``DeliveryError``. Two drivers pump it, ``blocking.pump`` on a ``SocketLine`` and
``looped.pump`` on a ``TransportLine``; either takes any object with that line's methods.

The commit point is ``Finish``: the write of the request's last block, after every byte
before it was handed to the kernel. Content-Length makes anything shorter an incomplete
request (RFC 9112 section 6.3), so a failure up to there is proof that nothing was
accepted. The driver then aborts the connection. After it only a clear reply decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailbalance.wire.deadline import EARLY_REPLY
from mailbalance.wire.http import faults
from mailbalance.wire.http.direct.replies import ReplyReader
from mailbalance.wire.http.direct.steps import BrokenError, Finish, Read, Write, broken
from mailbalance.wire.unasked import UnaskedError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from mailbalance.wire.http.direct.outgoing import Outgoing
    from mailbalance.wire.http.direct.steps import Step, Steps
    from mailbalance.wire.http.exchange import Exchange, HttpResponse

#: How a server ends a connection that idled for too long (RFC 9110 section 15.5.9).
_IDLED = 408

#: A refusal that says so itself, perhaps in a provider's words (RFC 9110 section 15.6.4).
_BUSY = 503

#: How an interim reply begins, as soon as it can be told from the final one.
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d")


class Dialogue:
    """The exchange of one request on one open connection.

    Args:
        outgoing: The request.
        exchange: How far it came, its deadline, and what it may become of it.

    Attributes:
        exchange: How far the request came.
        keep: Whether the connection may be used again.
        stale: Whether a kept connection turned out to be dead, so that the request may
            go out again on another one: nobody can have read it.
    """

    def __init__(self, outgoing: Outgoing, exchange: Exchange) -> None:
        self.keep = False
        self.stale = False
        self._outgoing = outgoing
        self.exchange = exchange
        self._reader = ReplyReader()
        self._interim = b""  # what came before the commit point

    def run(self) -> Steps:
        """Yield the steps, and the ``HttpResponse`` last.

        Raises:
            DeliveryError: When the request was not sent, or its outcome is unknown.
        """
        exchange, reader = self.exchange, self._reader
        exchange.phase, exchange.received, exchange.cut = "request", 0, False
        try:
            said = yield from self._request()
            while not reader.done:
                try:
                    if said is None:
                        said = yield Read(exchange.left_in_all())
                except OSError as error:
                    exchange.saw(error.data if isinstance(error, UnaskedError) else b"")
                    reader.break_off(error)
                else:
                    exchange.saw(said or b"")
                    reader.feed(said or b"")
                    said = None
        except BrokenError as error:
            self.stale = faults.is_stale(error, exchange)
            raise faults.translate(error, exchange) from error.__cause__
        yield self._settled()

    def _request(self) -> Generator[Step, bytes | None, bytes | None]:
        """Write the request, or stop where the server refuses it.

        Returns:
            What the server said and the reader has not been given yet, if anything.
        """
        before, last = self._outgoing
        exchange = self.exchange
        try:
            if before:
                yield from self._before_the_last(before)
                if self._reader.reply is not None:
                    return None
            while (said := (yield Finish((last, exchange.commit())))) is not None:
                yield from self._spoke_first(said, begun=bool(before))
                if self._reader.reply is not None:
                    return None
        except OSError as error:
            exchange.cut = exchange.committed
            return (yield from self._last_words(error))
        exchange.phase = "reply"
        if self._interim:
            exchange.saw(self._interim)
        return None

    def _before_the_last(
        self, before: Sequence[memoryview]
    ) -> Generator[Step, bytes | None, None]:
        """Write all but the last block, or stop where the server has replied."""
        rest, share_of = list(before), self.exchange.deadline.share_of
        while self._reader.reply is None:
            left = self.exchange.left()
            said = yield Write((rest, left, share_of(left)))
            if said is None:
                return
            yield from self._interrupted(said)

    def _settled(self) -> HttpResponse:
        """Give the reply, unless it is a success of what was not sent."""
        reply, exchange = self._reader.reply, self.exchange
        assert reply is not None  # noqa: S101 - a reply that is done has a head
        early = exchange.cut or not exchange.committed
        if early and 200 <= reply.status < 300:
            reply.fault = "came before the request was sent"
        response = reply.settled(exchange)
        self.keep = not early and self._reader.clean
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
        reader, exchange = self._reader, self.exchange
        while said and reader.reply is None:
            reader.feed(said)
            self._interim += said
            if reader.reply is None:
                if _is_interim(self._interim):
                    return
                said = (yield Read(min(EARLY_REPLY, exchange.left()))) or b""
        reply = reader.reply
        if reply is None or reply.status < 300:
            raise BrokenError("it did not wait for the request", "WriteError")
        if exchange.reused and reply.status == _IDLED:
            raise BrokenError("it had given the connection up", "WriteError")
        if reply.status >= 500 and reply.status != _BUSY:
            raise faults.failed_early(reply.status, exchange)

    def _spoke_first(
        self, said: bytes, *, begun: bool
    ) -> Generator[Step, bytes | None, None]:
        """Judge what was there just before the commit point, which is not passed.

        Raises:
            BrokenError: When nothing of the request was written, or as ``_interrupted``.
            TransientError: As ``_interrupted``.
        """
        self.exchange.committed = False
        if not begun:
            raise BrokenError("it did not wait for the request", "WriteError")
        yield from self._interrupted(said)

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
                said = yield Read(min(EARLY_REPLY, self.exchange.left_in_all()))
                if said and self.exchange.committed:
                    return said
                yield from self._interrupted(said or b"")
        except (OSError, BrokenError):
            raise broken(error, "Write") from error
        return None


def _is_interim(said: bytes) -> bool:
    """Say whether these are interim replies only, the last one perhaps cut short."""
    last = said.rpartition(b"\r\n\r\n")[2].lstrip(b"\r\n")
    return not last or _INTERIM.match(last) is not None
