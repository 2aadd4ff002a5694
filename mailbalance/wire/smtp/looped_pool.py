"""Connections shared by the tasks of one event loop, and the pools of all loops.

What lives here: the async pool: who may open a connection, and which is used again. What
must not: the rules of reuse (``connection``), the dialogue (``transaction``). A transport
belongs to its event loop, so each loop has a pool of its own.
"""

from __future__ import annotations

import asyncio
import copy
import os
import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

from mailbalance.errors import DeliveryError, TransientError
from mailbalance.wire.net.pool import closing_at_the_end
from mailbalance.wire.slots import LoopedSlots
from mailbalance.wire.smtp.connection import GOODBYE, Shelf, crowded, noop_limit
from mailbalance.wire.smtp.looped_dial import dial
from mailbalance.wire.smtp.looped_pump import answers, part, pump, pump_all

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Sequence,
    )

    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.smtp.chain import End
    from mailbalance.wire.smtp.commands import Mail
    from mailbalance.wire.smtp.connection import Connection, Reuse
    from mailbalance.wire.smtp.looped import TransportLine
    from mailbalance.wire.smtp.server import Server
    from mailbalance.wire.smtp.steps import Accepted
    from mailbalance.wire.smtp.transaction import Transaction
    from mailbalance.wire.smtp.verdict import Rule


