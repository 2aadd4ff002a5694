"""The way of a request: one POST or GET out, one reply or one error of ours back."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mailbalance.errors import DeliveryError, UnavailableError
from mailbalance.secret import hidden
from mailbalance.wire.http import errors, user_clients
from mailbalance.wire.http.errors import broken
from mailbalance.wire.http.exchange import Dialogue, Exchange, astraight, straight
from mailbalance.wire.http.proxy_settings import is_socks, is_usable, login, proxy_for
from mailbalance.wire.http.request import host_of, outgoing, target
from mailbalance.wire.net.connect import Origin, Proxy, aconnect, connect
from mailbalance.wire.net.drive import adrive, drive
from mailbalance.wire.net.pool import CONNECTIONS, Pools, Ticket
from mailbalance.wire.net.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from mailbalance.wire.http.reply import HttpResponse
    from mailbalance.wire.http.request import HttpRequest, Outgoing
    from mailbalance.wire.net import asyncio_stream
    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.net.pool import Pool
    from mailbalance.wire.net.socket_stream import SocketStream


_NO_PROXY = (
    "HTTPS_PROXY is no URL of a proxy: write http://user:password@host:port, and "
    "percent-encode reserved characters in user and password"
)


_NO_SOCKS = (
    "HTTPS_PROXY names a SOCKS proxy, which needs python-socks: pip install "
    "'mailbalance[socks]', or give the URL of an HTTP proxy (http://host:port), or add "
    "this provider's host to NO_PROXY"
)

_OLD_SOCKS = (
    "HTTPS_PROXY names a SOCKS proxy of a kind that is not supported: write "
    "socks5://host:port or socks5h://host:port, or give the URL of an HTTP proxy, or add "
    "this provider's host to NO_PROXY"
)


class Route(NamedTuple):
    """Where the requests to one URL go, and through what."""

    origin: Origin
    proxy: Proxy | None
    login: tuple[str, ...]


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
        connections: Most connections at once to one host, of threads and of each event
            loop.
    """

    def __init__(
        self,
        *,
        backend: str,
        ca: str | None = None,
        environ: Mapping[str, str] | None = None,
        client: user_clients.Client | None = None,
        async_client: user_clients.AsyncClient | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self._backend = backend
        self._environ = hidden(environ)
        self._client = client
        self._async_client = async_client
        self._ca = ca
        self._connections = connections
        self._pools: Pools[SocketStream] = Pools(connections)
        self._apools: Pools[asyncio_stream.AsyncioStream] = Pools(connections)
        self._routes: dict[str, Route] = {}
        self._ways: dict[str, tuple[Route, Pool[SocketStream]]] = {}

    def post(
        self, request: HttpRequest, *, timeout: float | Deadline, harmless: bool = False
    ) -> HttpResponse:
        """Send a request and wait for its reply.

        Args:
            request: What to send; Content-Length is added.
            timeout: Seconds for all of it, or the deadline of an attempt that has begun
                before. Waits inside a user's own client are bounded one by one.
            harmless: Whether it commits nothing, such as a GET: see ``get``.

        Raises:
            TransientError: When the request was provably not sent in full.
            UnavailableError: The same, because a certificate or a proxy refuses.
            UnknownOutcomeError: When it was sent but no usable reply came.
        """
        url = request.url
        exchange = Exchange(self._backend, host_of(url), timeout, harmless=harmless)
        if self._client is not None:
            return user_clients.post(self._client, request, exchange)
        exchange.connections = self._connections
        ticket = Ticket()
        try:
            route, pool = self._ways.get(url) or self._find_way(url)
            out = outgoing(request)
            if not pool.take(ticket):
                self._queue(url, ticket, exchange)
            stream = ticket.conn or self._dial(ticket, route, exchange)
            exchange.connection = stream
            response = straight(stream, exchange, out)
            if response is None:
                response = self._oddly(ticket, route, exchange, out)
            ticket.keep = exchange.keep
            ticket.pool.leave(ticket)
        except BaseException as error:
            ticket.leave()
            failure = errors.ours(error, exchange)
            if failure is None:
                raise
            raise failure from errors.cause_to_show(error, exchange)
        else:
            return response
        finally:
            ticket.over = True

    def apost(
        self, request: HttpRequest, *, timeout: float | Deadline, harmless: bool = False
    ) -> Coroutine[Any, Any, HttpResponse]:
        """Async version of ``post``.

        Cancelled before the commit point, it aborts the connection and ends. Cancelled
        after it, it goes on and gives the outcome: mail cannot be recalled.
        """
        url = request.url
        exchange = Exchange(self._backend, host_of(url), timeout, harmless=harmless)
        if self._async_client is not None:
            return user_clients.apost(self._async_client, request, exchange)
        return self._acarry(request, exchange)

    async def _acarry(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        exchange.connections = self._connections
        ticket = Ticket()
        try:
            route = self._routes.get(request.url) or self._find(request.url)
            out = outgoing(request)
            pool = self._apools.of_loop(route) or await self._apools.anew(route)
            if not pool.take(ticket):
                await pool.aenter(ticket, exchange.opening_ends)
                exchange.open_again()
            stream = ticket.conn or await self._adial(ticket, route, exchange)
            exchange.connection = stream
            response = await astraight(stream, exchange, out)
            if response is None:
                response = await self._aoddly(ticket, route, exchange, out)
            ticket.keep = exchange.keep
            ticket.pool.leave(ticket)
        except BaseException as error:
            ticket.leave()
            failure = errors.ours(error, exchange)
            if failure is None:
                raise
            raise failure from errors.cause_to_show(error, exchange)
        else:
            return response
        finally:
            ticket.over = True

    def get(self, request: HttpRequest, *, timeout: float | Deadline) -> HttpResponse:
        """Send a request that commits nothing, such as a GET, and wait for its reply.

        Args:
            request: What to ask.
            timeout: Seconds for all of it, as for ``post``.

        Raises:
            TransientError: When no usable reply came; however far it went, no mail did.
            UnavailableError: The same, because a certificate or a proxy refuses.
        """
        return self.post(request, timeout=timeout, harmless=True)

    def aget(
        self, request: HttpRequest, *, timeout: float | Deadline
    ) -> Coroutine[Any, Any, HttpResponse]:
        """Async version of ``get``; cancelled at any time, it ends."""
        return self.apost(request, timeout=timeout, harmless=True)

    def occupancy(self) -> tuple[int, int] | None:
        """Return how many connections are in use and how many rest, if they are ours.

        Those of threads, and those of the running event loop if there is one; ``None``
        when a user's own clients hold them all.
        """
        if self._client is not None and self._async_client is not None:
            return None
        busy, idle = self._pools.occupancy()
        here = self._apools.occupancy()
        return busy + here[0], idle + here[1]

    def close(self) -> None:
        """Close the connections of sync sends."""
        self._pools.close()

    async def aclose(self) -> None:
        """Close the connections of async sends in the running event loop."""
        await self._apools.aclose()

    def _find_way(self, url: str) -> tuple[Route, Pool[SocketStream]]:
        """Return a URL's route and the pool of it that threads share now."""
        route = self._routes.get(url) or self._find(url)
        way = self._ways[url] = route, self._pools.of_threads(route)
        return way

    def _queue(self, url: str, ticket: Ticket, exchange: Exchange) -> None:
        """Wait for a place in a pool that has none, or is another process's, or closed.

        Raises:
            CrowdedError: When none came free in time.
        """
        self._find_way(url)[1].enter(ticket, exchange.opening_ends)
        exchange.open_again()

    def _dial(self, ticket: Ticket, route: Route, exchange: Exchange) -> SocketStream:
        """Open a connection, and give it to the ticket.

        Raises:
            DeliveryError: When that failed; nothing was sent.
        """
        exchange.via = "" if route.proxy is None else route.proxy.where
        exchange.proxy_login = route.login
        ends = exchange.opening_ends
        try:
            ticket.conn = stream = connect(
                route.origin, self._ca, ends, proxy=route.proxy, enter=exchange.enter
            )
        except (OSError, ValueError) as error:
            told = errors.translate(broken(error, "Connect"), exchange)
            raise told from errors.cause_to_show(error, exchange)
        return stream

    async def _adial(
        self, ticket: Ticket, route: Route, exchange: Exchange
    ) -> asyncio_stream.AsyncioStream:
        exchange.via = "" if route.proxy is None else route.proxy.where
        exchange.proxy_login = route.login
        ends = exchange.opening_ends
        try:
            ticket.conn = stream = await aconnect(
                route.origin, self._ca, ends, proxy=route.proxy, enter=exchange.enter
            )
        except (OSError, ValueError, RuntimeError) as error:
            told = errors.translate(broken(error, "Connect"), exchange)
            raise told from errors.cause_to_show(error, exchange)
        return stream

    def _oddly(
        self, ticket: Ticket, route: Route, exchange: Exchange, out: Outgoing
    ) -> HttpResponse:
        """Make an exchange, or go on with an odd one; replace a dead connection."""
        while True:
            try:
                found: HttpResponse = drive(ticket.conn, Dialogue(out, exchange).run())
            except DeliveryError:
                if not exchange.stale:
                    raise
            else:
                return found
            ticket.conn.abort()
            ticket.conn = None
            exchange.restart()
            exchange.connection = self._dial(ticket, route, exchange)

    async def _aoddly(
        self, ticket: Ticket, route: Route, exchange: Exchange, out: Outgoing
    ) -> HttpResponse:
        while True:
            try:
                steps = Dialogue(out, exchange).run()
                found: HttpResponse = await adrive(ticket.conn, steps)
            except DeliveryError:
                if not exchange.stale:
                    raise
            else:
                return found
            ticket.conn.abort()
            ticket.conn = None
            exchange.restart()
            exchange.connection = await self._adial(ticket, route, exchange)

    def _find(self, url: str) -> Route:
        """Find out, once for each URL, where its requests go.

        Raises:
            UnavailableError: When the proxy or the file of trusted certificates cannot be
                used.
        """
        found = proxy_for(url, self._environ)
        proxy = None if found is None else self._usable(found)
        origin = target(url)[0]
        if origin.scheme == "https":
            with self._trusted():
                client_context(self._ca)
        route = self._routes[url] = Route(origin, proxy, login(found or ""))
        return route

    def _usable(self, url: str) -> Proxy:
        """Return the proxy that a setting names.

        Raises:
            UnavailableError: When it names none, or one that cannot be used.
        """
        problem, code = "", "socks"
        if is_socks(url):
            if not is_usable(url):
                problem = _OLD_SOCKS
            elif importlib.util.find_spec("python_socks") is None:
                problem = _NO_SOCKS
        elif not is_usable(url):
            problem, code = _NO_PROXY, ""
        if problem:
            raise UnavailableError(
                problem, backend=self._backend, phase="proxy", code=code
            )
        return Proxy.of(url)

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
