"""The wire itself: one request out, one reply or one error of ours back.

What lives here: ``HttpWire``, its sync and its async driver, and the cancellation rule.
What must not: how bytes move (``sockets``, ``streams``), what a status code means.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from mailbalance.errors import DeliveryError, UnavailableError
from mailbalance.later import Later
from mailbalance.secret import bare, hidden, without_foreign_frames
from mailbalance.wire.http import clients, faults, pooled
from mailbalance.wire.http.direct import DirectRoads
from mailbalance.wire.http.exchange import Exchange, HttpRequest, HttpResponse
from mailbalance.wire.http.pools import CONNECTIONS, Pools
from mailbalance.wire.http.proxies import is_socks, is_usable, login, proxy_for
from mailbalance.wire.http.proxies import shown as shown_proxy
from mailbalance.wire.tls import client_context

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping

    from mailbalance.wire.deadline import Deadline

    Way: TypeAlias = Callable[[HttpRequest, Exchange], HttpResponse]
    AsyncWay: TypeAlias = Callable[[HttpRequest, Exchange], Awaitable[HttpResponse]]
else:
    asyncio = Later("asyncio", globals())


#: What can make an exchange.
Engine = Literal["direct", "httpcore2"]

#: What makes them unless a wire is told otherwise.
ENGINE: Engine = "direct"


_NO_PROXY = (
    "HTTPS_PROXY is no URL of a proxy: write http://user:password@host:port, and "
    "percent-encode reserved characters in user and password"
)

_SOCKS = (
    "HTTPS_PROXY names a SOCKS proxy, which is not supported here: give the URL of an HTTP "
    "proxy (http://host:port), add this provider's host to NO_PROXY, or give the backend a "
    "client of your own that speaks SOCKS (http_client= and async_http_client=)"
)


class HttpWire:
    """Sends requests for one backend, over connections it keeps.

    Serves any number of threads, event loops and, after a fork, processes at once.

    Args:
        backend: The name that errors carry.
        ca: Path of a PEM file to trust instead of the system's certificates.
        environ: The environment that says which proxy to use; that of the process when
            ``None``.
        client: A user's own ``httpx2.Client`` or ``httpx.Client``; never closed here.
        async_client: The same for ``apost``.
        connections: Most connections at once, of threads and of each event loop.
        engine: What makes the exchanges: ``"direct"`` (``wire.http.direct``; where a proxy
            applies, the other one) or ``"httpcore2"``; by default ``ENGINE``.
    """

    def __init__(
        self,
        *,
        backend: str,
        ca: str | None = None,
        environ: Mapping[str, str] | None = None,
        client: clients.Client | None = None,
        async_client: clients.AsyncClient | None = None,
        connections: int = CONNECTIONS,
        engine: Engine | None = None,
    ) -> None:
        self._backend = backend
        self._environ = hidden(environ)
        self._client = client
        self._async_client = async_client
        self._ca = ca
        self._connections = connections
        self._engine = engine or ENGINE
        self._direct = DirectRoads(ca, connections)
        self._pools = Pools(ca, connections)
        self._proxies: dict[str, str | None] = {}
        self._ways: dict[str, Way] = {}
        self._aways: dict[str, AsyncWay] = {}

    def post(self, request: HttpRequest, *, timeout: float | Deadline) -> HttpResponse:
        """Send a request and wait for its reply.

        Args:
            request: What to send; Content-Length is added.
            timeout: Seconds for all of it, or the deadline of an attempt that has begun
                before. Waits inside a user's own client are bounded one by one.

        Raises:
            TransientError: When the request was provably not sent in full.
            UnavailableError: The same, because a certificate or a proxy refuses.
            UnknownOutcomeError: When it was sent but no usable reply came.
        """
        return self._tries(
            request, Exchange(self._backend, _host(request.url), timeout)
        )

    def apost(
        self, request: HttpRequest, *, timeout: float | Deadline
    ) -> Coroutine[Any, Any, HttpResponse]:
        """Do as ``post`` does, without blocking the event loop.

        Cancelled before the commit point, it aborts the connection and ends. Cancelled
        after it, it goes on and gives the outcome: mail cannot be recalled.
        """
        exchange = Exchange(self._backend, _host(request.url), timeout)
        if self._async_client is not None:
            return self._uncancelled(request, exchange)
        return self._atries(request, exchange)

    def get(self, request: HttpRequest, *, timeout: float | Deadline) -> HttpResponse:
        """Send a request that commits nothing, such as a GET, and wait for its reply.

        Args:
            request: What to ask.
            timeout: Seconds for all of it, as for ``post``.

        Raises:
            TransientError: When no usable reply came; however far it went, no mail did.
            UnavailableError: The same, because a certificate or a proxy refuses.
        """
        exchange = Exchange(self._backend, _host(request.url), timeout, harmless=True)
        return self._tries(request, exchange)

    def aget(
        self, request: HttpRequest, *, timeout: float | Deadline
    ) -> Coroutine[Any, Any, HttpResponse]:
        """Do as ``get`` does, without blocking; cancelled at any time, it ends."""
        exchange = Exchange(self._backend, _host(request.url), timeout, harmless=True)
        if self._async_client is not None:
            return self._uncancelled(request, exchange)
        return self._atries(request, exchange)

    def occupancy(self) -> tuple[int, int] | None:
        """Give how many connections are in use and how many rest, as far as they are ours.

        Those of threads, and those of the running event loop if there is one; ``None``
        when a user's own clients hold them all.
        """
        if self._client is not None and self._async_client is not None:
            return None
        busy, idle = self._pools.occupancy()
        ours = self._direct.occupancy()
        return busy + ours[0], idle + ours[1]

    def close(self) -> None:
        """Close the connections of sync sends."""
        self._direct.close()
        self._pools.close()

    async def aclose(self) -> None:
        """Close the connections of async sends in the running event loop."""
        await self._direct.aclose()
        await self._pools.aclose()

    def _tries(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        url = request.url
        while True:
            try:
                carry = self._ways.get(url) or self._find_way(url)
                return carry(request, exchange)
            except BaseException as error:
                if isinstance(error, DeliveryError):
                    bare(
                        error
                    )  # frames below hold what the server said, perhaps an echo
                    raise
                without_foreign_frames(error)
                if not faults.is_of_the_way(error):
                    raise
                if not faults.is_stale(error, exchange):
                    told = faults.translate(error, exchange)
                    raise told from faults.cause_to_show(error, exchange)
                exchange.restart()

    async def _atries(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        url = request.url
        while True:
            try:
                carry = self._aways.get(url) or self._find_async_way(url)
                return await carry(request, exchange)
            except BaseException as error:
                if isinstance(error, DeliveryError):
                    bare(
                        error
                    )  # frames below hold what the server said, perhaps an echo
                    raise
                without_foreign_frames(error)
                if not faults.is_of_the_way(error):
                    raise
                if not faults.is_stale(error, exchange):
                    told = faults.translate(error, exchange)
                    raise told from faults.cause_to_show(error, exchange)
                exchange.restart()

    async def _uncancelled(
        self, request: HttpRequest, exchange: Exchange
    ) -> HttpResponse:
        """Send through a user's own client, which knows of no commit point."""
        task = asyncio.create_task(self._atries(request, exchange))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            return await _despite_cancelling(task, exchange)

    def _find_way(self, url: str) -> Way:
        """Find out, once for each URL, who makes its exchanges.

        Raises:
            UnavailableError: When the proxy or the file of trusted certificates cannot be
                used.
        """
        way: Way
        if self._client is not None:
            way = partial(clients.post, self._client)
        elif self._goes_directly(url):
            way = self._direct.threads().carry
        else:
            return self._pooled  # not kept: it holds this wire, which would hold it
        self._ways[url] = way
        return way

    def _find_async_way(self, url: str) -> AsyncWay:
        """Do as ``_find_way`` does."""
        way: AsyncWay
        if self._async_client is not None:
            way = partial(clients.apost, self._async_client)
        elif self._goes_directly(url):
            way = self._direct.loops().carry
        else:
            return self._apooled
        self._aways[url] = way
        return way

    def _goes_directly(self, url: str) -> bool:
        """Say whether our own exchange can be used: no proxy is to be asked."""
        if self._engine != "direct" or self._proxy(url) is not None:
            return False
        if url.startswith("https:"):
            with self._trusted():
                client_context(self._ca)
        return True

    def _pooled(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        proxy = self._on_the_way(request, exchange)
        with self._trusted():
            pool = self._pools.sync(proxy)
        return pooled.post(pool, request, exchange)

    async def _apooled(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        proxy = self._on_the_way(request, exchange)
        with self._trusted():
            pool = await self._pools.running(proxy)
        return await pooled.apost(pool, request, exchange)

    def _on_the_way(self, request: HttpRequest, exchange: Exchange) -> str | None:
        """Return the proxy that a request goes through, and note it for errors."""
        exchange.connections = self._connections
        proxy = self._proxy(request.url)
        if proxy is not None:
            exchange.proxy, exchange.proxy_login = shown_proxy(proxy), login(proxy)
        return proxy

    def _proxy(self, url: str) -> str | None:
        """Find the proxy once for each URL; there are very few.

        Raises:
            UnavailableError: When what is configured is no URL of a proxy, or one that
                cannot be used.
        """
        if url not in self._proxies:
            found = proxy_for(url, self._environ)
            if found is not None and is_socks(found):
                raise UnavailableError(
                    _SOCKS, backend=self._backend, phase="proxy", code="socks"
                )
            if found is not None and not is_usable(found):
                raise UnavailableError(_NO_PROXY, backend=self._backend, phase="proxy")
            self._proxies[url] = found
        return self._proxies[url]

    @contextmanager
    def _trusted(self) -> Iterator[None]:
        """Say clearly that the file of trusted certificates cannot be read."""
        try:
            yield
        except OSError as error:
            raise UnavailableError(
                "the file of trusted certificates (ca, AWS_CA_BUNDLE, "
                "REQUESTS_CA_BUNDLE) cannot be read: "
                f"{error.strerror or 'it holds none'}",
                backend=self._backend,
                phase="connect",
                code="ca",
            ) from error


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


@lru_cache(maxsize=64)
def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
