"""A session on an asyncio transport, and the pump that runs a transaction on it.

What lives here: the transport line and the async pump, with the rule of cancellation: it
cuts the connection before the commit point and is ignored after it, because a message that
was handed over cannot be called back, only its outcome lost. What must not: any judgement
of a reply, any pooling.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from mailbalance.wire.smtp.blocking import LINGER_NONE
from mailbalance.wire.smtp.replies import MalformedReplyError, ReplyReader
from mailbalance.wire.smtp.steps import Accepted, BrokenError, Read, Write

if TYPE_CHECKING:
    from mailbalance.wire.smtp.chain import Chain
    from mailbalance.wire.smtp.replies import Reply
    from mailbalance.wire.smtp.steps import Step
    from mailbalance.wire.smtp.transaction import Transaction

#: Most bytes the transport buffers before a write has to wait.
_HIGH_WATER = 65536


class TransportLine(asyncio.Protocol):
    """An asyncio transport that speaks in replies, each wait with its limit in seconds.

    Args:
        transport: An open transport; from now on it is ours.
        sock: The socket below it.

    Attributes:
        outlived: Whether a cancellation came that a read did not follow.
    """

    def __init__(self, transport: asyncio.Transport, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._sock = sock
        self._reader = ReplyReader()
        self._over: str | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self.outlived = False
        self.gone: asyncio.Future[None] = self._loop.create_future()
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        transport.set_protocol(self)

    # What asyncio tells us

    def data_received(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._reader.feed(data)
        self._wake()

    def eof_received(self) -> None:
        """Take note that the server will say no more."""
        self._over = self._over or "the server closed the connection"
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the transport is done with."""
        self._over = self._over or str(exc or "") or "the connection is closed"
        if not self.gone.done():
            self.gone.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        """Let writes wait until the server has read some."""
        self._paused = True

    def resume_writing(self) -> None:
        """Let writes go on."""
        self._paused = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the pump asks

    async def write(self, data: bytes | memoryview, limit: float) -> None:
        """Hand all bytes over, waiting until the buffer is low again.

        Raises:
            BrokenError: When that failed, or took too long.
        """
        self.hand_over(data)
        ends = self._loop.time() + limit
        while self._paused:
            await self._wait(ends)
            self._must_be_open()

    def hand_over(self, data: bytes | memoryview) -> None:
        """Hand all bytes over without waiting; nothing can come between.

        Raises:
            BrokenError: When the connection is known to be lost.
        """
        self._must_be_open()
        self._transport.write(data)

    async def read(self, limit: float, *, stubborn: bool = False) -> Reply:
        """Wait for the next reply.

        Args:
            limit: Seconds.
            stubborn: Wait on when the task is cancelled.

        Raises:
            BrokenError: When none came, or something that is no reply.
        """
        ends = self._loop.time() + limit
        try:
            while (reply := self._next()) is None:
                self._must_be_open()
                await self._wait(ends, stubborn=stubborn)
        except BrokenError as broken:
            broken.begun = self._reader.begun
            raise
        return reply

    async def glance(self) -> Reply | None:
        """Give a reply that is already there.

        Raises:
            BrokenError: When the other side has closed.
        """
        # Two rounds: in the first the loop learns what the socket has, in the second its
        # callbacks have told us.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reply = self._next()
        if reply is None:
            self._must_be_open()
        return reply

    async def answers(self, limit: float) -> bool:
        """Say NOOP, and tell whether the server answers as it should."""
        try:
            await self.write(b"NOOP\r\n", limit)
            return (await self.read(limit)).code == 250 and self._reader.empty
        except BrokenError:
            return False

    @property
    def leaving(self) -> bool:
        """Whether it is being closed and not gone yet."""
        return self._transport.is_closing() and not self.gone.done()

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        if self._over or self._transport.is_closing() or not self._reader.empty:
            return False
        try:
            # The loop may not have looked at the socket since it was last used.
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def hang_up(self) -> None:
        """Say QUIT without waiting for the answer, and close."""
        if not self._over:
            self._transport.write(b"QUIT\r\n")
        self._transport.close()

    async def part(self, limit: float) -> None:
        """Say QUIT, wait for the answer, and close, whatever comes."""
        with contextlib.suppress(BrokenError):
            await self.write(b"QUIT\r\n", limit)
            await self.read(limit)
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        try:
            self._transport.abort()
        except RuntimeError:  # its event loop is closed, and closes nothing any more
            self._sock.close()

    def _next(self) -> Reply | None:
        try:
            return self._reader.next()
        except MalformedReplyError as error:
            raise BrokenError(f"the server sent {error}", "garbled") from error

    def _must_be_open(self) -> None:
        if self._over or self._transport.is_closing():
            why = self._over or "the connection is closed"
            raise BrokenError(f"the connection was lost: {why}", "closed")

    async def _wait(self, ends: float, *, stubborn: bool = False) -> None:
        """Wait until something happened on the line."""
        waiter = self._waiter = self._loop.create_future()
        try:
            while not waiter.done():
                left = ends - self._loop.time()
                if left <= 0:
                    raise BrokenError("the server did not answer in time", "timeout")
                try:
                    await asyncio.wait((waiter,), timeout=left)
                except asyncio.CancelledError:
                    if not stubborn:
                        raise
                    self.outlived = True
                    _outlive_cancellation()
        finally:
            self._waiter = None


def _outlive_cancellation() -> None:
    """Tell the task that its cancellation was taken note of and not followed."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def pump(line: TransportLine, transaction: Transaction) -> Accepted:
    """Run a transaction to its end.

    Raises:
        DeliveryError: As the transaction judged.
        asyncio.CancelledError: When cancelled before the commit point.
    """
    steps = transaction.run()
    step: Step = next(steps)
    while not isinstance(step, Accepted):
        try:
            answer = await _do(line, step, transaction)
        except BrokenError as broken:
            step = steps.throw(broken)
        else:
            step = steps.send(answer)
    return step


async def pump_all(line: TransportLine, chain: Chain) -> None:
    """Run a chain until it has no more steps; what came of it is in its ``ends``.

    Raises:
        asyncio.CancelledError: When cancelled, as soon as no message is committed.
    """
    steps, line.outlived = chain.run(), False
    with contextlib.suppress(StopIteration):
        step = next(steps)
        while True:
            try:
                answer = await _do(line, step, chain)
            except BrokenError as broken:
                step = steps.throw(broken)
            else:
                step = steps.send(answer)
            if line.outlived and not chain.committed:
                raise asyncio.CancelledError


async def _do(
    line: TransportLine, step: Step, transaction: Transaction | Chain
) -> Reply | None:
    if isinstance(step, Write):
        if transaction.committed:
            line.hand_over(step.data)
        else:
            await line.write(step.data, step.limit)
        return None
    if isinstance(step, Read):
        return await line.read(step.limit, stubborn=transaction.committed)
    return await line.glance()
