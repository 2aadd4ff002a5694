"""A mailbox that catches what a mailer would have sent.

What lives here: ``capture()`` and ``Mailbox``. Routing, validation, retries and failover
run as in production; only the backends are replaced by memory ones, and nothing waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from mailbalance import default
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.memory import MemoryBackend, Sent
from mailbalance.backends.ses import SesBackend
from mailbalance.delivery.key_store import MemoryKeys
from mailbalance.delivery.retry import Timing
from mailbalance.errors import ConfigError, DeliveryError
from mailbalance.mailer import Mailer
from mailbalance.routing import Dispatcher, Entry


class Mailbox:
    """What was sent while a mailer was captured.

    Attributes:
        mailer: The captured mailer.
        sent: Every message, in the order sent.
    """

    def __init__(self, mailer: Mailer, outlets: dict[str, MemoryBackend]) -> None:
        self.mailer = mailer
        self.sent: deque[Sent] = deque()
        self._outlets = outlets
        for outlet in outlets.values():
            outlet.sent = self.sent

    def __len__(self) -> int:
        return len(self.sent)

    def __iter__(self) -> Iterator[Sent]:
        return iter(self.sent)

    @property
    def last(self) -> Sent:
        """The message sent last.

        Raises:
            AssertionError: When none was sent.
        """
        if not self.sent:
            raise AssertionError("no message was sent")
        return self.sent[-1]

    def by(self, backend: str) -> list[Sent]:
        """Give the messages that this backend carried."""
        return [sent for sent in self.sent if sent.backend == backend]

    def to(self, address: str) -> list[Sent]:
        """Give the messages that went to this address, as To, Cc or Bcc."""
        return [sent for sent in self.sent if address in sent.envelope.recipients]

    def clear(self) -> None:
        """Forget what was sent."""
        self.sent.clear()

    def answer(self, backend: str, *answers: DeliveryError | None) -> None:
        """Let a backend raise these errors next, ``None`` standing for "accepted"."""
        if backend not in self._outlets:
            known = ", ".join(self._outlets)
            raise ConfigError(f"no backend {backend!r} here; they are {known}")
        self._outlets[backend].answer(*answers)

    def assert_sent(
        self,
        *,
        to: str | None = None,
        subject: str | None = None,
        by: str | None = None,
        count: int | None = None,
    ) -> Sent:
        """Check that messages like this were sent, and give the last of them.

        Args:
            to: An address it went to.
            subject: Its whole subject.
            by: The backend that carried it.
            count: How many there must be; default at least one.

        Raises:
            AssertionError: Says how many of the messages sent matched.
        """
        found = [
            sent
            for sent in self.sent
            if (to is None or to in sent.envelope.recipients)
            and (subject is None or sent.message.subject == subject)
            and (by is None or sent.backend == by)
        ]
        if not found or (count is not None and len(found) != count):
            wanted = "at least 1" if count is None else str(count)
            raise AssertionError(
                f"{len(found)} of the {len(self.sent)} messages sent match, not {wanted}"
            )
        return found[-1]


@contextmanager
def capture(mailer: Mailer | None = None) -> Iterator[Mailbox]:
    """Keep what a mailer sends in memory, for as long as the block runs.

    Args:
        mailer: The mailer to capture; default the one behind ``mailbalance.send()``. If
            that is not configured, one that splits 60/40 between ``ses`` and ``mailtrap``
            stands in for it.
    """
    if mailer is not None:
        with _captured(mailer) as mailbox:
            yield mailbox
        return
    before = default.replace_default(None)
    try:
        with _captured(before or _default_mailer()) as mailbox:
            default.replace_default(mailbox.mailer)
            yield mailbox
    finally:
        default.replace_default(before)


def _default_mailer() -> Mailer:
    try:
        return Mailer.from_env()
    except ConfigError:
        # They refuse what the real ones do, and never connect; another host than
        # Mailtrap's has no published rate, which no test needs.
        real_ses = SesBackend(region="us-east-1", environ={})
        real_mailtrap = MailtrapBackend(token="-", base_url="https://localhost")  # noqa: S106
        ses = MemoryBackend("ses", stands_for=real_ses)
        mailtrap = MemoryBackend("mailtrap", stands_for=real_mailtrap)
        return Mailer({ses: 60, mailtrap: 40}, from_="sender@example.com")


@contextmanager
def _captured(mailer: Mailer) -> Iterator[Mailbox]:
    outlets = {
        name: MemoryBackend(name, account=backend.account, stands_for=backend)
        for name, backend in mailer.backends.items()
    }
    entries = [
        Entry(outlets[entry.backend.name], entry.weight, backup=entry.backup)
        for entry in mailer.dispatcher.entries
    ]
    before = mailer.dispatcher, mailer.timing, mailer.keys
    caught = Dispatcher(entries, unit=mailer.dispatcher.unit)
    mailer.assemble(caught, _no_waiting(), MemoryKeys())
    try:
        yield Mailbox(mailer, outlets)
    finally:
        mailer.assemble(*before)


def _no_waiting() -> Timing:
    """Give a timing in which every wait is over at once."""

    async def asleep(_: float) -> None:
        await asyncio.sleep(0)  # over at once, but others have their turn

    return Timing(sleep=lambda _: time.sleep(0), asleep=asleep)
