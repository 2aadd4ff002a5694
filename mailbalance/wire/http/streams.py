"""Asyncio connections for httpcore, each wait bounded by the exchange's own deadline.

What lives here: httpcore's network interface as one asyncio protocol. It costs less than
httpcore's default over anyio, and closes by aborting: ``transport.close()`` would first
flush what is buffered, and the server would get a message we had given up. What must
not: HTTP, retries. Import this only where httpcore2 is needed at once.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

import httpcore2

from mailbalance.wire.http.direct.steps import must_be_an_answer
from mailbalance.wire.http.sockets import (
    Tls,
    is_committed_again,
    is_early,
    is_readable,
    limit_of,
    outlives_cancelling,
    saw,
    seconds,
    told_as,
)
from mailbalance.wire.reach import areach
from mailbalance.wire.unasked import UnaskedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

#: Bytes held back before reading is paused; far more than any reply to a send.
_HIGH_WATER = 256 * 1024


class Streams(httpcore2.AsyncNetworkBackend):
    """Opens connections for an async pool."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Connect to the first address that answers."""
        loop = asyncio.get_running_loop()
        with told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            sock = await areach(host, port, limit_of(timeout))
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _, stream = await loop.create_connection(Stream, sock=sock)
                stream.peer = sock.getpeername()
            except BaseException:
                sock.close()
                raise
            return stream


class Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection of an async pool.

    Attributes:
        retired: Set to have the pool close it instead of using it again.
        before: The body of the last reply that came over it.
        peer: The address of the other end.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._ended = False
        self._fault: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = False
        self._paused = False
        self.retired = False
        self.before = b""
        self.peer: Any = None
        self._held = b""
        self._handed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by asyncio)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived (called by asyncio)."""
        self._buffer += data
        if self._handed:
            self._check()
        if len(self._buffer) > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def _check(self) -> None:
        """Forget what came before the server can have had the request."""
        self._handed = False
        sock = self._transport.get_extra_info("socket")
        left = self._transport.get_write_buffer_size()
        try:
            must_be_an_answer(self._buffer, sock, parted=True, left=left)
        except UnaskedError as error:
            self._buffer.clear()
            self._ended, self._fault = True, error

    def eof_received(self) -> None:
        """Note that the other side is done (called by asyncio)."""
        self._ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end (called by asyncio)."""
        self._ended = True
        self._fault = exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """Hold writers back (called by asyncio)."""
        self._full = True

    def resume_writing(self) -> None:
        """Let writers go on (called by asyncio)."""
        self._full = False
        _wake(self._writer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, at most ``max_bytes``; ``b""`` at the end."""
        with told_as(httpcore2.ReadTimeout, httpcore2.ReadError):
            while not self._buffer and not self._ended:
                self._reader = self._loop.create_future()
                try:
                    await self._wait(self._reader, timeout)
                except TimeoutError:
                    if not await self._looked():
                        raise
            if not self._buffer and self._fault is not None:
                raise OSError(str(self._fault)) from self._fault
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        if self._paused and len(self._buffer) <= _HIGH_WATER:
            self._paused = False
            self._transport.resume_reading()
        saw(timeout, data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``; return when no more than a little is unsent."""
        saw(timeout, b"")
        if is_early(timeout):
            self._held += buffer
            return
        if self._held:
            buffer, self._held = self._held + buffer, b""
        with told_as(httpcore2.WriteTimeout, httpcore2.WriteError):
            seconds(timeout)
            if self._ended or self._transport.is_closing():
                raise OSError("the connection is closed")
            self._transport.write(buffer)
            self._handed = is_committed_again(timeout)
            while self._full and not self._ended:
                self._writer = self._loop.create_future()
                await self._wait(self._writer, timeout)
            if self._fault is not None:
                raise OSError(str(self._fault)) from self._fault

    async def aclose(self) -> None:
        """Abort: what is unsent must stay unsent."""
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        """Go on in TLS."""
        context = ssl_context.context if isinstance(ssl_context, Tls) else ssl_context
        with told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                async with asyncio.timeout(seconds(timeout)):
                    upgraded = await self._loop.start_tls(
                        self._transport, self, context, server_hostname=server_hostname
                    )
            except BaseException:
                self._transport.abort()
                raise
            if upgraded is None:
                raise OSError("the connection was closed in the TLS handshake")
        self._transport = upgraded
        return self

    def get_extra_info(self, info: str) -> Any:
        """Answer what httpcore asks: whether an idle connection has news, i.e. is dead."""
        if info == "server_addr":
            return self.peer
        if info != "is_readable":
            return None
        if self.retired or self._ended or self._buffer:
            return True
        sock = self._transport.get_extra_info("socket")
        return sock is not None and is_readable(sock.fileno())

    async def _looked(self) -> bool:
        """Say whether something has come after all, unseen by the loop.

        A process that was suspended past its deadline finds the alarm and the reply at
        once, and asyncio rings first.
        """
        for _ in range(2):  # the loop learns what the socket has; its callbacks tell us
            await asyncio.sleep(0)
        return bool(self._buffer) or self._ended

    async def _wait(self, future: asyncio.Future[None], timeout: float | None) -> None:
        """Wait for one change; the caller looks whether it was the right one.

        These are the only places where a send waits once it is committed. From then on a
        cancelled caller makes no difference here: mail cannot be recalled, and its
        outcome must be known.
        """
        limit = seconds(timeout)
        alarm = None if limit is None else self._loop.call_later(limit, _expire, future)
        try:
            await future
        except asyncio.CancelledError:
            if not outlives_cancelling(timeout):
                raise
        finally:
            if alarm is not None:
                alarm.cancel()


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError("the deadline has passed"))
