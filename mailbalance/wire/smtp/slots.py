"""Turns for threads: first come, first served.

What lives here: ``Slots``. What must not: what a turn is for.
"""

from __future__ import annotations

import threading
from collections import deque


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
