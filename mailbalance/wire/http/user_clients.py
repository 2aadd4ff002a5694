"""Sending through a user's own client, httpx2's or httpx's, sync or async.

Such a client is neither closed nor changed, and neither family is imported here.

Their trace events tell the commit point. A client without them (a
``MockTransport``, another HTTP library underneath) proves nothing, so its commit point
counts as passed at the call, unless the exception's class shows that nothing was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mailbalance.errors import ConfigError, DeliveryError, UnavailableError
from mailbalance.later import Later
from mailbalance.secret import shown
from mailbalance.wire.http import errors
from mailbalance.wire.http.reply import Reply
from mailbalance.wire.http.request import framed
from mailbalance.wire.net.connect import must_stay_here

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from mailbalance.wire.http.exchange import Exchange
    from mailbalance.wire.http.reply import HttpResponse
    from mailbalance.wire.http.request import HttpRequest
else:
    asyncio = Later("asyncio", globals())

#: How far each event of their trace brings a request.
_PHASES = {
    "connect_tcp.started": "connect",
    "start_tls.started": "tls",
    "setup_socks5_connection.started": "proxy",
    "send_request_headers.started": "request",
    "receive_response_headers.started": "reply",
}


class Client(Protocol):
    """What is asked of ``httpx2.Client`` or ``httpx.Client``."""

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer send."""
        ...

    @property
    def stream(self) -> Callable[..., AbstractContextManager[Any]]:
        """Send a request and return its response, the body unread.

        A property, since the two families give its options types of their own, and no
        method of ours could have both.
        """
        ...

    def close(self) -> None:
        """Close it; never called here."""
        ...


class AsyncClient(Protocol):
    """What is asked of ``httpx2.AsyncClient`` or ``httpx.AsyncClient``."""

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer send."""
        ...

    @property
    def stream(self) -> Callable[..., AbstractAsyncContextManager[Any]]:
        """Send a request and return its response; a property, as in ``Client``."""
        ...

    async def aclose(self) -> None:
        """Close it; never called here."""
        ...


def check(name: str, client: object, async_client: object) -> None:
    """Make sure that each client is of the right kind.

    Raises:
        ConfigError: When one is not, or the two were swapped.
    """
    problems = []
    if client is not None and not _is(client, "close"):
        problems.append(f"{name}: http_client= takes an httpx2.Client or httpx.Client")
    if async_client is not None and not _is(async_client, "aclose"):
        problems.append(
            f"{name}: async_http_client= takes an httpx2.AsyncClient or httpx.AsyncClient"
        )
    if problems:
        raise ConfigError(problems)


def post(client: Client, request: HttpRequest, exchange: Exchange) -> HttpResponse:
    """Send through a sync client.

    Raises:
        DeliveryError: When it was not sent, or its outcome is unknown.
    """
    while True:
        try:
            return _post(client, request, exchange)
        except BaseException as error:
            failure = errors.ours(error, exchange)
            if failure is None:
                raise
            if not errors.is_stale(error, exchange):
                raise failure from shown(error)
            exchange.restart()


async def apost(
    client: AsyncClient, request: HttpRequest, exchange: Exchange
) -> HttpResponse:
    """Async version of ``post``, through a client that knows of no commit point.

    Cancelled after it, the send goes on in a task of its own, and its outcome is returned.
    """
    task = asyncio.create_task(_atries(client, request, exchange))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await _despite_cancelling(task, exchange)


async def _atries(
    client: AsyncClient, request: HttpRequest, exchange: Exchange
) -> HttpResponse:
    while True:
        try:
            return await _apost(client, request, exchange)
        except BaseException as error:
            failure = errors.ours(error, exchange)
            if failure is None:
                raise
            if not errors.is_stale(error, exchange):
                raise failure from shown(error)
            exchange.restart()


async def _despite_cancelling(
    task: asyncio.Task[HttpResponse], exchange: Exchange
) -> HttpResponse:
    """Wait for a send whose caller was cancelled; end it only if nothing is committed."""
    exchange.abandoned = True
    while not task.done():
        if not exchange.may_be_committed():
            task.cancel()
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    if exchange.may_be_committed() and not task.cancelled():
        return task.result()
    if not task.cancelled():
        task.exception()  # looked at, so that asyncio does not report it as forgotten
    raise asyncio.CancelledError


def _post(client: Client, request: HttpRequest, exchange: Exchange) -> HttpResponse:
    _begin_call(client, exchange)
    with client.stream(**_call(request, exchange, tracing(exchange))) as response:
        reply = _begin(response)
        with reading(reply):
            for chunk in response.iter_bytes():
                if not reply.take(chunk) or _too_late(reply, exchange):
                    break
    return reply.settled(exchange)


async def _apost(
    client: AsyncClient, request: HttpRequest, exchange: Exchange
) -> HttpResponse:
    _begin_call(client, exchange)
    async with (
        asyncio.timeout(exchange.left()),
        client.stream(**_call(request, exchange, atracing(exchange))) as response,
    ):
        reply = _begin(response)
        with reading(reply):
            async for chunk in response.aiter_bytes():
                if not reply.take(chunk) or _too_late(reply, exchange):
                    break
    return reply.settled(exchange)


def _call(request: HttpRequest, exchange: Exchange, trace: Any) -> dict[str, Any]:
    exchange.plain = request.url.startswith("http:")
    return {
        "method": request.method,
        "url": request.url,
        "content": request.content,
        "headers": framed(request),
        "follow_redirects": False,
        "auth": None,
        "extensions": {"trace": trace, "timeout": _Timeouts(exchange)},
    }


#: What a client calls the waits that belong to opening a connection.
_OPENING = frozenset({"connect", "pool"})


class _Timeouts(dict[str, float]):
    """Time-outs as httpx and httpcore pass them on, each as it is when it is asked for.

    Given as plain numbers, what a proxy or a slow name took would be forgotten, and a wait
    for the reply would end as early as one before the commit point.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        super().__init__(
            {name: self[name] for name in ("connect", "read", "write", "pool")}
        )

    def __getitem__(self, name: str) -> float:
        exchange = self._exchange
        if name in _OPENING or exchange.phase == "proxy":
            return exchange.opening()
        return exchange.left() if exchange.committed else exchange.before_commit()

    def get(self, name: str, default: object = None) -> float:
        """Answer as ``[name]`` does; there is no other name."""
        return self[name]


