"""Sending through httpcore2, the lower half of httpx2: the road that knows proxies.

What lives here: the one call made on its pools. What must not: keeping them (``pools``),
moving bytes (``sockets``, ``streams``). Import nothing of httpcore2 before it is needed.
"""

from __future__ import annotations

from contextlib import aclosing, closing
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mailbalance.later import Later
from mailbalance.wire.http import faults
from mailbalance.wire.http.clients import framed
from mailbalance.wire.http.exchange import (
    Connection,
    Exchange,
    HttpRequest,
    HttpResponse,
)
from mailbalance.wire.http.reply import Reply

if TYPE_CHECKING:
    import httpcore2
else:
    httpcore2 = Later("httpcore2", globals())


def post(
    pool: httpcore2.ConnectionPool, request: HttpRequest, exchange: Exchange
) -> HttpResponse:
    """Send through a pool of threads; its exceptions pass."""
    response = pool.handle_request(_outgoing(request, exchange, exchange.trace))
    reply = Reply(response.status, _headers(response.headers))
    exchange.connection = _connection(response)
    with closing(response):
        try:
            with faults.reading(reply):
                for chunk in response.iter_stream():
                    if not reply.take(chunk):
                        break
        finally:
            _retire_after_oddity(response, reply, exchange)
    return reply.settled(exchange)


async def apost(
    pool: httpcore2.AsyncConnectionPool, request: HttpRequest, exchange: Exchange
) -> HttpResponse:
    """Send through a pool of an event loop; its exceptions pass."""
    response = await pool.handle_async_request(
        _outgoing(request, exchange, exchange.atrace)
    )
    reply = Reply(response.status, _headers(response.headers))
    exchange.connection = _connection(response)
    async with aclosing(response):
        try:
            with faults.reading(reply):
                async for chunk in response.aiter_stream():
                    if not reply.take(chunk):
                        break
        finally:
            _retire_after_oddity(response, reply, exchange)
    return reply.settled(exchange)


def _connection(response: Any) -> Connection | None:
    """Return the stream below, unless it is httpcore's own (TLS inside TLS)."""
    stream: Connection | None = response.extensions.get("network_stream")
    return stream if hasattr(stream, "retired") else None


def _retire_after_oddity(response: Any, reply: Reply, exchange: Exchange) -> None:
    stream = _connection(response)
    if stream is not None and exchange.received and not reply.is_exact(exchange):
        stream.retired = True


def _outgoing(request: HttpRequest, exchange: Exchange, trace: Any) -> Any:
    exchange.plain = request.url.startswith("http:")
    headers = framed(request, host=True).items()
    return httpcore2.Request(
        request.method,
        _target(request.url),
        headers=[
            (name.encode("ascii"), text.encode("latin-1")) for name, text in headers
        ],
        content=request.content,
        extensions={"timeout": exchange.patience, "trace": trace},
    )


@lru_cache(maxsize=64)
def _target(url: str) -> Any:
    return httpcore2.URL(url)


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw
    }
