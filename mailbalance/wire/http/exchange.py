"""One request on its way: how far it came, how much time is left, what came back.

What lives here: the values of a request and a reply, and ``Exchange``, which watches the
trace events of httpcore and decides when the commit point is passed. What must not: I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mailbalance.errors import DeliveryError, TransientError
from mailbalance.swift import swift
from mailbalance.wire.deadline import Deadline
from mailbalance.wire.reach import must_stay_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: How every reply begins.
_HEAD = b"HTTP/1."

#: Bytes of the last read in which half of it may stand.
_HALF = len(_HEAD) - 1

#: Phases that share the time for opening a connection.
_OPENING = frozenset({"connect", "tls", "proxy"})

#: How far each event of httpcore's trace brings a request.
_PHASES = {
    "connect_tcp.started": "connect",
    "start_tls.started": "tls",
    "setup_socks5_connection.started": "proxy",
    "send_request_headers.started": "request",
    "receive_response_headers.started": "reply",
}


class Connection(Protocol):
    """What is known of a connection after a reply.

    Attributes:
        before: The body of the last reply that came over it.
        retired: Set to have it dropped instead of used again.
    """

    before: bytes
    retired: bool


@swift
@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: where to, with which headers, and the exact bytes of its body.

    The body may come in pieces, so that a large part of it need not be copied.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | tuple[bytes, ...] = field(repr=False)

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The body in pieces, none of them copied."""
        return (self.body,) if isinstance(self.body, bytes) else self.body

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


@swift
@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A reply: its status, its headers by lower-case name, and its body.

    The body of a 2xx is complete; that of an error may be cut, since the status decides.

    Attributes:
        status: The status.
        headers: The headers.
        body: The body.
        before: The body of the reply before it on the same connection, if that is known.
        connection: That connection, if it is ours.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    before: bytes = field(default=b"", repr=False)
    connection: Connection | None = field(default=None, repr=False, compare=False)


