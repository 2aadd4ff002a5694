"""An event loop without descriptors: lines for transports, and a clock that jumps."""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl
from collections.abc import Callable
from typing import Any

from tests.wire.memory.line import Network
from tests.wire.memory.sockets import (
    CLIENT_HELLO,
    SERVER_HELLO,
    MemorySocket,
    must_be_hello,
)


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Lets time pass instead of waiting."""

    loop: MemoryLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            ready = super().select(5)
            assert ready, "nothing can happen any more"
            return list(ready)
        if timeout > 0:
            self.loop.network.now += timeout
        return []


class TurnedLoop(asyncio.SelectorEventLoop):
    """Tells of its turns.

    Attributes:
        at_turn: Called before each.
    """

    at_turn: Callable[[], None] | None = None

    def _run_once(self) -> None:
        if self.at_turn is not None:
            self.at_turn()
        super()._run_once()  # type: ignore[misc]


class MemoryLoop(TurnedLoop):
    """Runs on ``network``'s clock and over its lines."""

    network: Network

    def __init__(self) -> None:
        selector = _Jumping()
        selector.loop = self
        self.network = Network(lambda: None)  # type: ignore[arg-type,return-value]
        super().__init__(selector)

    def time(self) -> float:
        return self.network.now

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:  # type: ignore[override]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    async def sock_connect(self, sock: Any, address: Any) -> None:
        await asyncio.sleep(0)
        sock.connect(address)

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, *, sock: Any = None,
        ssl: Any = None, **_: Any,
    ) -> Any:  # fmt: skip
        if sock is None:
            sock = MemorySocket(self.network)
            await self.sock_connect(sock, (host, port))
        protocol = factory()
        transport = MemoryTransport(self, sock, protocol)
        if ssl is not None:
            await self.start_tls(transport, protocol, ssl)
        protocol.connection_made(transport)
        transport.pump_soon()
        await asyncio.sleep(0)
        return transport, protocol

    async def start_tls(
        self, transport: Any, protocol: Any, context: Any, **_: Any
    ) -> Any:  # type: ignore[override]
        greeting = _Greeting(self)
        transport.set_protocol(greeting)
        try:
            transport.write(CLIENT_HELLO)
            await greeting.done
        except BaseException:
            transport.abort()
            raise
        transport.context = context
        transport.set_protocol(protocol)
        transport.pump_soon()
        return transport


class _Greeting(asyncio.Protocol):
    def __init__(self, loop: MemoryLoop) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self._answer = b""

    @property
    def wants(self) -> int:
        """Bytes of the handshake still to come; what follows is for somebody else."""
        return max(1, len(SERVER_HELLO) - len(self._answer))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        try:
            must_be_hello(self._answer)
        except ssl.SSLError as error:
            self._end(error)
        else:
            if self._answer == SERVER_HELLO:
                self._end(None)

    def eof_received(self) -> None:
        self._end(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("lost"))

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class MemoryTransport(asyncio.Transport):
    """What asyncio's own does: buffers what is not taken, and tells its protocol."""

    def __init__(
        self, loop: MemoryLoop, sock: MemorySocket, protocol: asyncio.Protocol
    ) -> None:
        super().__init__()
        assert sock.line is not None
        self.context: Any = None
        self._loop, self._sock, self._line = loop, sock, sock.line
        self._protocol: Any = protocol
        self._buffer = bytearray()
        self._high = 65536
        self._paused = self._closing = self._lost = self._ended = self._soon = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": self._sock, "sslcontext": self.context}.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self._high = 65536 if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self.pump_soon()

    def write(self, data: Any) -> None:
        if self._closing:
            return
        rest = bytes(data)
        try:
            if not self._buffer:
                rest = rest[self._line.take(rest) :]
        except OSError as error:
            self._end(error)
            return
        self._buffer += rest
        if len(self._buffer) > self._high:
            self._protocol.pause_writing()
        self.pump_soon()

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        """Flush what is buffered, however late the network takes it."""
        self._line.left_behind, self._buffer = bytes(self._buffer), bytearray()
        self._end(None)

    def abort(self) -> None:
        self._buffer.clear()
        self._end(None)

    def pump_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._soon = False
        if self._closing or self._paused or self._ended:
            return
        try:
            most = self._loop.network.fragment
            data = self._line.give(getattr(self._protocol, "wants", most))
        except OSError as error:
            self._end(error)
            return
        if data is None:
            return
        if data:
            self._give(data)
            self.pump_soon()
            return
        self._ended = True
        if not self._protocol.eof_received():
            self.close()

    def _give(self, data: bytes) -> None:
        if not isinstance(self._protocol, asyncio.BufferedProtocol):
            self._protocol.data_received(data)
            return
        while data:
            room = memoryview(self._protocol.get_buffer(-1))[: len(data)]
            room[:], data = data[: len(room)], data[len(room) :]
            self._protocol.buffer_updated(len(room))

    def _end(self, error: Exception | None) -> None:
        self._closing = True
        if not self._lost:
            self._lost = True
            self._loop.call_soon(self._connection_lost, error)

    def _connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)
        self._sock.close()
