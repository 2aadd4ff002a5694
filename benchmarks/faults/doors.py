"""What every faulty server has: a port with TLS, a script, and a book of what it took over.

What lives here: ``Book``, ``Door`` and the ways to end a connection. What must not: a
protocol (``http_door``, ``smtp_door``).
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

#: How a test message is known, in any encoding that leaves an address readable.
ADDRESS = re.compile(rb"m\d+(?:-[a-z]+)?@example\.com")
#: Seconds of silence where a server has stalled; after it the connection ends.
STALL = 2.0
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Book:
    """What was taken over, by recipient; shared by all doors of a run."""

    copies: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, recipients: list[str]) -> None:
        """Note that these recipients will get the message."""
        with self.lock:
            self.copies.update(recipients)


class Door(ABC):
    """A server on loopback with TLS from the first byte.

    Args:
        book: Where accepted messages are noted.
        context: With the server's certificate.
        script: What to do at the first, the second ... attempt of each message; then
            ``"ok"``. The one word ``"refuse"``: nobody listens.
    """

    def __init__(
        self, book: Book, context: ssl.SSLContext, script: tuple[str, ...] = ()
    ) -> None:
        self.book, self.script = book, script
        self._context = context
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket()
        # A small window: a client cannot hand over much that is never read.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        if script != ("refuse",):
            self._listener.listen(128)
            threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            reset(sock)

    @abstractmethod
    def serve(self, sock: ssl.SSLSocket) -> None:
        """Serve one connection until it ends."""

    def act(self, message: str) -> str:
        """Tell what to do at this attempt of a message, and count it."""
        with self._lock:
            self._tries[message] += 1
            number = self._tries[message]
        return self.script[number - 1] if number <= len(self.script) else "ok"

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(raw,), daemon=True).start()

    def _meet(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError):  # clients go away as they like
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self._context.wrap_socket(raw, server_side=True)
            self._open.add(sock)
            try:
                self.serve(sock)
            finally:
                self._open.discard(sock)
                sock.close()
        raw.close()


def reset(sock: socket.socket) -> None:
    """End a connection by a reset: nothing that waits to be sent is."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.close()
