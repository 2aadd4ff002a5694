"""The direct way to a provider, from threads and from event loops.

What lives here: ``DirectRoads``, which joins the two worlds' pools; each is made when it
is first used. What must not: anything that either of them needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbalance.fork_lock import IMPORTING, ForkLock
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio

    from mailbalance.wire.http.direct.blocking_pool import BlockingPool
    from mailbalance.wire.http.direct.looped_pool import LoopedPools
    from mailbalance.wire.http.exchange import Exchange, HttpRequest, HttpResponse
else:
    asyncio = Later("asyncio", globals())


class DirectRoads:
    """Makes exchanges over connections it keeps.

    Args:
        ca: Path of a PEM file to trust instead of the system's certificates.
        connections: Most connections to one origin, of threads and of each event loop.
    """

    def __init__(self, ca: str | None, connections: int) -> None:
        self._ca = ca
        self._connections = connections
        self._making = ForkLock()
        self._blocking: BlockingPool | None = None
        self._looped: LoopedPools | None = None

    def carry(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        """Make one exchange.

        Raises:
            DeliveryError: When the request was not sent, or its outcome is unknown.
            ValueError: When it is not valid HTTP.
        """
        return (self._blocking or self._for_threads()).carry(request, exchange)

    async def acarry(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        """Do as ``carry`` does, without blocking the event loop.

        Cancelled before the commit point, it cuts the connection; cancelled after it, it
        goes on and gives the outcome.
        """
        pools = self._looped or self._for_loops()
        return await (await pools.here()).carry(request, exchange)

    def close(self) -> None:
        """Close the connections of threads."""
        if self._blocking is not None:
            self._blocking.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if self._looped is not None:
            await self._looped.close()

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest.

        Those of threads, and those of the running event loop if there is one.
        """
        busy, idle = (0, 0) if self._blocking is None else self._blocking.occupancy()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return busy, idle
        here = None if self._looped is None else self._looped.of(loop)
        there = (0, 0) if here is None else here.occupancy()
        return busy + there[0], idle + there[1]

    def _for_threads(self) -> BlockingPool:
        with IMPORTING:
            from mailbalance.wire.http.direct.blocking_pool import BlockingPool

        with self._making.held():
            if self._blocking is None:
                self._blocking = BlockingPool(self._ca, self._connections)
        return self._blocking

    def _for_loops(self) -> LoopedPools:
        with IMPORTING:
            from mailbalance.wire.http.direct.looped_pool import LoopedPools

        with self._making.held():
            if self._looped is None:
                self._looped = LoopedPools(self._ca, self._connections)
        return self._looped
