"""The backend that prints messages instead of sending them, for development.

What lives here: ``ConsoleBackend``. What must not: anything a message's reader would not
want to see; it prints the rendered message and nothing else.
"""

from __future__ import annotations

import sys
import threading
from datetime import date
from typing import TYPE_CHECKING, TextIO

from mailbalance import mime
from mailbalance.backend import Limits, Receipt
from mailbalance.backends._pace import OPTIONS, read_pace
from mailbalance.errors import ConfigError

if TYPE_CHECKING:
    from typing import Self

    from mailbalance.config import BackendSettings
    from mailbalance.config.rates import Whole
    from mailbalance.message import Envelope, Message

_NO_LIMITS = Limits(
    size=sys.maxsize,
    recipients=sys.maxsize,
    source="console",
    checked=date(2026, 11, 23),
)


class ConsoleBackend:
    """Prints each message with its envelope; safe to share between threads.

    Args:
        name: Its name in the split.
        stream: Where to print; default standard output, looked up at each send.
        rate: How fast to take messages, such as ``50/hour``.
        concurrency: Messages at once.
        processes: How many processes share these limits.

    Raises:
        ConfigError: When one of these limits is not understood.
    """

    def __init__(
        self,
        name: str = "console",
        *,
        stream: TextIO | None = None,
        rate: str | None = None,
        concurrency: Whole = None,
        processes: Whole = None,
    ) -> None:
        problems: list[str] = []
        pace = read_pace(problems, name, rate, concurrency, processes)
        if problems:
            raise ConfigError(problems)
        self.limits = pace.over(_NO_LIMITS)
        self.name = name
        self.account = name
        self._stream = stream
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> Self:
        """Make one as configured.

        Raises:
            ConfigError: For any option but those that limit it, or a mistake in one.
        """
        problems = settings.unknown_options(OPTIONS)
        if problems:
            raise ConfigError(problems)
        options = settings.options
        return cls(
            settings.name,
            rate=options.get("rate"),
            concurrency=options.get("concurrency"),
            processes=options.get("processes"),
        )

    def __repr__(self) -> str:
        return f"ConsoleBackend({self.name!r})"

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Refuse nothing."""
        return None

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Give what would be printed."""
        text = mime.render(message).decode("utf-8", "replace").replace("\r\n", "\n")
        recipients = ", ".join(envelope.recipients)
        return f"Envelope: {envelope.sender} -> {recipients}\n{text}"

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Print the message."""
        stream = self._stream or sys.stdout
        rule = "-" * 72
        with self._lock:
            stream.write(f"{rule}\n{self.preview(message, envelope)}\n{rule}\n")
            stream.flush()
        return Receipt(
            outcome="accepted",
            backend=self.name,
            message_id=message.stamp().message_id,
            accepted=envelope.recipients,
        )

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Do as ``send`` does."""
        return self.send(message, envelope, timeout=timeout)

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""
