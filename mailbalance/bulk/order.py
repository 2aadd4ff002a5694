"""What is held until its result is given, in the order it was given.

What lives here: ``Held``, ``Order``, and the measure of how much may be begun. Time is
passed in. What must not: sending, threads, tasks.

A message is begun only when somebody is nearly free to send it: what is begun has its
place in the rates, its choice by health and its time-out, and a long queue would spoil all
three.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbalance.bulk.result import Result
    from mailbalance.message import Message

#: Bytes of messages that are held at once, whatever their number.
HELD = 64 * 1024 * 1024
#: Messages that are held at once: two of the largest batches.
MOST_HELD = 1000
#: Seconds that a message may wait for its place in a rate while others are begun.
AHEAD = 1.0


class Held:
    """One message that was begun and whose result was not given yet.

    Attributes:
        result: What became of it, or what went wrong with us; ``None`` until then.
        size: Its bytes.
    """

    __slots__ = ("result", "size")

    def __init__(self, size: int) -> None:
        self.result: Result | BaseException | None = None
        self.size = size


class Order:
    """The messages that are held, first come first.

    Args:
        concurrency: How many send at once.

    Attributes:
        queued: Sends that wait for somebody to be free.
    """

    def __init__(self, concurrency: int) -> None:
        self.queued = 0
        self._concurrency = concurrency
        self._held: deque[Held] = deque()
        self._size = 0
        self._due = -inf

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def is_ready(self) -> bool:
        """Whether the first result is there."""
        return bool(self._held) and self._held[0].result is not None

    @property
    def is_full(self) -> bool:
        """Whether as much is held as may be."""
        return len(self._held) >= MOST_HELD or self._size >= HELD

    def has_room(self, now: float) -> bool:
        """Whether another message may be begun."""
        if not self._held:
            return True
        crowded = self.queued >= self._concurrency or self.is_full
        return not crowded and self.wait(now) <= 0

    def wait(self, now: float) -> float:
        """Tell in how many seconds the rates let another be begun."""
        return max(0.0, self._due - AHEAD - now)

    def add(self, message: Message | None) -> Held:
        """Hold a message."""
        held = Held(0 if message is None else message.size())
        self._held.append(held)
        self._size += held.size
        return held

    def must_wait(self, until: float) -> None:
        """Take note of when a message that was begun may go."""
        self._due = max(self._due, until)

    def first(self) -> Result:
        """Give the first result, which is ready; raises what went wrong with us."""
        held = self._held.popleft()
        self._size -= held.size
        if isinstance(held.result, BaseException):
            raise held.result
        assert held.result is not None  # noqa: S101 - it is ready
        return held.result