class LoopedPool:
    """Carries messages for tasks over a few connections to one server.

    To be used in one event loop only.
    """

    def __init__(self, server: Server, reuse: Reuse, rules: tuple[Rule, ...]) -> None:
        self._server = server
        self._reuse = reuse
        self._rules = rules
        self._slots = LoopedSlots(reuse.connections)
        self._shelf: Shelf[TransportLine] = Shelf(reuse)
        self._lines: WeakSet[TransportLine] = WeakSet()
        self._closings = 0
        self.keeper: AsyncGenerator[None, None] | None = None

    async def carry(self, mail: Mail, deadline: Deadline) -> Accepted:
        """Send one message, on a resting connection or a new one.

        Raises:
            DeliveryError: When it was not accepted, or may not have been.
            asyncio.CancelledError: When cancelled before the commit point; after it the
                cancellation is outlived.
        """
        if not self._slots.take():
            await self._wait(deadline)
        try:
            return await self._carry(mail, deadline)
        finally:
            self._slots.release()

    async def carry_all(self, mails: Sequence[Mail], deadline: Deadline) -> list[End]:
        """Send several messages on one connection, or as many as that takes.

        Returns:
            What came of each, in their order. Cancelled, it ends the message that is
            committed, and the rest are not accepted.

        Raises:
            DeliveryError: When no connection was to be had for the first.
            asyncio.CancelledError: When cancelled before anything began.
        """
        ends: list[End] = []
        if not self._slots.take():
            await self._wait(deadline)
        try:
            while len(ends) < len(mails):
                connection = self._shelf.take(time.monotonic())
                connection = connection or await self._open(deadline)
                await self._carry_some(connection, mails, ends, deadline)
                deadline.open_again()
        except (DeliveryError, asyncio.CancelledError) as error:
            if not ends:
                raise
            gone = TransientError("cancelled by its caller", phase="cancelled")
            left = error if isinstance(error, DeliveryError) else gone
            return _with_the_rest(ends, mails, left)
        finally:
            self._slots.release()
        return ends

    async def _carry_some(
        self,
        connection: Connection[TransportLine],
        mails: Sequence[Mail],
        ends: list[End],
        deadline: Deadline,
    ) -> None:
        """Send the messages that have no end yet; add the ends of those that it takes."""
        left = mails[len(ends) :]
        chain = connection.begin_all(left, deadline, self._reuse, self._rules)
        closings, sound = self._closings, False
        try:
            await pump_all(connection.line, chain)
            sound = chain.keep
        finally:
            ends += chain.ends
            if sound:
                connection.end(chain, len(chain.ends))
                self._put(connection, closings)
            else:
                connection.line.abort()

    async def probe(self, deadline: Deadline) -> None:
        """Make sure that one resting connection answers, opening it if need be.

        Raises:
            DeliveryError: When none could be opened.
        """
        if not self._slots.take():
            await self._wait(deadline)
        try:
            closings = self._closings
            connection = self._shelf.take(time.monotonic())
            if connection is None or not await _answers(connection, deadline):
                connection = await self._open(deadline)
            self._put(connection, closings)
        finally:
            self._slots.release()

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest."""
        return self._slots.taken, len(self._shelf)

    async def close(self) -> None:
        """Part from the resting connections; a busy one goes when its message is done."""
        self._closings += 1
        resting = [connection.line for connection in self._shelf.clear()]
        await asyncio.gather(*(part(line, GOODBYE) for line in resting))
        leaving = [line for line in self._lines if line.leaving]
        if leaving:
            await asyncio.wait([line.gone for line in leaving], timeout=GOODBYE)
        for line in leaving:
            line.abort()

    def forsake(self) -> None:
        """Drop the connections of a loop that is closed."""
        for connection in self._shelf.clear():
            connection.line.abort()

    async def _wait(self, deadline: Deadline) -> None:
        """Wait for the right to use a connection.

        Raises:
            ThrottledError: When it did not come in time.
        """
        if not await self._slots.acquire(deadline.opening()):
            raise crowded(self._reuse)
        deadline.open_again()

    async def _open(self, deadline: Deadline) -> Connection[TransportLine]:
        connection = await dial(self._server, deadline, self._rules)
        self._lines.add(connection.line)
        return connection

    def _put(self, connection: Connection[TransportLine], closings: int) -> None:
        """Keep a connection for the next message, unless the pool was closed since."""
        if closings != self._closings:
            connection.line.hang_up()
        else:
            self._shelf.put(connection, time.monotonic())

    async def _carry(self, mail: Mail, deadline: Deadline) -> Accepted:
        connection = self._shelf.take(time.monotonic())
        if connection is not None:
            transaction = connection.begin(mail, deadline, self._rules)
            try:
                return await self._run(connection, transaction)
            except DeliveryError:
                if not transaction.stale:
                    raise
            deadline.open_again()
        # None rested, or the server had given up the one that did, which is no try.
        connection = await self._open(deadline)
        transaction = connection.begin(mail, deadline, self._rules)
        return await self._run(connection, transaction)

    async def _run(
        self, connection: Connection[TransportLine], transaction: Transaction
    ) -> Accepted:
        closings = self._closings
        try:
            return await pump(connection.line, transaction)
        finally:
            if not transaction.keep:
                connection.line.abort()
            else:
                connection.end(transaction)
                self._put(connection, closings)


def _with_the_rest(
    ends: list[End], mails: Sequence[Mail], error: DeliveryError
) -> list[End]:
    left = len(mails) - len(ends)
    return [*ends, *(copy.copy(error) for _ in range(left))]


async def _answers(connection: Connection[TransportLine], deadline: Deadline) -> bool:
    """Tell whether a resting connection is alive; if not, it is cut."""
    alive = False
    try:
        alive = await answers(connection.line, noop_limit(deadline))
    finally:
        if not alive:
            connection.line.abort()
    return alive


class LoopedPools:
    """The pools of one server, one for each event loop."""

    def __init__(self, server: Server, reuse: Reuse, rules: tuple[Rule, ...]) -> None:
        self._server = server
        self._reuse = reuse
        self._rules = rules
        self._inherited: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._pools: dict[asyncio.AbstractEventLoop, LoopedPool] = {}

    async def here(self) -> LoopedPool:
        """Give the running loop's pool."""
        if self._process != os.getpid():
            # The parent's transports must not even be closed here: that would reach into
            # its loop's epoll. They stay referenced, and end with this process.
            self._inherited.append(self._pools)
            self._begin()
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = LoopedPool(self._server, self._reuse, self._rules)
            with self._lock:
                self._pools[loop] = pool
                for each in [known for known in self._pools if known.is_closed()]:
                    self._pools.pop(each).forsake()
            pool.keeper = await closing_at_the_end(_parting(self._pools, loop, pool))
        return pool

    async def close(self) -> None:
        """Close the running loop's pool, if it has one."""
        pool = self._of(asyncio.get_running_loop())
        if pool is not None:
            await pool.close()

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections of the running loop are in use, and how many rest."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return 0, 0
        pool = self._of(loop)
        return (0, 0) if pool is None else pool.occupancy()

    def _of(self, loop: asyncio.AbstractEventLoop) -> LoopedPool | None:
        return self._pools.get(loop) if self._process == os.getpid() else None


def _parting(
    pools: dict[asyncio.AbstractEventLoop, LoopedPool],
    loop: asyncio.AbstractEventLoop,
    pool: LoopedPool,
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        pools.pop(loop, None)
        await pool.close()

    return close