def tracing(exchange: Exchange) -> Callable[[str, Mapping[str, Any]], None]:
    """Return the ``trace`` extension that tells an exchange how far it came."""

    def trace(event: str, info: Mapping[str, Any]) -> None:
        exchange.blind = False
        if exchange.plain and event.endswith("connect_tcp.complete"):
            _must_stay_here(info["return_value"])
        step = event.partition(".")[2]
        if step == "send_request_body.failed":
            exchange.cut = True
        if not event.endswith(".started"):
            return
        # A proxy's CONNECT commits nothing.
        method = getattr(info.get("request"), "method", b"")
        # Never compared as it comes: ``python -bb`` forbids that of bytes and text.
        if (method.decode() if isinstance(method, bytes) else method) == "CONNECT":
            exchange.phase = "proxy"
        elif step == "send_request_body.started":
            exchange.commit()
        elif step in _PHASES:
            exchange.enter(_PHASES[step])

    return trace


def atracing(exchange: Exchange) -> Callable[[str, Mapping[str, Any]], Any]:
    """Async version of ``tracing``."""
    trace = tracing(exchange)

    async def atrace(event: str, info: Mapping[str, Any]) -> None:
        try:
            trace(event, info)
        except DeliveryError:
            if event.endswith("connect_tcp.complete"):
                await info["return_value"].aclose()
            raise

    return atrace


def _must_stay_here(stream: Any) -> None:
    """Close a stream of httpcore's that leads to another machine, and raise."""
    try:
        must_stay_here(stream.get_extra_info("server_addr"))
    except DeliveryError:
        if hasattr(stream, "close"):  # those of event loops have ``aclose``
            stream.close()
        raise


def _begin(response: Any) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers)


def _too_late(reply: Reply, exchange: Exchange) -> bool:
    if exchange.left() > 0:
        return False
    reply.fault = "did not end in time"
    return True


def _begin_call(client: Client | AsyncClient, exchange: Exchange) -> None:
    exchange.blind = True
    if client.is_closed:
        raise UnavailableError(
            "the HTTP client given to this backend has been closed",
            backend=exchange.backend,
            phase="connect",
            code="closed",
        )


def _is(client: object, closing: str) -> bool:
    return all(hasattr(client, name) for name in ("stream", "is_closed", closing))


class reading:  # noqa: N801 - reads as the context manager it is
    """Note in a reply what broke it off; its status is known already, and may suffice.

    What is not of the way passes all the same.
    """

    __slots__ = ("_reply",)

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None:
            return False
        self._reply.fault = f"broke off: {type(error).__name__}"
        return errors.is_of_the_way(error)
