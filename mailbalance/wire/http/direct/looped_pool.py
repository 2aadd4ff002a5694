"""Connections shared by the tasks of one event loop, and the pools of all loops.

What lives here: the async pool: who may open a connection, which is used again, and the
opening itself. What must not: the rules of reuse (``shelf``), the exchange (``dialogue``).
A transport belongs to its event loop, so each loop has a pool of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

from mailbalance.errors import DeliveryError
from mailbalance.wire.http import faults
from mailbalance.wire.http.direct.dialogue import Dialogue
from mailbalance.wire.http.direct.looped import TransportLine, pump
from mailbalance.wire.http.direct.outgoing import Origin, outgoing, target
from mailbalance.wire.http.direct.shelf import Shelf, crowded
from mailbalance.wire.http.direct.steps import broken
from mailbalance.wire.loop_end import closing_at_the_end
from mailbalance.wire.reach import areach, must_stay_here
from mailbalance.wire.slots import LoopedSlots
from mailbalance.wire.tls import client_context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from mailbalance.wire.http.exchange import Exchange, HttpRequest, HttpResponse


class LoopedPool:
    """Carries requests for the tasks of one event loop."""

    def __init__(self, ca: str | None, connections: int) -> None:
        self._ca = ca
        self._connections = connections
        self._doors: dict[Origin, _Door] = {}
        self.keeper: AsyncGenerator[None, None] | None = None

    async def carry(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        """Make one exchange, on an idle connection or a new one.

        Raises:
            DeliveryError: When it was not sent, or its outcome is unknown.
            asyncio.CancelledError: When cancelled before the commit point; after it the
                cancellation is outlived.
            ValueError: When the request is not valid HTTP.
        """
        out, origin = outgoing(request), target(request.url)[0]
        exchange.connections = self._connections
        door = self._doors.get(origin)
        if door is None:
            door = self._doors[origin] = _Door(origin, self._connections)
        slots = door.slots
        if not slots.take():
            if not await slots.acquire(exchange.deadline.opening()):
                raise crowded(exchange)
            exchange.deadline.open_again()
        try:
            line = door.shelf.take(time.monotonic())
            if line is not None:
                dialogue = Dialogue(out, exchange)
                try:
                    return await _run(door, line, dialogue, exchange)
                except DeliveryError:
                    if not dialogue.stale:
                        raise
                exchange.restart()
            line = await self._dial(door.origin, exchange)
            return await _run(door, line, Dialogue(out, exchange), exchange)
        finally:
            slots.release()

    async def close(self) -> None:
        """Close the idle connections; a busy one goes when its reply is there."""
        doors, self._doors = self._doors, {}
        for door in doors.values():
            door.closed = True
            for line in door.shelf.clear():
                line.close()
        await asyncio.sleep(0)  # aborted transports close in the next turn

    def forsake(self) -> None:
        """Drop the connections of a loop that is closed."""
        for door in self._doors.values():
            for line in door.shelf.clear():
                line.abort()

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest."""
        doors = self._doors.values()
        busy = sum(each.slots.taken for each in doors)
        return busy, sum(len(each.shelf) for each in doors)

    async def _dial(self, origin: Origin, exchange: Exchange) -> TransportLine:
        """Open a connection.

        Raises:
            DeliveryError: When that failed; nothing was sent.
        """
        exchange.enter("connect")
        line = None
        try:
            sock = await areach(origin.host, origin.port, exchange.left())
            line = await TransportLine.over(sock)
            if origin.scheme == "http":
                must_stay_here(sock.getpeername())
            if origin.scheme == "https":
                exchange.enter("tls")
                context = client_context(self._ca)
                await line.start_tls(context, origin.host, exchange.left())
        except (OSError, ValueError, RuntimeError) as error:
            if line is not None:
                line.abort()
            raise faults.translate(broken(error, "Connect"), exchange) from error
        except BaseException:
            if line is not None:
                line.abort()
            raise
        return line


async def _run(
    door: _Door, line: TransportLine, dialogue: Dialogue, exchange: Exchange
) -> HttpResponse:
    exchange.connection = line
    try:
        return await pump(line, dialogue, exchange)
    finally:
        if dialogue.keep and not door.closed:
            door.shelf.put(line, time.monotonic())
        elif dialogue.keep:
            line.close()
        else:
            line.abort()


class _Door:
    """The connections to one origin, and the turns of those who use them."""

    __slots__ = ("closed", "origin", "shelf", "slots")

    def __init__(self, origin: Origin, connections: int) -> None:
        self.origin = origin
        self.closed = False
        self.shelf: Shelf[TransportLine] = Shelf()
        self.slots = LoopedSlots(connections)


class LoopedPools:
    """The pools of one wire, one for each event loop."""

    def __init__(self, ca: str | None, connections: int) -> None:
        self._ca = ca
        self._connections = connections
        self._inherited: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self.pools: dict[asyncio.AbstractEventLoop, LoopedPool] = {}

    def carry(
        self, request: HttpRequest, exchange: Exchange
    ) -> Awaitable[HttpResponse]:
        """Make one exchange in the running loop's pool; see ``LoopedPool.carry``."""
        pool = self.of(asyncio.get_running_loop())
        if pool is None:
            return self._carry_first(request, exchange)
        return pool.carry(request, exchange)

    async def _carry_first(
        self, request: HttpRequest, exchange: Exchange
    ) -> HttpResponse:
        """Make the running loop's pool, and an exchange in it."""
        loop, pool = asyncio.get_running_loop(), LoopedPool(self._ca, self._connections)
        with self._lock:
            self.pools[loop] = pool
            for each in [known for known in self.pools if known.is_closed()]:
                self.pools.pop(each).forsake()
        pool.keeper = await closing_at_the_end(_parting(self.pools, loop, pool))
        return await pool.carry(request, exchange)

    async def close(self) -> None:
        """Close the running loop's pool, if it has one."""
        pool = self.of(asyncio.get_running_loop())
        if pool is not None:
            await pool.close()

    def of(self, loop: asyncio.AbstractEventLoop) -> LoopedPool | None:
        """Give a loop's pool, if it has one."""
        if self._process != os.getpid():
            # The parent's transports must not even be closed here: that would reach into
            # its loop's epoll. They stay referenced, and end with this process.
            self._inherited.append(self.pools)
            self._begin()
        return self.pools.get(loop)


def _parting(
    pools: dict[asyncio.AbstractEventLoop, LoopedPool],
    loop: asyncio.AbstractEventLoop,
    pool: LoopedPool,
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        pools.pop(loop, None)
        await pool.close()

    return close
