"""A connection of an event loop, asyncio's or uvloop's, and waits that end in time.

With the rule of cancellation: it cuts the connection before the commit point and is
outlived after it, because mail that was handed over cannot be called back, only its
outcome lost. So after that point nothing here knows of tasks: waits are bare futures, made
anew when one is cancelled, and one timer ends them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

from mailbalance.wire.net.polling import IN, new_poll
from mailbalance.wire.net.socket_stream import LINGER_NONE, RECEIVE
from mailbalance.wire.net.tls import Tls
from mailbalance.wire.net.unasked import is_under_way

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from mailbalance.wire.net.drive import Pieces

#: Bytes given to the transport at once: what it cannot send it copies.
_BLOCK = 256 * 1024

#: Bytes of replies after which no more are read until they are asked for.
_HIGH_WATER = 256 * 1024


class Alarm:
    """One timer for all the waits of a connection.

    Almost no wait ever reaches its limit, and a timer for each costs more than the wait.
    So one timer stays, and finds out when it rings whether the wait of that time still
    goes on.

    Args:
        loop: The event loop that the connection belongs to.
        ring: Called when the latest wait has reached its limit, or soon after one that
            ended; it knows whether anybody still waits.

    Attributes:
        due: When to ring, by the loop's clock.
        when: When the timer that runs looks whether that is now.
        timer: That timer, if one runs.
    """

    __slots__ = ("_loop", "_ring", "due", "timer", "when")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ring: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._ring = ring
        self.timer: asyncio.TimerHandle | None = None
        self.when = 0.0
        self.due = 0.0

    def set(self, due: float) -> None:
        """Ring at ``due``, by the loop's clock, instead of at any time before."""
        self.due = due
        if self.timer is None or due < self.when:
            self.start()

    def end(self) -> None:
        """Ring no more, and leave nothing in the loop."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def start(self) -> None:
        """Set the timer to ring when it is due."""
        self.end()
        self.when = self.due
        self.timer = self._loop.call_at(self.due, self._rung)

    def _rung(self) -> None:
        self.timer = None
        # Compared with the time it was set for, not with the clock: loops round.
        if self.due > self.when:
            self.start()
        else:
            self._ring()


class LendingProtocol(asyncio.BufferedProtocol, ABC):
    """A protocol that lends its transport the room for what it reads.

    Without it, asyncio makes a buffer of 256 KB for each read, which costs more than all
    the rest of the read.

    Args:
        size: Bytes of one read.
    """

    def __init__(self, size: int) -> None:
        self._buffer = memoryview(bytearray(size))

    @abstractmethod
    def data_received(self, data: memoryview) -> None:
        """Take bytes from the server; they are there only until it returns."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what is in it."""
        self.data_received(self._buffer[:nbytes])


