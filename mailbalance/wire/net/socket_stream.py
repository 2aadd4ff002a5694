"""A connection of threads: a socket that never blocks, and waits that end in time."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any

from mailbalance.wire.net.polling import IN, OUT, new_poll
from mailbalance.wire.net.tls import TlsOverTls
from mailbalance.wire.net.unasked import is_under_way

if TYPE_CHECKING:
    from mailbalance.wire.net.drive import Pieces

#: Bytes of one read; replies are some hundred long.
RECEIVE = 16 * 1024

#: Pieces of one system call, far below any system's limit (POSIX promises 16).
_GATHER = 16

#: close() with this linger discards what the kernel still holds and resets the connection.
LINGER_NONE = struct.pack("ii", 1, 0)

#: What a socket says that can take nothing now, or has nothing to give.
FULL = (BlockingIOError, ssl.SSLWantWriteError)
_AGAIN = (BlockingIOError, ssl.SSLWantReadError)


class SocketStream:
    """A connected socket, plain or in TLS, each wait with the time it ends at.

    Waiting is ``poll``'s, which costs one system call where a socket's own time-out costs
    two. It is begun even when the time is over: a process that was suspended finds what
    came meanwhile.

    Args:
        sock: The socket, which it then owns.

    Attributes:
        look: Reports at once whether there is anything to read; the kernel's own word.
        since: When it was last used, for whoever keeps it.
        news: Whether something is known that speaks against using it again.
        used: Whether it was taken from where it rested, to be used again.
        handed: Set at the commit point: what comes next is the answer.
        early: Whether it came before the other side can have had all that was handed over.
        before: The last reply that came over it, for whoever speaks over it.
        retired: Set to have it dropped instead of used again.
    """

    def __init__(self, sock: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # a pair of sockets in a test has no TCP
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self.since = 0.0
        self.news = False
        self.used = self.handed = self.early = self.retired = False
        self.before = b""
        self.socket: Any = sock
        self._secured = False
        self._poll = new_poll()
        self._poll.register(sock, IN)
        self.look = self._poll.poll

    def write(
        self, rest: list[memoryview], ends: float, stall: float = math.inf
    ) -> bytes | None:
        """Hand all bytes to the kernel, or stop and return what the server says.

        Args:
            rest: The bytes in pieces; those that were handed over are taken off.
            ends: Until when.
            stall: Most seconds without any progress.

        Raises:
            OSError: When that failed, or took too long.
        """
        while rest:
            if not self._send(rest):
                self._wait(min(ends, time.monotonic() + stall), IN | OUT)
                if (said := self._glance()) is not None:
                    return said
        return self._glance()

    def finish(self, pieces: Pieces, ends: float) -> None:
        """Hand the request's last bytes to the kernel, whatever the server says.

        Raises:
            OSError: When that failed, or took too long.
        """
        # In one piece: TLS needs it, and so few bytes are joined sooner than listed.
        rest = [memoryview(b"".join(pieces))]
        self.handed, self.early = self.used, False
        while rest:
            if not self._send(rest):
                self._wait(ends, OUT)

    def read(self, ends: float) -> bytes:
        """Wait for some bytes; return ``b""`` when the server closed.

        Raises:
            OSError: When none came, or the connection broke.
        """
        while True:
            if not (self._secured and self.socket.pending()):
                wait = math.ceil((ends - time.monotonic()) * 1000)
                # A signal handler may hold up the first look until the time is over.
                if not (self.look(wait if wait > 0 else 0) or self.look(0)):
                    raise TimeoutError("the deadline has passed")
            try:
                data: bytes = self.socket.recv(RECEIVE)
            except _AGAIN:  # TLS's own talk, which gives no more time
                if time.monotonic() >= ends:
                    raise TimeoutError("the deadline has passed") from None
            else:
                if self.handed:
                    self.handed, self.early = False, is_under_way(self.socket)
                return data

    def quiet(self) -> bool:
        """Report whether it is open and nothing has come that nobody asked for."""
        if self.retired:
            return False
        try:
            return not self.look(0) or self._glance() is None
        except (OSError, ValueError):  # it was closed
            return False

    def start_tls(self, context: ssl.SSLContext, host: str, ends: float) -> None:
        """Go on in TLS, with the certificate checked for ``host``; a second time in it.

        Raises:
            OSError: When that failed, or took too long.
        """
        self._poll.unregister(self.socket)
        sock: Any = (
            TlsOverTls(self.socket, context, host)
            if self._secured
            else context.wrap_socket(
                self.socket, server_hostname=host, do_handshake_on_connect=False
            )
        )
        self.socket, self._secured = sock, True
        self._poll.register(sock, IN)
        while wanted := _wanted(sock):
            self._wait(ends, wanted)

    def close(self) -> None:
        """Close it; nothing is on its way any more."""
        self.socket.close()

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        except OSError:
            pass
        finally:
            self.socket.close()

    def _send(self, rest: list[memoryview]) -> bool:
        """Send what the kernel takes off the list; report whether it took any."""
        try:
            if self._secured or len(rest) == 1:
                sent = self.socket.send(rest[0])
            else:
                sent = self.socket.sendmsg(rest[:_GATHER])
        except FULL:
            return False
        while rest and sent >= len(rest[0]):
            sent -= len(rest.pop(0))
        if sent:
            rest[0] = rest[0][sent:]
        return True

    def _glance(self) -> bytes | None:
        """Return what is there without waiting; ``None`` if nothing, ``b""`` at the end."""
        if not self.look(0) and not (self._secured and self.socket.pending()):
            return None
        try:
            data: bytes = self.socket.recv(RECEIVE)
        except _AGAIN:
            return None  # TLS's own talk, such as a session ticket
        return data

    def _wait(self, ends: float, events: int) -> None:
        wait = max(0, math.ceil((ends - time.monotonic()) * 1000))
        self._poll.modify(self.socket, events)
        try:
            if not self.look(wait):
                raise TimeoutError("the deadline has passed")
        finally:
            self._poll.modify(self.socket, IN)


def _wanted(sock: Any) -> int:
    """Go on with a handshake; return what to wait for, or 0 when it is done."""
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        return IN
    except ssl.SSLWantWriteError:
        return OUT
    return 0
