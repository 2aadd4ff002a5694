"""A connection on an asyncio transport, and the pump that runs a dialogue on it.

What lives here: the transport line and the async pump, with the rule of cancellation: it
cuts the connection before the commit point and is outlived after it, because mail that was
handed over cannot be called back, only its outcome lost. What must not: any judgement, any
pooling. A test may give ``pump`` any object with this line's methods.

Works with asyncio's own loops and with uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from typing import TYPE_CHECKING, cast

from mailbalance.secret import bare
from mailbalance.wire.alarm import Alarm
from mailbalance.wire.http.direct.bio import Tls
from mailbalance.wire.http.direct.blocking import LINGER_NONE
from mailbalance.wire.http.direct.steps import Finish, Read, must_be_an_answer
from mailbalance.wire.http.exchange import HttpResponse
from mailbalance.wire.lending import LendingProtocol
from mailbalance.wire.polling import IN, new_poll
from mailbalance.wire.unasked import UnaskedError

if TYPE_CHECKING:
    import ssl

    from mailbalance.wire.http.direct.dialogue import Dialogue
    from mailbalance.wire.http.direct.steps import Pieces, Step, Write
    from mailbalance.wire.http.exchange import Exchange

#: Bytes given to the transport at once: what it cannot send it copies.
_BLOCK = 256 * 1024

#: Bytes of one read; replies are some hundred long.
_RECEIVE = 16 * 1024

#: Bytes of replies after which no more are read until they are asked for.
_HIGH_WATER = 256 * 1024


class TransportLine(LendingProtocol):
    """An asyncio transport, plain or in TLS, each wait with its limit in seconds.

    Args:
        sock: The socket below it.

    Attributes:
        look: Gives whether the socket has anything that the loop has not seen.
        used: Whether it has carried a request before.
        retired: Set to have it dropped instead of used again.
        before: The body of the last reply that came over it.
    """

    _transport: asyncio.Transport

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(_RECEIVE)
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._tls: Tls | None = None
        self._said = bytearray()
        self._over = False
        self._fault: Exception | None = None
        self._full = False
        self._held = False
        self._waiter: asyncio.Future[bool] | None = None  # whether it was in time
        self._alarm = Alarm(self._loop, self._tell)
        self._poll = new_poll()
        self._poll.register(sock, IN)
        self.look = self._poll.poll
        self._parted = self._handed = False
        self.used = self.retired = False
        self.before = b""

    @classmethod
    async def over(cls, sock: socket.socket) -> TransportLine:
        """Make a line of a connected socket, which it then owns."""
        with contextlib.suppress(OSError):  # a pair of sockets in a test has no TCP
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        try:
            _, line = await loop.create_connection(lambda: cls(sock), sock=sock)
        except BaseException:
            sock.close()
            raise
        return line

    # What asyncio tells us

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and have it tell of every byte it could not send."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: memoryview) -> None:
        """Take bytes from the server."""
        if self._tls is None:
            self._said += data
        else:
            self._tls.take(data)
            self._open()
        if self._handed and self._said:
            self._check()
        if len(self._said) > _HIGH_WATER and not self._held:
            self._held = True
            self._transport.pause_reading()
        self._tell(in_time=True)

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
        tls = cast("Tls", self._tls)
        data, over = tls.opened()
        self._said += data
        if self._handed and self._said:
            self._check()  # before TLS itself has anything to send
        self._over = self._over or over
        self._fault = self._fault or tls.fault
        if (pending := tls.pending()) and not self._transport.is_closing():
            self._transport.write(pending)

    def _check(self) -> None:
        """Forget what came before the server can have had the request."""
        self._handed = False
        left = self._transport.get_write_buffer_size()
        try:
            must_be_an_answer(self._said, self._sock, parted=self._parted, left=left)
        except UnaskedError as error:
            self._said.clear()
            self._over, self._fault = True, error

    def _tell(self, in_time: bool = False) -> None:
        """Wake the task; the alarm does so without a word."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(in_time)

    # What the pump asks

    async def write(
        self, rest: list[memoryview], limit: float, patience: float = math.inf
    ) -> bytes | None:
        """Hand all bytes to the kernel, or stop and give what the server says.

        Args:
            rest: The bytes in pieces; those that the transport has are taken off.
            limit: Seconds.
            patience: Seconds of them in which the kernel may take none.

        Raises:
            OSError: When that failed, or took too long.
        """
        ends = self._loop.time() + limit
        self._parted = True
        while rest or self._full:
            if not self._full:
                block, rest[0] = rest[0][:_BLOCK], rest[0][_BLOCK:]
                if not rest[0]:
                    del rest[0]
                self._hand_over(block)
            await self._drained(ends, patience)
            if self._said or self._over:
                return self._taken()
        # In the first round the loop learns what the socket has, in the second its
        # callbacks have told us.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self._taken() if self._said or self._over else None

    def finish(self, pieces: Pieces) -> bytes | None:
        """Hand over the request's last bytes without waiting; nothing can come between.

        Returns:
            What the server said before, or ``b""`` when it closed; then nothing of this
            was handed over. A new connection is not looked at.

        Raises:
            OSError: When the connection is known to be lost.
        """
        if self.used and (self._said or self._over):
            return b"" if self._fault is not None else self._taken()
        self._hand_over(memoryview(b"".join(pieces)))
        self._handed = self.used
        return None

    async def read(self, limit: float, exchange: Exchange | None = None) -> bytes:
        """Wait for some bytes; ``b""`` when the server closed.

        Args:
            limit: Seconds.
            exchange: Wait on when the task is cancelled, if this may be committed.

        Raises:
            OSError: When none came, or the connection broke.
        """
        ends = self._loop.time() + limit
        while not (self._said or self._over):
            try:
                if not (await self._next(ends) or await self._looked()):
                    raise TimeoutError("the deadline has passed")
            except asyncio.CancelledError:
                if exchange is None or not exchange.may_be_committed():
                    raise
                _outlive_cancellation()
        return self._taken()

    async def start_tls(self, context: ssl.SSLContext, host: str, limit: float) -> None:
        """Go on in TLS, with the certificate checked for ``host``.

        Raises:
            OSError: When that failed, or took too long.
        """
        ends = self._loop.time() + limit
        tls = Tls(context, host)
        while True:
            done = tls.shake_hands()
            self._transport.write(tls.pending())
            if done:
                break
            tls.take(await self.read(ends - self._loop.time()) or _cut_off())
        self._tls = tls
        self._open()

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        self.used, self._parted, self._handed = True, False, False
        if self.retired or self._over or self._said or self._transport.is_closing():
            return False
        # The loop may not have looked at the socket since it was last used.
        return not self._poll.poll(0)

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

    async def _drained(self, ends: float, patience: float) -> None:
        """Wait until the transport takes more, or the server says something.

        Raises:
            TimeoutError: When time is over, or none of it brought any progress.
        """
        while self._full and not (self._said or self._over):
            unsent = self._transport.get_write_buffer_size()
            if await self._next(min(ends, self._loop.time() + patience)):
                continue
            stuck = self._transport.get_write_buffer_size() >= unsent
            if stuck or self._loop.time() >= ends:
                raise TimeoutError("the deadline has passed")

    async def _looked(self) -> bool:
        """Say whether something has come after all, unseen by the loop.

        A process that was suspended past its deadline finds the alarm and the reply at
        once, and asyncio rings first.
        """
        if self._poll.poll(0):
            # In the first round the loop learns what the socket has, in the second its
            # callbacks have told us.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return bool(self._said) or self._over

    def _hand_over(self, data: memoryview) -> None:
        if self._over or self._transport.is_closing():
            raise self._fault or ConnectionResetError("the connection is closed")
        self._transport.write(data if self._tls is None else self._tls.sealed(data))

    def _taken(self) -> bytes:
        """Give what has come, or the end.

        Raises:
            OSError: When it was no orderly end.
        """
        if not self._said and self._fault is not None:
            if isinstance(self._fault, UnaskedError):
                raise self._fault
            raise OSError(str(self._fault)) from self._fault
        data = bytes(self._said)
        self._said.clear()
        if self._held:
            self._held = False
            self._transport.resume_reading()
        return data

    def _next(self, ends: float) -> asyncio.Future[bool]:
        """Give what is to be awaited until something happens on the line.

        Its result says whether that was in time.
        """
        self._alarm.set(ends)
        self._waiter = self._loop.create_future()
        return self._waiter


def _cut_off() -> bytes:
    raise ConnectionResetError("the connection was closed in the TLS handshake")


def _outlive_cancellation() -> None:
    """Tell the task that its cancellation was taken note of and not followed."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def pump(
    line: TransportLine, dialogue: Dialogue, exchange: Exchange
) -> HttpResponse:
    """Run a dialogue to its end.

    Raises:
        DeliveryError: As the dialogue judged.
        asyncio.CancelledError: When cancelled before the commit point.
    """
    steps = dialogue.run()
    step: Step = next(steps)
    while True:
        answer = None
        try:
            if type(step) is Finish:
                if line.look(0):  # the loop has not seen it; two turns, as in write
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                answer = line.finish(step.pieces)
            elif type(step) is Read:
                answer = await line.read(step, exchange)
            elif type(step) is HttpResponse:
                return step
            else:
                answer = await line.write(*cast("Write", step))
        except OSError as error:
            step = steps.throw(bare(error))
        else:
            step = steps.send(answer)
