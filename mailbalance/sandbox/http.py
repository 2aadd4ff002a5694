"""HTTP for the doors: a request in, an answer out, faults between.

What lives here: reading a request with a limit, striking it with a fault, storing what
was accepted, closing connections. What must not: a provider's rules; ``HttpDoor.answer``
is a pure function of the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mailbalance.sandbox.bounce import Wish, wish
from mailbalance.sandbox.faults import Fault

if TYPE_CHECKING:
    from mailbalance.sandbox.faults import Faults
    from mailbalance.sandbox.store import Arrival, Door, Store

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Connections of all doors together. One mailer under load opens 256 to each of two doors,
#: and who is turned away with a request on its way cannot know what became of it.
MAX_CONNECTIONS = 600
#: Seconds an idle connection is kept: longer than the pools of httpx2 (5) and botocore.
KEEP_ALIVE = 75

#: How many times its limit of an oversize request is read and thrown away, so that the
#: client gets to read the refusal.
DRAIN = 4

#: What an old connection hears when its door refuses: provably not accepted.
_GOING_AWAY = Fault(kind="error", code=503)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, read to its end. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP reply, and the messages it takes over."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    accepted: tuple[Arrival, ...] = ()


#: Stands for a reply that is never sent.
_NO_ANSWER = Answer(0, b"")


class HttpDoor(Protocol):
    """What a provider's HTTP door must do."""

    @property
    def name(self) -> Door:
        """Name of the door."""
        ...

    @property
    def max_body(self) -> int:
        """Bytes of the largest request that is read."""
        ...

    def answer(self, call: Call) -> Answer:
        """Judge a request; changes nothing."""
        ...

    def too_large(self) -> Answer:
        """The answer to a request over ``max_body``."""
        ...

    def fault_answer(self, fault: Fault) -> Answer:
        """The provider's way to show a fault."""
        ...


class Connection(H11Protocol):
    """A server's side of an HTTP connection that can be dropped on purpose.

    Attributes:
        begun: Requests that came over it.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        state: ServerState,
        turn_away: Callable[[], bool],
    ) -> None:
        super().__init__(config, state, {"connection": self})
        self.begun = 0
        self._turn_away = turn_away

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or close at once when a fault or the limit says so."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS or self._turn_away():
            transport.abort()


def connection_factory(
    app: App, state: ServerState, turn_away: Callable[[], bool] = lambda: False
) -> Callable[[], Connection]:
    """Give ``loop.create_server`` what it needs to serve an application."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    config.load()
    return lambda: Connection(config, state, turn_away)


class DoorApp:
    """An ASGI application around an ``HttpDoor``."""

    def __init__(self, door: HttpDoor, store: Store, faults: Faults) -> None:
        self._door = door
        self._store = store
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        connection: Connection = scope["state"]["connection"]
        connection.begun += 1
        # ConnectionAbortedError: the client left; CancelledError: the box is closing
        with contextlib.suppress(ConnectionAbortedError, asyncio.CancelledError):
            body = await read_body(receive, self._door.max_body)
            answer = self._judge(scope, body, connection)
            if answer.accepted:
                answer = await self._take_over(answer, connection)
            elif answer.status >= 400 and scope["method"] != "GET":
                self._store.refuse(self._door.name)
            if answer is _NO_ANSWER:
                connection.transport.close()
                await _closed(receive)
            else:
                await reply(send, answer)

    async def _take_over(self, answer: Answer, connection: Connection) -> Answer:
        strike = self._faults.strike(self._door.name)
        if strike.delay:
            await asyncio.sleep(strike.delay)
        dropped = strike.fault is not None and strike.fault.kind == "drop"
        if strike.fault is not None and not dropped:
            self._store.refuse(self._door.name)
            return self._door.fault_answer(strike.fault)
        told = not (dropped or connection.transport.is_closing())
        for arrival in answer.accepted:
            self._store.accept(self._door.name, arrival, answered=told)
        return _NO_ANSWER if dropped else answer

    def _judge(
        self, scope: Scope, body: bytes | None, connection: Connection
    ) -> Answer:
        # a new connection was judged when it came
        old = connection.begun > 1 and self._faults.refuses(self._door.name)
        if old or self._faults.closed(self._door.name):
            answer = self._door.fault_answer(_GOING_AWAY)
            return replace(answer, headers=(*answer.headers, ("connection", "close")))
        if body is None:
            return self._door.too_large()
        answer = self._door.answer(_call(scope, body))
        wishes = (wish(r) for each in answer.accepted for r in each.recipients)
        wanted = next(filter(None, wishes), None)
        return answer if wanted is None else self._door.fault_answer(_as_fault(wanted))


def as_json(value: object) -> bytes:
    """JSON as both providers write it: compact, UTF-8."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")  # for half a surrogate pair


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or ``None`` if it is over the limit.

    Raises:
        ConnectionAbortedError: The client left before its request was whole.
    """
    body, total = bytearray(), 0
    more = True
    while more and total <= DRAIN * limit:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionAbortedError("the client left within its request")
        chunk = event.get("body", b"")
        total += len(chunk)
        if total <= limit:
            body += chunk
        more = event.get("more_body", False)
    return bytes(body) if total <= limit else None


async def reply(send: Send, answer: Answer) -> None:
    """Send an answer."""
    headers = [
        (name.encode(), value.encode("latin-1")) for name, value in answer.headers
    ]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})


def _call(scope: Scope, body: bytes) -> Call:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return Call(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii"),
        headers=headers,
        body=body,
    )


def _as_fault(wanted: Wish) -> Fault:
    if wanted.code >= 500:
        return Fault(kind="reject", text=wanted.text)
    return Fault(kind="error", code=503, text=wanted.text)


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
