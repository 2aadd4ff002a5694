"""Places for tasks of one event loop: first come, first served.

What lives here: ``Places``. What must not: what a place is for.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """So many tasks at once; the others wait in the order they came.

    Like ``asyncio.Semaphore``, but a free place is taken in one step: none is free while
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
        """Take a place if one is free now; tell whether it was."""
        if self.taken >= self._count:
            return False
        self.taken += 1
        return True

    async def wait(self, timeout: float) -> bool:
        """Wait for a place at most ``timeout`` seconds; tell whether it came."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(timeout):
                await turn
        except TimeoutError:
            return self._came(turn)
        except BaseException:
            if self._came(turn):
                self.leave()
            raise
        return True

    def leave(self) -> None:
        """End a stay, and give the place to who waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _came(self, turn: asyncio.Future[None]) -> bool:
        """Leave the queue; tell whether the place had come in the very moment."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        return turn.done() and not turn.cancelled()
