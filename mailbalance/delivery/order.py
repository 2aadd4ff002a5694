"""Many messages in their order: what is held until its result is given, and where from.

A message is begun only when somebody is nearly free to send it: what is begun has its
place in the rates, its choice by health and its time-out, and a long queue would spoil all
three.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message as MimeMessage
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from mailbalance.errors import ConfigError
from mailbalance.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.backend import Receipt
    from mailbalance.errors import MailError


@dataclass(slots=True)
class Result:
    """What became of one message of many: it has a receipt or an error.

    Attributes:
        index: Its place among the messages given, from 0.
        message: The message; ``None`` when what was given made none.
        receipt: The receipt, if it was accepted for anybody.
        error: Why not: a ``DeliveryError``, a ``MessageError`` that concerns it alone, or a
            ``ClosedError`` when the mailer was closed before its turn.
    """

    index: int
    message: Message | None
    receipt: Receipt | None = None
    error: MailError | None = None

    @property
    def ok(self) -> bool:
        """Whether it was accepted, for some recipients at least."""
        return self.receipt is not None


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


def check(messages: object, concurrency: int) -> None:
    """Check what ``send_many`` was given, before anything is begun.

    Raises:
        ConfigError: When that cannot work.
    """
    if concurrency < 1:
        raise ConfigError(f"concurrency is {concurrency}; it must be 1 or more")
    if isinstance(messages, Message | MimeMessage | bytes | str | Mapping):
        raise ConfigError(
            f"messages is one {type(messages).__name__}; give an iterable of messages, "
            "such as a list"
        )


class Source:
    """Begins the messages that are given, until there are no more or giving fails.

    Attributes:
        more: Whether there may be another.
    """

    def __init__(self, begin: Callable[[int, Any], Held]) -> None:
        self.more = True
        self._begin = begin
        self._index = 0
        self._failure: Exception | None = None

    def begin(self, give: Callable[[], Any]) -> Held | None:
        """Begin the message that is given next, if there is one.

        What goes wrong is kept for ``end``: those before it have results to come.
        """
        try:
            held = self._begin(self._index, give())
        except (StopIteration, StopAsyncIteration):
            self.more = False
            return None
        except Exception as error:  # noqa: BLE001 - raised by ``end``
            self.more, self._failure = False, error
            return None
        self._index += 1
        return held

    def end(self) -> None:
        """Raise what went wrong, now that all that was begun has ended."""
        if self._failure is not None:
            raise self._failure
