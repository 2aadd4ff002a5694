"""Where connections are kept: one pool for threads, one for each event loop.

What lives here: making pools late, finding the right one, and forgetting them after a
fork: a child that used its parent's sockets would read its parent's replies. What must
not: sending. Source of the figures: httpx2's defaults, and DESIGN "Wire rules".
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from mailbalance.later import Later
from mailbalance.wire.loop_end import closing_at_the_end
from mailbalance.wire.tls import client_context

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import AsyncGenerator

    import httpcore2

    from mailbalance.wire.http import sockets, streams
else:
    asyncio = Later("asyncio", globals())
    httpcore2 = Later("httpcore2", globals())
    sockets = Later("mailbalance.wire.http.sockets", globals())
    streams = Later("mailbalance.wire.http.streams", globals())

#: Seconds a connection may idle: below the idle limits of load balancers (60 s at AWS,
#: less elsewhere), so that we seldom write into a connection that is being closed.
KEEPALIVE = 5.0

#: Connections of one pool, unless told otherwise: so many messages on their way at once are
#: more than one process makes use of.
CONNECTIONS = 256

#: State inherited over a fork: never used again and never closed, since closing writes.
_inherited: list[_State] = []


@dataclass(slots=True)
class _State:
    """Everything that belongs to one process."""

    pid: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)
    sync: dict[str | None, httpcore2.ConnectionPool] = field(default_factory=dict)
    loops: dict[asyncio.AbstractEventLoop, _LoopPools] = field(default_factory=dict)


@dataclass(slots=True)
class _LoopPools:
    """The pools of one event loop, and the generator that dies with it."""

    pools: dict[str | None, httpcore2.AsyncConnectionPool] = field(default_factory=dict)
    keeper: AsyncGenerator[None, None] | None = None


class Pools:
    """The connection pools of one backend.

    Args:
        ca: Path of a PEM file to trust instead of the system's certificates.
        connections: Most connections of threads, and of each event loop.
    """

    def __init__(self, ca: str | None = None, connections: int = CONNECTIONS) -> None:
        self._ca = ca
        self.connections = connections
        self._state = _State()

    def sync(self, proxy: str | None) -> httpcore2.ConnectionPool:
        """Give the pool that threads share."""
        state = self._own()
        pool = state.sync.get(proxy)
        if pool is None:
            with state.lock:
                pool = state.sync.get(proxy) or self._new_sync(proxy)
                state.sync[proxy] = pool
        return pool

    async def running(self, proxy: str | None) -> httpcore2.AsyncConnectionPool:
        """Give the pool of the running event loop."""
        state, loop = self._own(), asyncio.get_running_loop()
        found = state.loops.get(loop)
        if found is None:
            found = await _enter(state, loop)
        pool = found.pools.get(proxy)
        if pool is None:
            pool = found.pools[proxy] = self._new_async(proxy)
        return pool

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest.

        Those of threads, and those of the running event loop if there is one.
        """
        state = self._own()
        pools: list[Any] = [*state.sync.values()]
        try:
            here = state.loops.get(asyncio.get_running_loop())
        except RuntimeError:
            here = None
        pools += here.pools.values() if here is not None else ()
        known = [each for pool in pools for each in pool.connections]
        idle = sum(each.is_idle() for each in known)
        return len(known) - idle, idle

    def close(self) -> None:
        """Close the pool that threads share; the next send opens it anew."""
        state = self._own()
        with state.lock:
            pools, state.sync = state.sync, {}
        for pool in pools.values():
            pool.close()

    async def aclose(self) -> None:
        """Close the pool of the running event loop; the next send opens it anew."""
        found = self._own().loops.get(asyncio.get_running_loop())
        if found is not None and found.keeper is not None:
            await found.keeper.aclose()

    def _own(self) -> _State:
        if self._state.pid != os.getpid():
            _inherited.append(self._state)
            self._state = _State()
        return self._state

    def _new_sync(self, proxy: str | None) -> httpcore2.ConnectionPool:
        network = sockets.TlsSockets() if _is_tls(proxy) else sockets.Sockets()
        return httpcore2.ConnectionPool(network_backend=network, **self._options(proxy))

    def _new_async(self, proxy: str | None) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            network_backend=streams.Streams(), **self._options(proxy)
        )

    def _options(self, proxy: str | None) -> dict[str, Any]:
        return {
            "ssl_context": _tls(self._ca),
            "proxy": None if proxy is None else _proxy(proxy),
            "max_connections": self.connections,
            "max_keepalive_connections": self.connections,
            "keepalive_expiry": KEEPALIVE,
            "retries": 0,
        }


async def _enter(state: _State, loop: asyncio.AbstractEventLoop) -> _LoopPools:
    """Start keeping pools for a loop, and stop for loops that were closed unseen."""
    for other in [known for known in state.loops if known.is_closed()]:
        del state.loops[other]
    found = state.loops[loop] = _LoopPools()

    async def close() -> None:
        state.loops.pop(loop, None)
        for pool in found.pools.values():
            await pool.aclose()
        await asyncio.sleep(0)  # aborted transports close in the next turn

    found.keeper = await closing_at_the_end(close)
    return found


def _tls(ca: str | None) -> ssl.SSLContext:
    return cast("ssl.SSLContext", sockets.Tls(client_context(ca)))


def _proxy(url: str) -> httpcore2.Proxy:
    parts = urlsplit(url)
    auth = None
    if parts.username is not None:
        auth = unquote(parts.username), unquote(parts.password or "")
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "/", "", ""))
    return httpcore2.Proxy(
        bare, auth=auth, ssl_context=_tls(None) if _is_tls(url) else None
    )


def _is_tls(url: str | None) -> bool:
    return url is not None and url.startswith("https:")
