"""A session on an asyncio transport.

What lives here: the transport line: bytes out, replies in, and whoever is told when there
are any. What must not: any judgement of a reply, any pooling, or the pump.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from mailbalance.wire.net.asyncio_stream import Alarm, LendingProtocol
from mailbalance.wire.net.polling import IN, new_poll
from mailbalance.wire.net.unasked import UnaskedError, is_under_way
from mailbalance.wire.smtp.blocking import LINGER_NONE
from mailbalance.wire.smtp.replies import MalformedReplyError, ReplyReader
from mailbalance.wire.smtp.steps import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.wire.smtp.replies import Reply

#: Most bytes the transport buffers before a write has to wait.
_HIGH_WATER = 65536


#: Bytes of one read; a reply is a line or a few.
_RECEIVE = 4096


class TransportLine(LendingProtocol):
    """An asyncio transport that speaks in replies.

    Args:
        transport: An open transport; from now on it is ours.
        sock: The socket below it.

    Attributes:
        loop: Its event loop.
        paused: Whether writes should wait until the server has read some.
        handed: Whether what comes next must be the reply to a message.
        listener: Called when something has happened, with ``True`` when only time passed.
        alarm: Has the listener told of the passing of time.
        gone: Done when the transport is.
    """

    def __init__(self, transport: asyncio.Transport, sock: socket.socket) -> None:
        super().__init__(_RECEIVE)
        self.loop = asyncio.get_running_loop()
        self._transport = transport
        self._sock = sock
        self._poll = new_poll()
        self._poll.register(sock, IN)
        self._reader = ReplyReader()
        self._over: str | None = None
        # uvloop's writes leave at the end of a turn only.
        self._writes_at_once = isinstance(self.loop, asyncio.SelectorEventLoop)
        self.paused = False
        self.handed = self._unasked = False
        self.listener: Callable[[bool], None] | None = None
        self.alarm = Alarm(self.loop, self._tell)
        self.gone: asyncio.Future[None] = self.loop.create_future()
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        transport.set_protocol(self)

    # What asyncio tells us

    def data_received(self, data: memoryview) -> None:
        """Take bytes from the server."""
        if self.handed:
            self.handed = False
            left = self._transport.get_write_buffer_size()
            self._unasked = bool(left) or is_under_way(self._sock)
        if not self._unasked:
            self._reader.feed(data)
        if self.listener is not None:
            self.listener(False)

    def eof_received(self) -> None:
        """Take note that the server will say no more."""
        self._over = self._over or "the server closed the connection"
        self._tell(late=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the transport is done with."""
        self.alarm.end()
        self._over = self._over or str(exc or "") or "the connection is closed"
        if not self.gone.done():
            self.gone.set_result(None)
        self._tell(late=False)

    def pause_writing(self) -> None:
        """Let writes wait until the server has read some."""
        self.paused = True

    def resume_writing(self) -> None:
        """Let writes go on."""
        self.paused = False
        self._tell(late=False)

    def _tell(self, late: bool = True) -> None:
        if self.listener is not None:
            self.listener(late)

    # What the pump asks

    @property
    def settled(self) -> bool:
        """Whether all bytes have left, and nothing has come, not even unseen."""
        return (
            self._writes_at_once
            and not self._transport.get_write_buffer_size()
            and self.quiet
        )

    def hand_over(self, data: bytes | memoryview) -> None:
        """Hand all bytes over without waiting; nothing can come between.

        Raises:
            BrokenError: When the connection is known to be lost.
        """
        self.must_be_open()
        self._transport.write(data)

    def reply(self) -> Reply | None:
        """Give the next reply that is there.

        Raises:
            BrokenError: When what came is no reply.
        """
        if self._unasked:
            raise BrokenError(str(UnaskedError()), "garbled")
        try:
            return self._reader.next()
        except MalformedReplyError as error:
            raise BrokenError(f"the server sent {error}", "garbled") from error

    def must_be_open(self) -> None:
        """Make sure that the connection is not known to be lost.

        Raises:
            BrokenError: When it is.
        """
        if self._over or self._transport.is_closing():
            why = self._over or "the connection is closed"
            raise BrokenError(f"the connection was lost: {why}", "closed")

    @property
    def begun(self) -> str:
        """The first digit of a reply that has not come in full, or ``""``."""
        return self._reader.begun

    @property
    def empty(self) -> bool:
        """Whether nothing more than the replies read so far has been received."""
        return self._reader.empty

    # What the pool asks

    @property
    def leaving(self) -> bool:
        """Whether it is being closed and not gone yet."""
        return self._transport.is_closing() and not self.gone.done()

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        if self._over or self._transport.is_closing() or not self._reader.empty:
            return False
        # The loop may not have looked at the socket since it was last used.
        return not self._poll.poll(0)

    def hang_up(self) -> None:
        """Say QUIT without waiting for the answer, and close."""
        if not self._over:
            self._transport.write(b"QUIT\r\n")
        self._transport.close()

    def close(self) -> None:
        """Close it once what was handed over has left."""
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        try:
            self._transport.abort()
        except RuntimeError:  # its event loop is closed, and closes nothing any more
            self._sock.close()
