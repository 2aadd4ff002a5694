"""Turns for threads, and for tasks: first come, first served.

What lives here: ``Slots`` and ``LoopedSlots``. What must not: what a turn is for.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = Later("asyncio", globals())


class Slots:
    """So many threads at once; the others wait in the order they came.

    ``threading.Semaphore`` lets a thread that comes just now take the turn of one that
    has waited for long: under load some threads would wait until their time is over.

    Args:
        count: How many at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @property
    def taken(self) -> int:
        """How many have a turn now."""
        return self._count - self._free

    def take(self) -> bool:
        """Take a turn if one is free now; tell whether it was."""
        with self._lock:
            free = self._free > 0
            self._free -= free
            return free

    def acquire(self, timeout: float) -> bool:
        """Wait for a turn at most ``timeout`` seconds; tell whether it came."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        came = False
        try:
            came = turn.acquire(timeout=timeout)
        except BaseException:
            if not self._withdraw(turn):
                self.release()
            raise
        return came or not self._withdraw(turn)

    def release(self) -> None:
        """End a turn, and give it to who waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _withdraw(self, turn: threading.Lock) -> bool:
        """Leave the queue; tell whether the turn had not come in the very moment."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True


class LoopedSlots:
    """So many tasks of one event loop at once; the others wait in the order they came.

    Like ``asyncio.Semaphore``, but a free turn is taken in one step: none is free while
    anybody waits.

    Args:
        count: How many at once.
    """

    __slots__ = ("_count", "_waiting", "taken")

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.taken = 0

    def take(self) -> bool:
        """Take a turn if one is free now; tell whether it was."""
        if self.taken >= self._count:
            return False
        self.taken += 1
        return True

    async def acquire(self, timeout: float) -> bool:
        """Wait for a turn at most ``timeout`` seconds; tell whether it came."""
        if self.take():
            return True
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(timeout):
                await turn
        except TimeoutError:
            return self._came(turn)
        except BaseException:
            if self._came(turn):
                self.release()
            raise
        return True

    def release(self) -> None:
        """End a turn, and give it to who waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _came(self, turn: asyncio.Future[None]) -> bool:
        """Leave the queue; tell whether the turn had come in the very moment."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        return turn.done() and not turn.cancelled()
