"""What is held until its result is given, in the order it was given.

What lives here: ``Held``, ``Order``, and the measure of how much may be begun. The clock is
passed in. What must not: sending, threads, tasks.

A message is begun only when somebody is nearly free to send it: what is begun has its
place in the rates, its choice by health and its time-out, and a long queue would spoil all
three.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from sys import getsizeof
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.bulk.result import Result
    from mailbalance.message import Message

#: Bytes of messages that are held at once, whatever their number.
HELD = 64 * 1024 * 1024
#: Messages that are held at once: two of the largest batches.
MOST_HELD = 1000
#: Seconds that a message may wait for its place in a rate while others are begun.
AHEAD = 1.0


@dataclass(slots=True, eq=False)
class Held:
    """One message that was begun and whose result was not given yet.

    Attributes:
        index: Its place among those given.
        size: Its bytes, as ``held_size`` counts them.
        result: What became of it, or what went wrong with us; ``None`` until then.
    """

    index: int
    size: int
    result: Result | BaseException | None = field(default=None, init=False)


def held_size(message: Message) -> int:
    """Count the bytes that its texts take up, and its files as base64."""
    size = getsizeof(message.text) + getsizeof(message.html)
    for file in message.attachments:
        size += 4 * len(file.content) // 3
    return size if message.raw is None else size + len(message.raw)


class Order:
    """The messages that are held, first come first.

    Args:
        concurrency: How many send at once.
        clock: Monotonic time in seconds.

    Attributes:
        queued: Sends that wait for somebody to be free.
    """

    def __init__(self, concurrency: int, clock: Callable[[], float]) -> None:
        self.queued = 0
        self._concurrency = concurrency
        self._clock = clock
        self._held: deque[Held] = deque()
        self._size = 0
        self._due: float | None = None

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

    @property
    def has_room(self) -> bool:
        """Whether another message may be begun."""
        if not self._held:
            return True
        if self.queued >= self._concurrency or self.is_full:
            return False
        return self._due is None or self.wait() <= 0

    def wait(self) -> float:
        """Tell in how many seconds the rates let another be begun."""
        if self._due is None:
            return 0.0
        return max(0.0, self._due - AHEAD - self._clock())

    def add(self, held: Held) -> None:
        """Hold a message."""
        self._held.append(held)
        self._size += held.size

    def must_wait(self, until: float) -> None:
        """Take note of when a message that was begun may go."""
        self._due = until if self._due is None else max(self._due, until)

    def first(self) -> Result | None:
        """Give the first result if it is there; raises what went wrong with us."""
        if not self._held or self._held[0].result is None:
            return None
        held = self._held.popleft()
        self._size -= held.size
        if isinstance(held.result, BaseException):
            raise held.result
        return held.result