class Exchange:
    """The state of one request, told by trace events and by the streams.

    Args:
        backend: The name that errors carry.
        host: Where the request goes.
        timeout: Seconds for all of it, or the deadline of an attempt that has begun.
        clock: Monotonic seconds; that of the process when ``None``.
        harmless: Whether it sends no mail.

    Attributes:
        deadline: When it ends, and its parts.
        backend: The name that errors carry.
        host: Where the request goes, for sentences in errors.
        phase: How far it came.
        plain: Whether it goes without TLS, which is for this machine only.
        committed: Whether the call that hands over the last byte was made.
        cut: Whether that call failed, so that the request probably never arrived whole.
        blind: Whether no trace event was seen where there may never be one.
        abandoned: Whether the caller was cancelled and wants it to end.
        reused: Whether the connection was used before.
        secured: Whether TLS was begun on it, if it is a new one.
        received: Bytes of a reply seen, or ``None`` where nobody counts them.
        latest: The bytes that were read last.
        heads: How many replies seem to have begun.
        connection: The connection in use, if it is ours.
        connections: Most connections of our pool; ``None`` for a user's own client.
        proxy: The proxy on the way, as host and port, if there is one.
        tunnelled: Whether that proxy was asked for its tunnel.
        harmless: Whether it sends no mail, so that nothing about it can be unknown.
    """

    __slots__ = (
        "abandoned",
        "backend",
        "blind",
        "committed",
        "connection",
        "connections",
        "cut",
        "deadline",
        "harmless",
        "heads",
        "host",
        "latest",
        "phase",
        "plain",
        "proxy",
        "proxy_login",
        "received",
        "reused",
        "secured",
        "tunnelled",
    )

    def __init__(
        self,
        backend: str,
        host: str,
        timeout: float | Deadline,
        clock: Callable[[], float] | None = None,
        *,
        harmless: bool = False,
    ) -> None:
        self.backend = backend
        self.host = host
        self.phase = "connect"
        self.committed = False
        self.cut = False
        self.blind = False
        self.abandoned = False
        self.reused = True
        self.secured = False
        self.received: int | None = None
        self.latest = b""
        self.heads = 0
        self.harmless = harmless
        self.connection: Connection | None = None
        self.plain = False
        self.connections: int | None = None
        self.proxy = ""
        self.proxy_login: tuple[str, ...] = ()
        self.tunnelled = False
        self.deadline = (
            timeout
            if isinstance(timeout, Deadline)
            else Deadline(timeout, commits=not harmless, clock=clock)
        )

    @property
    def patience(self) -> Patience:
        """What is given to httpcore as its timeouts."""
        return Patience(self)

    def restart(self) -> None:
        """Begin anew on another connection, with the time that is left."""
        self.phase = "connect"
        self.committed = False
        self.reused = True
        self.received = None
        self.tunnelled = False
        self.deadline.open_again()

    def left(self) -> float:
        """Seconds left for the step at hand.

        While a connection is opened that is the share of opening, after it the time
        before the commit point, and after that all there is.
        """
        deadline = self.deadline
        if self.committed:
            end = deadline.ends
        elif self.phase in _OPENING:
            end = deadline.opening_ends
        else:
            end = deadline.ends - deadline.reserve
        return end - deadline.clock()

    def left_in_all(self) -> float:
        """Seconds left for the whole exchange."""
        deadline = self.deadline
        return deadline.ends - deadline.clock()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of an event: httpcore's ``trace`` extension.

        Raises:
            TransientError: At the commit point, when too little time is left for a reply
                or the caller does not want it any more.
        """
        self.blind = False
        if self.plain and event.endswith("connect_tcp.complete"):
            _must_stay_here(info["return_value"])
        step = event.partition(".")[2]
        if step == "send_request_body.failed":
            self.cut = True
        if not event.endswith(".started"):
            return
        if _is_connect(info):
            self.phase, self.tunnelled = "proxy", True
        elif step == "send_request_body.started":
            self.commit()
        elif step in _PHASES:
            self.enter(_PHASES[step])

    def enter(self, phase: str) -> None:
        """Take note of a step on the way of the request, or on that of its connection."""
        to_proxy = self.proxy and not self.tunnelled and phase in _OPENING
        self.phase = "proxy" if to_proxy else phase
        if phase == "connect":
            self.reused = self.secured = False
        elif phase == "tls":
            self.secured = True

    async def atrace(self, event: str, info: Mapping[str, Any]) -> None:
        """Do as ``trace`` does, for async clients."""
        try:
            self.trace(event, info)
        except DeliveryError:
            if event.endswith("connect_tcp.complete"):
                await info["return_value"].aclose()
            raise

    def may_be_committed(self) -> bool:
        """Say whether the commit point was passed, or nobody can tell."""
        return not self.harmless and (self.committed or self.blind)

    def saw(self, data: bytes) -> None:
        """Take note of what was read; with ``b""``, that reads will be told."""
        self.received = (self.received or 0) + len(data)
        self.heads += (self.latest[-_HALF:] + data).count(_HEAD)
        self.latest = data

    def commit(self) -> float:
        """Pass the commit point: the call that hands over the last byte comes next.

        Returns:
            Seconds left for the whole exchange.

        Raises:
            TransientError: When too little time is left for a reply, or the caller does
                not want it any more.
        """
        if self.abandoned:
            raise self._stopped("cancelled before the request was sent", "cancelled")
        deadline = self.deadline
        left = deadline.ends - deadline.clock()
        if left <= (0.0 if self.committed else deadline.reserve):
            raise self._stopped("not enough time left to commit safely", "deadline")
        self.phase = "request"
        self.committed = True
        self.received = None if self.received is None else 0
        self.heads, self.latest = 0, b""
        return left

    def _stopped(self, why: str, code: str) -> TransientError:
        return TransientError(
            f"{why} to {self.host}", backend=self.backend, phase="request", code=code
        )


class Patience(float):
    """A timeout in seconds that knows when the exchange it belongs to must end.

    httpcore takes it for the plain number it also is; our streams ask it anew before each
    wait, so that many short waits cannot add up to more than the whole.
    """

    __slots__ = ("exchange",)
    exchange: Exchange

    def __new__(cls, exchange: Exchange) -> Patience:
        """Take what the exchange allows now as the plain number."""
        self = super().__new__(cls, max(exchange.left(), 0.0))
        self.exchange = exchange
        return self

    def left(self) -> float:
        """Seconds left for the step at hand."""
        return self.exchange.left()

    def get(self, _name: str, _default: object = None) -> Patience:
        """Answer for every one of httpcore's timeouts, as their mapping would.

        Its own streams keep to the plain number, so it must be that of the step at hand.
        """
        return Patience(self.exchange)


def _must_stay_here(stream: Any) -> None:
    """Close a stream of httpcore's that leads to another machine, and say so."""
    try:
        must_stay_here(stream.get_extra_info("server_addr"))
    except DeliveryError:
        if hasattr(stream, "close"):  # those of event loops have ``aclose``
            stream.close()
        raise


def _is_connect(info: Mapping[str, Any]) -> bool:
    method = getattr(info.get("request"), "method", b"")
    # Never compared as it comes: ``python -bb`` forbids that of bytes and text.
    return (method.decode() if isinstance(method, bytes) else method) == "CONNECT"
