"""Sending through a user's own client, httpx2's or httpx's, sync or async.

What lives here: the one call made on such a client, and the headers every request gets.
What must not: closing the client, changing it, importing either family.

Their trace events tell the commit point as our own pools do. A client without them (a
``MockTransport``, another HTTP library underneath) proves nothing, so its commit point
counts as passed at the call, unless the exception's class shows that nothing was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from mailbalance import __version__
from mailbalance.errors import ConfigError, UnavailableError
from mailbalance.later import Later
from mailbalance.wire.http.exchange import Exchange, HttpRequest, HttpResponse
from mailbalance.wire.http.faults import reading
from mailbalance.wire.http.reply import Reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
else:
    asyncio = Later("asyncio", globals())

USER_AGENT = f"mailbalance/{__version__}"

_STANDING = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}


class Client(Protocol):
    """What is asked of ``httpx2.Client`` or ``httpx.Client``."""

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer send."""
        ...

    @property
    def stream(self) -> Callable[..., AbstractContextManager[Any]]:
        """Send a request and give its response, the body unread.

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
        """Send a request and give its response; a property, as in ``Client``."""
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
    """Send through a sync client; its exceptions pass."""
    _begin_call(client, exchange)
    with client.stream(**_call(request, exchange, exchange.trace)) as response:
        reply = _begin(response)
        with reading(reply):
            for chunk in response.iter_bytes():
                if not reply.take(chunk) or _too_late(reply, exchange):
                    break
    return reply.settled(exchange)


async def apost(
    client: AsyncClient, request: HttpRequest, exchange: Exchange
) -> HttpResponse:
    """Send through an async client; its exceptions pass."""
    _begin_call(client, exchange)
    async with (
        asyncio.timeout(exchange.left_in_all()),
        client.stream(**_call(request, exchange, exchange.atrace)) as response,
    ):
        reply = _begin(response)
        with reading(reply):
            async for chunk in response.aiter_bytes():
                if not reply.take(chunk) or _too_late(reply, exchange):
                    break
    return reply.settled(exchange)


def framed(request: HttpRequest, *, host: bool = False) -> dict[str, str]:
    """Give a request's headers with those that every request of ours carries.

    ``Content-Length`` makes anything shorter an incomplete request (RFC 9112 section
    6.3), which is what the commit point rests on. Compressed replies are not asked for:
    they are small, and may not grow in unpacking. A GET has no body, and says so by
    having no length (RFC 9110 section 8.6).
    """
    headers = {**_STANDING, **request.headers}
    body = request.body
    length = len(body) if isinstance(body, bytes) else sum(map(len, body))
    if length or request.method != "GET":
        headers["Content-Length"] = str(length)
    if host and "Host" not in headers:
        headers = {"Host": urlsplit(request.url).netloc.rpartition("@")[2], **headers}
    return headers


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
        deadline = exchange.deadline
        if name in _OPENING or exchange.phase == "proxy":
            return deadline.opening()
        return deadline.left() if exchange.committed else deadline.before_commit()

    def get(self, name: str, default: object = None) -> float:
        """Answer as ``[name]`` does; there is no other name."""
        return self[name]


def _begin(response: Any) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers)


def _too_late(reply: Reply, exchange: Exchange) -> bool:
    if exchange.left_in_all() > 0:
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