class AsyncioStream(asyncio.BufferedProtocol):
    """An asyncio transport, plain or in TLS, each wait with the time it ends at.

    Args:
        sock: The socket below it.

    Attributes:
        look: Reports at once whether its socket has anything to read.
        since: When it was last used, for whoever keeps it.
        news: Whether something came that nobody has taken yet.
        used: Whether it was taken from where it rested, to be used again.
        handed: Set at the commit point: what comes next is the answer.
        early: Whether it came before the other side can have had all that was handed over.
        before: The last reply that came over it, for whoever speaks over it.
        retired: Set to have it dropped instead of used again.
    """

    _transport: asyncio.Transport

    def __init__(self, sock: socket.socket) -> None:
        self._buffer = memoryview(bytearray(RECEIVE))
        self.since = 0.0
        self.news = False
        self.used = self.handed = self.early = self.retired = False
        self.before = b""
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._tls: tuple[Tls, ...] = ()  # the outermost first
        self._said = bytearray()
        self._over = False
        self._fault: Exception | None = None
        self._full = False
        self._held = False
        self._waiter: asyncio.Future[bool] | None = None  # whether it was in time
        self._alarm = Alarm(self._loop, self._tell)
        # Loops have clocks of their own; some look at them once in a round only.
        self._skew = self._loop.time() - time.monotonic()
        self._poll = new_poll()
        self._poll.register(sock, IN)
        self.look = self._poll.poll

    @classmethod
    async def over(cls, sock: socket.socket) -> AsyncioStream:
        """Make a stream of a connected socket, which it then owns."""
        with contextlib.suppress(OSError):  # a pair of sockets in a test has no TCP
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        try:
            _, stream = await loop.create_connection(lambda: cls(sock), sock=sock)
        except BaseException:
            sock.close()
            raise
        return stream

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and have it tell of every byte it could not send."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer: asyncio would make one of 256 KB for each read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes from the server."""
        if self.handed:  # before TLS itself has anything to send
            left = self._transport.get_write_buffer_size()
            self.early = bool(left) or is_under_way(self._sock)
        if self._tls:
            self._tls[0].take(self._buffer[:nbytes])
            self._open()
        else:
            self._said += self._buffer[:nbytes]
        if len(self._said) > _HIGH_WATER and not self._held:
            self._held = True
            self._transport.pause_reading()
        self.handed = self.handed and not self._said
        self.news = True
        waiter = self._waiter  # as ``_tell`` does, without a call
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    def eof_received(self) -> None:
        """Take note that the server will say no more."""
        self._over = True
        self._tell(in_time=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the transport is done with."""
        self._alarm.end()
        self._over = True
        self._fault = self._fault or exc
        self._tell(in_time=True)

    def pause_writing(self) -> None:
        """Take note that some bytes have not left yet."""
        self._full = True

    def resume_writing(self) -> None:
        """Take note that all bytes have left."""
        self._full = False
        self._tell(in_time=True)

    def _open(self) -> None:
        """Decrypt what has come, and send what TLS itself has to say."""
        *outer, inner = self._tls
        over = False
        for at, tls in enumerate(outer):
            data, over = tls.opened()
            self._fault = self._fault or tls.fault
            self._tls[at + 1].take(data)
        data, ended = inner.opened()
        self._said += data
        self._over = self._over or ended or over
        self._fault = self._fault or inner.fault
        for at, tls in enumerate(self._tls):
            if (pending := tls.pending()) and not self._transport.is_closing():
                self._transport.write(self._sealed(pending, at))

    def _sealed(self, data: bytes, within: int) -> bytes:
        """Encrypt with every session outside the one at ``within``."""
        for tls in reversed(self._tls[:within]):
            data = tls.sealed(memoryview(data))
        return data

    def _tell(self, in_time: bool = False) -> None:
        """Wake the task; the alarm does so without a word."""
        self.news = self.news or in_time
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(in_time)

    # What a driver asks

    async def write(
        self, rest: list[memoryview], ends: float, stall: float = math.inf
    ) -> bytes | None:
        """Hand all bytes to the kernel, or stop and return what the server says.

        Args:
            rest: The bytes in pieces; those that the transport has are taken off.
            ends: Until when.
            stall: Most seconds without any progress.

        Raises:
            OSError: When that failed, or took too long.
        """
        while rest or self._full:
            if not self._full:
                block, rest[0] = rest[0][:_BLOCK], rest[0][_BLOCK:]
                if not rest[0]:
                    del rest[0]
                self.hand_over(block)
            await self._drained(ends, stall)
            if self._said or self._over:
                return self._taken()
        # In the first round the loop learns what the socket has, in the second its
        # callbacks have told us.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self._taken() if self._said or self._over else None

    def finish(self, pieces: Pieces) -> None:
        """Hand over the request's last bytes without waiting; nothing can come between.

        Raises:
            OSError: When the connection is known to be lost.
        """
        self.handed, self.early = self.used, False
        self.hand_over(memoryview(b"".join(pieces)))

    def hand_over(self, data: memoryview) -> None:
        """Give bytes to the transport, which keeps what the kernel does not take.

        Raises:
            OSError: When the connection is known to be lost.
        """
        if self._over or self._transport.is_closing():
            raise self._fault or ConnectionResetError("the connection is closed")
        if self._tls:
            sealed = self._tls[-1].sealed(data)
            self._transport.write(self._sealed(sealed, len(self._tls) - 1))
        else:
            self._transport.write(data)

    async def read(self, ends: float, committed: bool = False) -> bytes:
        """Wait for some bytes; return ``b""`` when the server closed.

        Args:
            ends: Until when.
            committed: Wait on when the task is cancelled.

        Raises:
            OSError: When none came, or the connection broke.
        """
        while not (self._said or self._over):
            alarm, due = self._alarm, ends + self._skew
            alarm.due = due
            if alarm.timer is None or due < alarm.when:
                alarm.start()
            waiter: asyncio.Future[bool] = asyncio.Future(loop=self._loop)
            self._waiter = waiter
            try:
                if not await waiter and await self._too_late(ends):
                    raise TimeoutError("the deadline has passed")
            except asyncio.CancelledError:
                if not committed:
                    raise
        return self._taken()

    async def start_tls(self, context: ssl.SSLContext, host: str, ends: float) -> None:
        """Go on in TLS, with the certificate checked for ``host``; a second time in it.

        Raises:
            OSError: When that failed, or took too long.
        """
        tls = Tls(context, host)
        while True:
            done = tls.shake_hands()
            if pending := tls.pending():
                self._transport.write(self._sealed(pending, len(self._tls)))
            if done:
                break
            tls.take(await self.read(ends) or _cut_off())
        self._tls = (*self._tls, tls)
        self._open()

    def quiet(self) -> bool:
        """Report whether it is open and nothing has come that nobody asked for."""
        if self.retired:
            return False
        open_ = not (self._over or self._said or self._transport.is_closing())
        # The loop may not have looked at the socket since it was last used.
        return open_ and not self.look(0)

    def close(self) -> None:
        """Close it; nothing is on its way any more."""
        self._transport.abort()

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        try:
            self._transport.abort()
        except RuntimeError:  # its event loop is closed, and closes nothing any more
            self._sock.close()

    async def _drained(self, ends: float, stall: float) -> None:
        """Wait until the transport has nothing left, or the server speaks."""
        size = self._transport.get_write_buffer_size()
        until = min(ends, time.monotonic() + stall)
        while self._full and not (self._said or self._over):
            if await self._next(until) or time.monotonic() < until:
                continue
            left = self._transport.get_write_buffer_size()
            if left >= size or time.monotonic() >= ends:
                raise TimeoutError("the deadline has passed")
            size, until = left, min(ends, time.monotonic() + stall)

    async def _too_late(self, ends: float) -> bool:
        """Report whether the time is over, and nothing lies in the socket.

        A process that was suspended finds both at once, and some loops ring first.
        """
        if time.monotonic() < ends:
            return False
        if self.look(0):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return not (self._said or self._over)

    def _taken(self) -> bytes:
        """Return what has come, or the end.

        Raises:
            OSError: When it was no orderly end.
        """
        if not self._said and self._fault is not None:
            raise OSError(str(self._fault)) from self._fault
        data = bytes(self._said)
        self._said.clear()
        self.news = self._over
        if self._held:
            self._held = False
            self._transport.resume_reading()
        return data

    def _next(self, ends: float) -> asyncio.Future[bool]:
        """Return what is to be awaited until something happens on the connection.

        Its result reports whether that was in time.
        """
        self._alarm.set(ends + self._skew)
        self._waiter = self._loop.create_future()
        return self._waiter


def _cut_off() -> bytes:
    raise ConnectionResetError("the connection was closed in the TLS handshake")
