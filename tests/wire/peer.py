"""A server on loopback that plays a script: one act for each connection.

An act is a function of a ``Caller``. It runs in a thread of its own; the last act is
played for every further connection. Nothing here sleeps: acts wait for events, or for the
other side to go.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

OK = b'{"ok": true}'


@dataclass
class Request:
    """What a caller sent."""

    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}


class Caller:
    """One connection, as the server sees it."""

    def __init__(self, peer: Peer, sock: socket.socket) -> None:
        self.peer, self.sock, self._buffer = peer, sock, b""

    def take_head(self) -> bytes:
        """Read a request up to the empty line; ``b""`` when the caller has gone."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return b""
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def take(self) -> Request | None:
        """Read a whole request and keep it in ``peer.requests``."""
        head = self.take_head()
        return self.take_rest(head) if head else None

    def take_rest(self, head: bytes) -> Request | None:
        """Read what belongs to a head; do as ``take`` does."""
        request = Request(head, b"")
        length = int(request.headers.get("content-length", "0"))
        while len(self._buffer) < length:
            if not self._more():
                return None
        request.body, self._buffer = self._buffer[:length], self._buffer[length:]
        self.peer.requests.append(request)
        return request

    def take_some(self) -> None:
        """Read whatever comes next, and keep it for later."""
        self._more()

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(self, status: int = 200, body: bytes = OK, *headers: str) -> None:
        lines = [
            f"HTTP/1.1 {status} Whatever",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        self.say("\r\n".join([*lines, "", ""]).encode() + body)

    def wait_until_gone(self) -> None:
        while self._more():
            pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sock.close()

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)


Act = Callable[[Caller], None]


@dataclass
class Peer:
    """The server; use it as a context manager."""

    acts: tuple[Act, ...]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __enter__(self) -> Peer:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.stop = threading.Event()
        self._main = threading.Thread(target=self._accept)
        self._main.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._main.join()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._socks:
            sock.close()
        self._listener.close()

    def url(self, path: str = "/send", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def _accept(self) -> None:
        while not self.stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            act = self.acts[min(self.connections, len(self.acts) - 1)]
            self.connections += 1
            self._socks.append(sock)
            thread = threading.Thread(target=self._play, args=(act, sock))
            self._threads.append(thread)
            thread.start()

    def _play(self, act: Act, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.tls is not None:
                sock.getpeername()  # ssl leaks a socket whose peer has gone already
                sock = self.tls.wrap_socket(sock, server_side=True)
            act(Caller(self, sock))
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        self.ended.release()

    def wait_for_an_end(self) -> None:
        """Wait until one more connection was closed from this side."""
        assert self.ended.acquire(timeout=10)


def serve(caller: Caller) -> None:
    """Answer every request with 200."""
    while caller.take():
        caller.reply()


def serve_once(caller: Caller) -> None:
    """Answer one request, then close."""
    caller.take()
    caller.reply()


def answering(status: int, body: bytes = OK, *headers: str) -> Act:
    """Answer every request with this."""

    def act(caller: Caller) -> None:
        while caller.take():
            caller.reply(status, body, *headers)

    return act


def saying(data: bytes) -> Act:
    """Take a request, say exactly this, and close."""

    def act(caller: Caller) -> None:
        caller.take()
        caller.say(data)

    return act


def silent(caller: Caller) -> None:
    """Take a request and never answer."""
    caller.take()
    caller.wait_until_gone()


def dribbling(start: bytes, drop: bytes) -> Act:
    """Take a request, then answer one drop every 20 ms until the caller goes."""

    def act(caller: Caller) -> None:
        caller.take()
        caller.say(start)
        while not caller.peer.stop.wait(0.02):
            caller.say(drop)

    return act
