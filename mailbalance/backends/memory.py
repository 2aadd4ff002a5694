"""The backend that keeps messages instead of sending them, for tests.

What lives here: ``MemoryBackend``, which remembers what it got and answers what it was
told to. What must not: a network, a delay, or a limit of its own.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from mailbalance.backend import Limits, Receipt
from mailbalance.backends._pace import OPTIONS, read_pace
from mailbalance.errors import ConfigError, DeliveryError

if TYPE_CHECKING:
    from typing import Self

    from mailbalance.backend import Backend
    from mailbalance.config import BackendSettings
    from mailbalance.config.rates import Whole
    from mailbalance.message import Envelope, Message


_NO_LIMITS = Limits(
    size=sys.maxsize,
    recipients=sys.maxsize,
    source="memory",
    checked=date(2026, 11, 23),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that a memory backend accepted."""

    backend: str
    message: Message
    envelope: Envelope


class MemoryBackend:
    """Accepts everything, or answers a script; safe to share between threads.

    Args:
        name: Its name in the split.
        account: Its account; default its name.
        answers: What to answer, in order, before accepting everything: ``None`` accepts,
            a ``Receipt`` is given back, an error is raised.
        keep: How many messages to keep; the oldest go first. Default all.
        stands_for: A backend whose limits and refusals to have, as if it were that one.
        rate: How fast to take messages, such as ``50/hour``.
        concurrency: Messages at once.
        processes: How many processes share these limits.

    Raises:
        ConfigError: When one of these limits is not understood.
    """

    def __init__(
        self,
        name: str = "memory",
        *,
        account: str | None = None,
        answers: Iterable[Receipt | DeliveryError | None] = (),
        keep: int | None = None,
        stands_for: Backend | None = None,
        rate: str | None = None,
        concurrency: Whole = None,
        processes: Whole = None,
    ) -> None:
        problems: list[str] = []
        pace = read_pace(problems, name, rate, concurrency, processes)
        if problems:
            raise ConfigError(problems)
        self.name = name
        self.account = account or name
        self.limits = stands_for.limits if stands_for else pace.over(_NO_LIMITS)
        self._stands_for = stands_for
        self.sent: deque[Sent] = deque(maxlen=keep)
        self.tries = 0
        self._answers = deque(answers)
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
        return f"MemoryBackend({self.name!r}, {len(self.sent)} sent)"

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Refuse what the backend it stands for would, or nothing."""
        if self._stands_for is None:
            return None
        return self._stands_for.refuses(message, envelope)

    def answer(self, *answers: Receipt | DeliveryError | None) -> None:
        """Add to what it answers next."""
        with self._lock:
            self._answers.extend(answers)

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Tell that the message would be kept."""
        return f"keep in memory: {len(envelope.recipients)} recipients"

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Keep the message, or answer as told."""
        with self._lock:
            self.tries += 1
            answer = self._answers.popleft() if self._answers else None
            if isinstance(answer, DeliveryError):
                answer.backend = answer.backend or self.name
                raise answer
            self.sent.append(Sent(self.name, message, envelope))
        return answer or Receipt(
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
