"""Where many messages come from.

What lives here: ``check``, and ``Source``, which begins one message after another. What
must not: waiting for the next one, sending.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message as MimeMessage
from typing import TYPE_CHECKING

from mailbalance.errors import ConfigError
from mailbalance.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.bulk.handling import Handling
    from mailbalance.bulk.order import Held
    from mailbalance.intake import Sendable


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

    def __init__(self, handling: Handling) -> None:
        self.more = True
        self._handling = handling
        self._index = 0
        self._failure: Exception | None = None

    def begin(self, give: Callable[[], Sendable]) -> Held | None:
        """Begin the message that is given next, if there is one.

        What goes wrong is kept for ``end``: those before it have results to come.
        """
        try:
            held = self._handling.begin(self._index, give())
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
