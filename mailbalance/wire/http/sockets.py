"""Blocking sockets for httpcore, each wait bounded by the exchange's own deadline.

What lives here: httpcore's network interface over the socket module. httpcore's own
restarts its timeout with every byte, so a server that dribbles could hold a thread for
good. What must not: HTTP, retries. Import this only where httpcore2 is needed at once.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import httpcore2

from mailbalance.wire.http.direct.steps import must_be_an_answer
from mailbalance.wire.http.exchange import Patience
from mailbalance.wire.polling import IN, new_poll
from mailbalance.wire.reach import look_up, reach

if TYPE_CHECKING:
    from collections.abc import Iterable


def seconds(timeout: float | None) -> float | None:
    """Give what is left of a timeout now.

    Raises:
        TimeoutError: When nothing is.
    """
    if not isinstance(timeout, Patience):
        return timeout
    left = timeout.left()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def saw(timeout: float | None, data: bytes) -> None:
    """Tell the exchange about bytes of its reply."""
    if isinstance(timeout, Patience):
        timeout.exchange.saw(data)


def limit_of(timeout: float | None) -> float:
    """Return what is left of a timeout now, which must be one.

    Raises:
        TimeoutError: When nothing is.
    """
    left = seconds(timeout)
    if left is None:  # pragma: no cover - every request of ours has a deadline
        raise AssertionError("a connection without a deadline")
    return left


class Tls:
    """A cover over the process's one SSL context, for httpcore to carry around.

    httpcore sets ALPN on the context it is given, at every connection. On a shared one
    that would race with handshakes in other threads, and offer HTTP to SMTP servers.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.wrap_socket = context.wrap_socket
        self.wrap_bio = context.wrap_bio

    def set_alpn_protocols(self, _protocols: list[str]) -> None:
        """Leave ALPN alone: without it a server speaks HTTP/1.1 (RFC 7301 section 3.2)."""


def is_early(timeout: float | None) -> bool:
    """Say whether this write is only the head of a request, to be held back.

    Head and body then leave in one call, which saves a packet; and before the commit
    point not a single byte of the request has left.
    """
    if not isinstance(timeout, Patience):
        return False
    exchange = timeout.exchange
    return exchange.phase == "request" and not exchange.committed


def outlives_cancelling(timeout: float | None) -> bool:
    """Say whether this wait belongs to a request that is committed."""
    return isinstance(timeout, Patience) and timeout.exchange.may_be_committed()


def is_committed_again(timeout: float | None) -> bool:
    """Say whether this write ended a request on a connection that was used before."""
    if not isinstance(timeout, Patience):
        return False
    return timeout.exchange.committed and timeout.exchange.reused


class told_as:  # noqa: N801 - reads as the context manager it is
    """Raise httpcore's words for a timeout and for any other fault of a socket."""

    __slots__ = ("_broken", "_slow")

    def __init__(self, slow: type[Exception], broken: type[Exception]) -> None:
        self._slow = slow
        self._broken = broken

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, TimeoutError):
            raise self._slow(str(error)) from error
        if isinstance(error, OSError):
            raise self._broken(str(error)) from error


class Sockets(httpcore2.NetworkBackend):
    """Opens connections for the sync pool."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> SocketStream:
        """Connect to the first address that answers."""
        with told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            sock = reach(host, port, limit_of(timeout))
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except BaseException:
                sock.close()
                raise
            return SocketStream(sock)


class TlsSockets(httpcore2.SyncBackend):
    """Opens connections to a proxy that itself speaks TLS.

    TLS inside TLS needs httpcore's own streams, whose time-outs are per wait. httpcore
    would leave the name to the system's resolver, for as long as that likes.
    """

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers; they share the time."""
        with told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            found = look_up(host, port, limit_of(timeout))
        ends = [entry[4][0] for entry in found]
        while True:
            address, share = ends.pop(0), limit_of(timeout) / (len(ends) + 1)
            try:
                return super().connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore2.ConnectTimeout, httpcore2.ConnectError):
                if not ends:
                    raise


class SocketStream(httpcore2.NetworkStream):
    """One connection of the sync pool.

    Attributes:
        retired: Set to have the pool close it instead of using it again.
        before: The body of the last reply that came over it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.retired = False
        self.before = b""
        self._held = b""
        self._handed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, at most ``max_bytes``; ``b""`` at the end."""
        with told_as(httpcore2.ReadTimeout, httpcore2.ReadError):
            try:
                self._sock.settimeout(seconds(timeout))
                data = self._sock.recv(max_bytes)
            except TimeoutError:
                found = self._already_there(max_bytes)
                if found is None:
                    raise
                data = found
            if self._handed:
                self._handed = False
                must_be_an_answer(data, self._sock, parted=True)
        saw(timeout, data)
        return data

    def _already_there(self, max_bytes: int) -> bytes | None:
        """Read what a process finds that was suspended past its deadline."""
        self._sock.settimeout(0)
        try:
            return self._sock.recv(max_bytes)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``; a request's head waits for its body."""
        saw(timeout, b"")
        if is_early(timeout):
            self._held += buffer
            return
        if self._held:
            buffer, self._held = self._held + buffer, b""
        with told_as(httpcore2.WriteTimeout, httpcore2.WriteError):
            rest = memoryview(buffer)
            while rest:
                self._sock.settimeout(seconds(timeout))
                rest = rest[self._sock.send(rest) :]
        self._handed = is_committed_again(timeout)

    def close(self) -> None:
        """Drop the connection without a goodbye: what is unsent must stay unsent."""
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> SocketStream:
        """Go on in TLS."""
        with told_as(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                self._sock.settimeout(seconds(timeout))
                return SocketStream(
                    ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
                )
            except BaseException:
                self._sock.close()
                raise

    def get_extra_info(self, info: str) -> Any:
        """Answer what httpcore asks: whether an idle connection has news, i.e. is dead."""
        if info == "is_readable":
            return self.retired or is_readable(self._sock.fileno())
        return self._sock.getpeername() if info == "server_addr" else None


def is_readable(descriptor: int) -> bool:
    """Say whether reading would not block: on an idle connection, the other side's end."""
    if descriptor < 0:
        return True
    poll = new_poll()
    poll.register(descriptor, IN)
    return bool(poll.poll(0))
