"""The demo's work: many messages sent from a few threads, and what came of each.

What lives here: sending, and keeping for each message what the client was told and what the
doors counted. What must not: judging it (``demo_facts``), or showing it (``demo``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from mailbalance.errors import DeliveryError
from mailbalance.mailer import Mailer
from mailbalance.routing import Dispatcher

if TYPE_CHECKING:
    from mailbalance.backend import Attempt, Receipt
    from mailbalance.routing import Share
    from mailbalance.sandbox import Counts, Sandbox
    from mailbalance.sandbox.store import Door

#: 60 for SES and 40 for Mailtrap, each through both of its doors.
SPLIT = "ses=30,ses-smtp=30,mailtrap=20,mailtrap-smtp=20"

#: Messages in flight at once; more gain nothing, since client and doors share one process.
_THREADS = 8

Told: TypeAlias = "Receipt | DeliveryError"


@dataclass(slots=True)
class Phase:
    """One stretch of messages.

    Attributes:
        told: What the client was told of each message, by its mark.
        seen: How often the doors took each of them over, by its mark.
        assigned: What the split chose, by backend.
        accepted: What each door took over.
        unanswered: Those of them whose client was never told.
        refused: What each door turned down.
    """

    told: dict[str, Told] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def receipts(self) -> list[Receipt]:
        """What was accepted, as the client was told."""
        return [t for t in self.told.values() if not isinstance(t, DeliveryError)]

    @property
    def errors(self) -> list[DeliveryError]:
        """What was not, or is unknown."""
        return [t for t in self.told.values() if isinstance(t, DeliveryError)]

    def attempts(self, backend: str) -> list[Attempt]:
        """Give every attempt that one backend made."""
        every = (attempt for told in self.told.values() for attempt in told.attempts)
        return [attempt for attempt in every if attempt.backend == backend]


@contextmanager
def demo_mailer(box: Sandbox, seed: int) -> Iterator[Mailer]:
    """Give a mailer on the doors of a box, its split started by ``seed``."""
    with Mailer.from_env(box.environ(SPLIT)) as mailer:

        def start() -> random.Random:
            return random.Random(seed)  # noqa: S311 - a split's start is no secret

        dispatcher = Dispatcher(mailer.dispatcher.entries, random=start)
        mailer.assemble(dispatcher, mailer.timing, mailer.keys)
        yield mailer


def send_many(
    mailer: Mailer,
    box: Sandbox,
    marks: Iterable[str],
    advance: Callable[[], None],
) -> Phase:
    """Send one message for each mark and gather what client and doors know of them.

    Args:
        mailer: Who sends.
        box: Who takes them.
        marks: What tells each message from the others, at every door.
        advance: Called after each.
    """
    shares, counts = mailer.split(), box.counts()
    phase = Phase()
    with ThreadPoolExecutor(_THREADS, "demo") as pool:
        futures = {pool.submit(_send, mailer, mark): mark for mark in marks}
        try:
            for future in as_completed(futures):
                phase.told[futures[future]] = future.result()
                advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _count(phase, box, shares, counts, mailer.split())
    return phase


def _send(mailer: Mailer, mark: str) -> Told:
    try:
        return mailer.send(
            to=f"Reader <reader-{mark}@example.com>",
            subject=f"Demo message {mark}",
            text="Sent by 'mailbalance demo' to the local sandbox on this machine.",
            html="<p>Sent by <b>mailbalance demo</b> to the local sandbox.</p>",
            category="demo",
            metadata={"demo_id": mark},
        )
    except DeliveryError as error:
        return error


def _count(
    phase: Phase,
    box: Sandbox,
    shares: tuple[Share, ...],
    counts: dict[Door, Counts],
    after: tuple[Share, ...],
) -> None:
    """Fill in what changed since ``shares`` and ``counts`` were taken."""
    for old, new in zip(shares, after, strict=True):
        phase.assigned[new.backend] = new.assigned - old.assigned
    for door, now in box.counts().items():
        before = counts[door]
        phase.accepted[door] = now.accepted - before.accepted
        phase.unanswered[door] = now.unanswered - before.unanswered
        phase.refused[door] = now.refused - before.refused
    seen = box.seen()
    phase.seen = {mark: seen.get(mark, 0) for mark in phase.told}
