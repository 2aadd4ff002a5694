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
else:
    asyncio = Later("asyncio", globals())


class DirectRoads:
    """Holds what makes exchanges over connections it keeps.

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

    def threads(self) -> BlockingPool:
        """Give what carries for threads."""
        with IMPORTING:
            from mailbalance.wire.http.direct.blocking_pool import BlockingPool

        with self._making.held():
            if self._blocking is None:
                self._blocking = BlockingPool(self._ca, self._connections)
        return self._blocking

    def loops(self) -> LoopedPools:
        """Give what carries for event loops."""
        with IMPORTING:
            from mailbalance.wire.http.direct.looped_pool import LoopedPools

        with self._making.held():
            if self._looped is None:
                self._looped = LoopedPools(self._ca, self._connections)
        return self._looped

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
