"""Connections kept for the next message, and who may use one now.

A place in a pool belongs to a ``Ticket`` that its owner makes first and ends by one store,
``ticket.over = True``, in a ``finally`` that contains no call. A signal handler may raise
at the start of any call, and whatever would have to be called to give a place back can be
kept from it so: such places would be lost for ever. A ticket that is over counts no more,
and whoever finds it sweeps it up, its connection with it.

For the same reason a connection is never in a local variable alone while it moves between
the pool and a ticket, and no call stands between its two places.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from mailbalance.fork_lock import ForkLock
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
else:
    asyncio = Later("asyncio", globals())

#: Seconds a connection may rest: below the idle limits of load balancers (60 s at AWS, less
#: elsewhere), so that we seldom write into a connection that is being closed.
REST = 5.0

#: Connections of one pool, unless told otherwise: so many messages on their way at once are
#: more than one process makes use of.
CONNECTIONS = 256

#: Seconds after which the first in the queue looks for places whose owners were interrupted
#: before they could hand them on; the others wait to be first.
_FIRST, _OTHERS = 0.05, 0.5


class Connection(Protocol):
    """What a pool keeps: a stream, or what is built on one."""

    since: float
    news: bool
    used: bool
    retired: bool

    @property
    def look(self) -> Callable[[int], object]:
        """Report at once whether there is anything to read."""
        ...

    def quiet(self) -> bool:
        """Report whether it is open and nothing has come that nobody asked for."""
        ...

    def close(self) -> None:
        """Close it; nothing is on its way any more."""
        ...

    def abort(self) -> None:
        """Cut it; nothing buffered is sent any more."""
        ...


C = TypeVar("C", bound=Connection)


class Ticket:
    """A place in a pool, and the connection that is used there; made without a call.

    Attributes:
        over: Whether its owner has left, however; never taken back.
        pool: The pool that it was taken to, as soon as it was.
        conn: The connection in use, as soon as there is one.
        keep: Whether it may be used again.
        turn: What its owner waits at, if all places were taken.
    """

    over = False
    conn: Any = None
    keep = False
    pool: Any = None
    turn: Any = None

    def leave(self) -> None:
        """Give the place back, if there is one."""
        if self.pool is not None:
            self.pool.leave(self)


class CrowdedError(Exception):
    """Every connection was in use until the time was over."""


class Pool(Generic[C]):
    """The connections to one place, for threads: first come, first served.

    Args:
        limit: Most connections at once.
        rest: Seconds that one may rest.
    """

    def __init__(self, limit: int, rest: float = REST) -> None:
        self.limit = limit
        self._rest = rest
        # Reentrant: a signal handler may send while this thread holds it.
        self._lock = threading.RLock()
        self._live: set[Ticket] = set()
        self._idle: list[
            C
        ] = []  # the last used is the last: the others grow old and go
        self._waiting: deque[Ticket] = deque()
        self._closed = False
        self._process = os.getpid()

    def enter(self, ticket: Ticket, ends: float) -> None:
        """Wait for a place; ``ticket.conn`` is then a connection that rested, or ``None``.

        Raises:
            CrowdedError: When no place came free in time.
        """
        if not self.take(ticket):
            self._wait(ticket, ends)
            self._pick(ticket)

    def take(self, ticket: Ticket) -> bool:
        """Take a place if one is free and nobody waits; report whether.

        None is in a pool that was closed, or is the parent's of a forked process.
        """
        if self._closed or self._process != os.getpid():
            return False
        ticket.pool = self
        with self._lock:
            live = self._live
            if (self._waiting or len(live) >= self.limit) and not self._room():
                return False
            live.add(ticket)
            idle = self._idle
            if not idle:
                return True
            ticket.conn = conn = idle[-1]
            del idle[-1]
            conn.used = True
        if (
            time.monotonic() - conn.since > self._rest
            or conn.news
            or conn.retired
            or conn.look(0)
        ):
            self._replace(ticket)
        return True

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, and its connection if it may be kept; once is enough."""
        conn = ticket.conn
        if conn is not None and not (
            ticket.keep and not conn.retired and not self._closed
        ):
            (conn.close if ticket.keep else conn.abort)()
            ticket.conn = None
        now = time.monotonic()
        with self._lock:
            idle = self._idle
            if conn is not None and ticket.conn is conn and not self._closed:
                conn.since = now
                idle += (conn,)
                ticket.conn = None
            ticket.over = True
            self._live.discard(ticket)
            while idle and now - idle[0].since > self._rest:
                old = idle[0]
                del idle[0]
                old.close()
            if self._waiting:
                self._wake_first()
        if ticket.conn is not None:  # the pool was closed in this very moment
            ticket.conn.close()
            ticket.conn = None

    def close(self) -> None:
        """Close what rests; a busy connection goes when its reply is there."""
        with self._lock:
            self._closed = True
            self._sweep()
            self.drop()

    def drop(self, *, cut: bool = False) -> None:
        """Close what rests, or cut it."""
        idle = self._idle
        while idle:
            conn = idle[-1]
            del idle[-1]
            (conn.abort if cut else conn.close)()

    def occupancy(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many rest."""
        with self._lock:
            self._sweep()
            return len(self._live), len(self._idle)

    def _pick(self, ticket: Ticket) -> None:
        """Take what rests, for a ticket that has its place already."""
        with self._lock:
            idle = self._idle
            if not idle:
                return
            ticket.conn = conn = idle[-1]
            del idle[-1]
            conn.used = True
        if (
            time.monotonic() - conn.since > self._rest
            or conn.news
            or conn.retired
            or conn.look(0)
        ):
            self._replace(ticket)

    def _replace(self, ticket: Ticket) -> None:
        """Look closer at the connection that was taken, and take others if it is none."""
        conn = ticket.conn
        if time.monotonic() - conn.since > self._rest:
            conn.close()
        elif conn.quiet():
            return
        else:
            conn.abort()
        ticket.conn = None
        self._pick(ticket)

    def _room(self) -> bool:
        """Report whether a newcomer may enter; under the lock."""
        self._sweep()
        return len(self._live) < self.limit and not self._waiting

    def _sweep(self) -> None:
        """Forget tickets that are over and never left; under the lock."""
        for ticket in tuple(self._live):
            if ticket.over:
                if ticket.conn is not None:
                    ticket.conn.abort()
                self._live.discard(ticket)
        while self._waiting and self._waiting[0].over:
            self._waiting.popleft()

    def _wait(self, ticket: Ticket, ends: float) -> None:
        ticket.pool = self
        turn = ticket.turn = threading.Lock()
        turn.acquire()
        with self._lock:
            self._waiting.append(ticket)
        while not self._comes_in(ticket):
            left = ends - time.monotonic()
            if left <= 0:
                raise CrowdedError
            turn.acquire(timeout=min(left, self._pause(ticket)))

    def _pause(self, ticket: Ticket) -> float:
        waiting = self._waiting
        return _FIRST if waiting and waiting[0] is ticket else _OTHERS

    def _comes_in(self, ticket: Ticket) -> bool:
        """Report whether a waiting ticket has its place now."""
        with self._lock:
            self._sweep()
            waiting = self._waiting
            if len(self._live) >= self.limit or waiting[0] is not ticket:
                return False
            self._live.add(ticket)
            waiting.popleft()
            if waiting:
                self._wake_first()
            return True

    def _wake_first(self) -> None:
        """Have the first who still waits look for a place; under the lock."""
        waiting = self._waiting
        while waiting and waiting[0].over:
            waiting.popleft()
        if waiting and len(self._live) < self.limit:
            self._wake(waiting[0])

    def _wake(self, ticket: Ticket) -> None:
        if ticket.turn.locked():
            ticket.turn.release()


class AsyncPool(Pool[C]):
    """The same for the tasks of one event loop, by whose thread alone it is used."""

    async def aenter(self, ticket: Ticket, ends: float) -> None:
        """Async version of ``enter``, for a ticket that could not ``take`` a place.

        Raises:
            CrowdedError: When no place came free in time.
        """
        loop = asyncio.get_running_loop()
        ticket.pool = self
        self._waiting.append(ticket)
        while not self._comes_in(ticket):
            left = ends - time.monotonic()
            if left <= 0:
                raise CrowdedError
            ticket.turn = turn = loop.create_future()
            pause = min(left, self._pause(ticket))
            timer = loop.call_later(pause, _tell, turn)
            try:
                await turn
            finally:
                timer.cancel()
        self._pick(ticket)

    def _wake(self, ticket: Ticket) -> None:
        _tell(ticket.turn)


def _tell(turn: asyncio.Future[None] | None) -> None:
    if turn is not None and not turn.done():
        turn.set_result(None)


class Pools(Generic[C]):
    """The pools of one wire: those of threads, and those of each event loop, by place.

    A pool knows its process: a child of a fork that used its parent's connections would
    read its parent's replies.

    Args:
        limit: Most connections to one place, of threads and of each event loop.
        rest: Seconds that a connection may rest.
    """

    def __init__(self, limit: int, rest: float = REST) -> None:
        self.limit = limit
        self._rest = rest
        self._forking = ForkLock()
        self._inherited: list[object] = []
        self._begin()

    def _begin(self) -> None:
        self.threads: dict[Hashable, Pool[C]] = {}
        self.loops: dict[
            asyncio.AbstractEventLoop, tuple[dict[Hashable, AsyncPool[C]], Any]
        ] = {}
        self._lock = threading.Lock()
        self.process = os.getpid()

    def of_threads(self, key: Hashable) -> Pool[C]:
        """Return the pool of a place that threads share."""
        self._own()
        pool = self.threads.get(key)
        if pool is None:
            pool = self.threads.setdefault(key, Pool(self.limit, self._rest))
        return pool

    def of_loop(self, key: Hashable) -> AsyncPool[C] | None:
        """Return the running loop's pool of a place; ``None`` if ``anew`` must make it."""
        if self.process != os.getpid():
            self._own()
        here = self.loops.get(asyncio.get_running_loop())
        if here is None:
            return None
        pool = here[0].get(key)
        if pool is None:
            pool = here[0][key] = AsyncPool(self.limit, self._rest)
        return pool

    async def anew(self, key: Hashable) -> AsyncPool[C]:
        """Make the running loop's first pool; what it keeps is closed at the loop's end."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for each in [known for known in self.loops if known.is_closed()]:
                for pool in self.loops.pop(each)[0].values():
                    pool.drop(cut=True)  # that loop closes nothing any more
        places: dict[Hashable, AsyncPool[C]] = {}
        loops = self.loops

        async def close() -> None:
            loops.pop(loop, None)
            await _close(places)

        self.loops[loop] = places, await closing_at_the_end(close)
        return places.setdefault(key, AsyncPool(self.limit, self._rest))

    def close(self) -> None:
        """Close the connections of threads; the next message opens one again."""
        self._own()
        pools, self.threads = self.threads, {}
        for pool in pools.values():
            pool.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        self._own()
        here = self.loops.get(asyncio.get_running_loop())
        if here is not None:
            places = dict(here[0])
            here[0].clear()
            await _close(places)

    def occupancy(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many rest.

        Those of threads, and those of the running event loop if there is one.
        """
        self._own()
        pools: list[Pool[C]] = list(self.threads.values())
        try:
            here = self.loops.get(asyncio.get_running_loop())
        except RuntimeError:
            here = None
        pools += here[0].values() if here is not None else ()
        counts = [pool.occupancy() for pool in pools]
        return sum(busy for busy, _ in counts), sum(idle for _, idle in counts)

    def _own(self) -> None:
        """Begin with nothing in a process that was forked."""
        if self.process == os.getpid():
            return
        with self._forking.held():
            if self.process == os.getpid():
                return
            threads = self.threads
            # The parent's transports must not even be closed here: that would reach into
            # its loop's epoll. They stay referenced, and end with this process.
            self._inherited.append(self.loops)
            self._begin()
            for pool in threads.values():
                pool.drop()  # descriptors; the connections are the parent's


async def _close(places: dict[Hashable, AsyncPool[Any]]) -> None:
    for pool in places.values():
        pool.close()
    await asyncio.sleep(0)  # aborted transports close in the next turn


async def closing_at_the_end(
    close: Callable[[], Awaitable[None]],
) -> AsyncGenerator[None, None]:
    """Have ``close`` called when the running loop shuts down its async generators.

    ``asyncio.run`` does that last of all, so a script that never calls ``aclose`` leaves
    no open connection behind.

    Returns:
        The keeper, to be kept by whoever is to be closed: ``aclose`` on it closes at once,
        and so does dropping it while the loop runs.
    """
    keeper = _keep(close)
    await anext(keeper)
    return keeper


async def _keep(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await close()
