"""The socket end of a line, and a TLS that is only its outline.

The handshake is one greeting each way: enough to cut it anywhere, and to see which words
are said before it and which after.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from tests.wire.memory.line import Line, Network

CLIENT_HELLO, SERVER_HELLO = b"\x16hello\x00", b"\x16hallo\x00"

F = TypeVar("F", bound=Callable[..., Any])


def system_call(method: F) -> F:
    """Count it, and let whoever wants to interrupt it just before or after."""

    @functools.wraps(method)
    def call(self: MemorySocket, *args: Any, **options: Any) -> Any:
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
        self._signal: int | None = None
        self._closed = False

    @system_call
    def connect(self, _address: Any) -> None:
        self.line = self.network.connect()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    @system_call
    def setsockopt(self, *_: Any) -> None:
        self._open()

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 25

    @system_call
    def send(self, data: Any, _flags: int = 0) -> int:
        taken = self._open().take(bytes(data))
        if not taken and len(data):
            self._wait()
        return taken

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

    def fileno(self) -> int:
        """Give a descriptor that is readable when this end of the line is."""
        if self._closed:
            return -1
        if self._signal is None:
            self._signal = os.eventfd(0, os.EFD_NONBLOCK)
        try:
            readable = self._open().look() is not None
        except OSError:
            readable = True
        if readable:
            os.eventfd_write(self._signal, 1)
        else:
            self._forget_signal()
        return self._signal

    def shutdown(self, _how: int) -> None:
        self._open()

    @system_call
    def close(self) -> None:
        self._closed = True
        if self.line is not None:
            self.line.gone = True
        if self._signal is not None:
            os.close(self._signal)
            self._signal = None

    def __del__(self) -> None:
        if self._signal is not None:
            os.close(self._signal)

    def _forget_signal(self) -> None:
        assert self._signal is not None
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._signal)

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


class MemoryTls:
    """What is used of ``ssl.SSLContext``."""

    def wrap_socket(self, sock: MemorySocket, **_: Any) -> MemorySocket:
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

    def wrap_bio(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError


def _more(sock: MemorySocket, most: int) -> bytes:
    if data := sock.recv(most):
        return data
    raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")


def must_be_hello(answer: bytes) -> None:
    if not SERVER_HELLO.startswith(answer):
        raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
