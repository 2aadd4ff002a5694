"""The socket end of a line, and a TLS that is only its outline.

The handshake is one greeting each way: enough to cut it anywhere, and to see which words
are said before it and which after.
"""

from __future__ import annotations

import functools
import itertools
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from tests.wire.memory.line import Line, Network

CLIENT_HELLO, SERVER_HELLO = b"\x16hello\x00", b"\x16hallo\x00"

_NUMBERS = itertools.count(1_000_000)

F = TypeVar("F", bound=Callable[..., Any])


def system_call(method: F) -> F:
    """Count it, and let whoever wants to interrupt it just before or after."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        network = self.network
        network.calls += 1
        number, note = network.calls, network.at_call
        if note is None:
            return method(self, *args, **options)
        note(number, method.__name__, "before")
        result = method(self, *args, **options)
        note(number, method.__name__, "after")
        return result

    return call  # type: ignore[return-value]


class MemorySocket:
    """What is used of ``socket.socket``."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.line: Line | None = None
        self._timeout: float | None = None
        self._number = next(_NUMBERS)
        network.sockets[self._number] = self
        self._closed = False
        self._answer: bytes | None = None
        self.family = socket.AF_INET

    @system_call
    def connect(self, _address: Any) -> None:
        self.line = self.network.connect()

    def connect_ex(self, address: Any) -> int:
        self.connect(address)
        return 0

    def getsockopt(self, *_: Any) -> int:
        return 0

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    @system_call
    def setsockopt(self, *_: Any) -> None:
        if self._closed:
            raise OSError(9, "Bad file descriptor")

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 25

    @system_call
    def send(self, data: Any, _flags: int = 0) -> int:
        taken = self._open().take(bytes(data))
        if not taken and len(data):
            self._wait()
        return taken

    def sendmsg(self, parts: Any) -> int:
        return self.send(b"".join(parts))

    def sendall(self, data: Any) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest) :]

    @system_call
    def recv(self, most: int, flags: int = 0) -> bytes:
        line = self._open()
        found = line.look() if flags & socket.MSG_PEEK else line.give(most)
        if found is None:
            self._wait()
            raise AssertionError("waiting ends with an exception")
        return found[:most]

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        data = self.recv(nbytes or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    def pending(self) -> int:
        """What TLS has read and not given yet: it reads no more than it is asked for."""
        return 0

    def do_handshake(self) -> None:
        """Go on with a handshake, without waiting."""
        if self._answer is None:
            self._answer = b""
            self.send(CLIENT_HELLO)  # the network takes so few bytes, or breaks
        while len(self._answer) < len(SERVER_HELLO):
            must_be_hello(self._answer)
            try:
                self._answer += _more(self, len(SERVER_HELLO) - len(self._answer))
            except BlockingIOError:
                raise ssl.SSLWantReadError from None
        must_be_hello(self._answer)

    def fileno(self) -> int:
        return -1 if self._closed else self._number

    @property
    def readiness(self) -> int:
        """What ``poll`` would say of it."""
        assert self.line is not None
        try:
            readable = self.line.look() is not None
        except OSError:
            return select.POLLIN | select.POLLOUT | select.POLLERR
        return readable * select.POLLIN | (not self.line.full) * select.POLLOUT

    def shutdown(self, _how: int) -> None:
        self._open()

    @system_call
    def close(self) -> None:
        self._closed = True
        if self.line is not None:
            self.line.gone = True
        self.network.sockets.pop(self._number, None)

    def _open(self) -> Line:
        if self._closed or self.line is None:
            raise OSError(9, "Bad file descriptor")
        return self.line

    def _wait(self) -> None:
        """Let the time-out pass: nothing can happen while the only thread waits."""
        if self._timeout == 0:
            raise BlockingIOError(11, "would block")
        assert self._timeout is not None, "this would wait for ever"
        self.network.now += self._timeout
        raise TimeoutError("timed out")


class MemoryPoll:
    """What is used of ``select.poll``."""

    def __init__(self, network: Callable[[], Network]) -> None:
        self._network = network
        self._wanted: dict[int, int] = {}

    def register(self, sock: Any, events: int) -> None:
        self._wanted[sock if isinstance(sock, int) else sock.fileno()] = events

    modify = register

    def unregister(self, sock: Any) -> None:
        del self._wanted[sock if isinstance(sock, int) else sock.fileno()]

    @property
    def network(self) -> Network:
        return self._network()

    @system_call
    def poll(self, milliseconds: float | None = None) -> list[tuple[int, int]]:
        network = self.network
        ready = [
            (number, found)
            for number, events in self._wanted.items()
            if (found := _found(network, number) & (events | select.POLLERR))
        ]
        if not ready:
            assert milliseconds is not None, "this would wait for ever"
            network.now += milliseconds / 1000
        return ready


def _found(network: Network, number: int) -> int:
    sock = network.sockets.get(number)
    return select.POLLNVAL if sock is None else sock.readiness


class MemoryTls:
    """What is used of ``ssl.SSLContext``."""

    def wrap_socket(
        self, sock: MemorySocket, *, do_handshake_on_connect: bool = True, **_: Any
    ) -> MemorySocket:
        if not do_handshake_on_connect:
            return sock
        try:
            sock.sendall(CLIENT_HELLO)
            answer = b""
            while len(answer) < len(SERVER_HELLO):
                must_be_hello(answer)
                answer += _more(sock, len(SERVER_HELLO) - len(answer))
            must_be_hello(answer)
        except BaseException:
            sock.close()
            raise
        return sock

    def wrap_bio(
        self, coming: ssl.MemoryBIO, going: ssl.MemoryBIO, **_: Any
    ) -> MemoryTlsObject:
        return MemoryTlsObject(coming, going)


class MemoryTlsObject:
    """What is used of ``ssl.SSLObject``."""

    def __init__(self, coming: ssl.MemoryBIO, going: ssl.MemoryBIO) -> None:
        self._coming, self._going = coming, going
        self._answer: bytes | None = None

    def do_handshake(self) -> None:
        if self._answer is None:
            self._answer = b""
            self._going.write(CLIENT_HELLO)
        self._answer += self._coming.read(len(SERVER_HELLO) - len(self._answer))
        must_be_hello(self._answer)
        if self._answer != SERVER_HELLO:
            raise ssl.SSLWantReadError

    def write(self, data: Any) -> int:
        return self._going.write(bytes(data))

    def read(self, most: int) -> bytes:
        if not self._coming.pending:
            raise ssl.SSLWantReadError
        return self._coming.read(most)


def _more(sock: MemorySocket, most: int) -> bytes:
    if data := sock.recv(most):
        return data
    raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")


def must_be_hello(answer: bytes) -> None:
    if not SERVER_HELLO.startswith(answer):
        raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
