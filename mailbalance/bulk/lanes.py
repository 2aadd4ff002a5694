"""Which messages travel together.

What lives here: ``Member``, and ``Lanes``, which gathers members of one backend until its
load is full or they have waited long enough. Pure: time is passed in. What must not:
sending, threads, tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from mailbalance.backend import Backend, Try
    from mailbalance.batch import Batching, Load, Mail
    from mailbalance.bulk.order import Held
    from mailbalance.job import Job
    from mailbalance.message import Message

#: Seconds without another message after which a batch goes as it is, and the seconds
#: after which it goes in any case.
LINGER, LONGEST = 0.05, 1.0


@dataclass(slots=True, eq=False)
class Member:
    """One message that is under way.

    Attributes:
        index: Its place among those given.
        message: The message.
        job: Its own plan, and who is told.
        held: Where its result goes.
        step: What the plan says to do next.
        due: When that may be done.
    """

    index: int
    message: Message
    job: Job
    held: Held = field(init=False)
    step: Try = field(init=False)
    due: float = 0.0

    def take(self, step: Try, now: float) -> None:
        """Take what the plan says to do next."""
        self.step, self.due = step, now + step.delay


@dataclass(slots=True, eq=False)
class Batch:
    """Messages that go together.

    Attributes:
        backend: Who takes them.
        members: Whose messages they are.
        batching: The same, as one that takes batches.
        since: When the first came.
        latest: When the last came.
        size: Their bytes.
    """

    backend: Backend
    batching: Batching
    since: float
    latest: float
    members: list[Member] = field(default_factory=list)
    size: int = 0

    @property
    def mails(self) -> list[Mail]:
        """The messages with their envelopes."""
        return [
            (each.message, each.job.envelope(each.step.recipients))
            for each in self.members
        ]

    @property
    def timeout(self) -> float:
        """Seconds that the attempt may take: the least that any of them has."""
        return min(each.step.timeout for each in self.members)

    def is_due(self, now: float) -> bool:
        """Whether it has waited long enough for more."""
        return now - self.latest >= LINGER or now - self.since >= LONGEST

    def close(self) -> None:
        """Give it up before it went: its messages were never begun."""
        for member in self.members:
            member.job.steps.close()

    def has_room(self, size: int) -> bool:
        """Whether another message of so many bytes fits."""
        load: Load = self.batching.load
        return len(self.members) < load.messages and self.size + size <= load.size


class Lanes:
    """Gathers messages that may go together."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Batch] = {}

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, member: Member, batching: Batching, now: float) -> list[Batch]:
        """Take a message in; give the batches that it made full, or did not fit into."""
        step, size = member.step, member.message.size()
        key = step.backend.name, batching.lane(member.message)
        batch, full = self._lanes.get(key), []
        if batch is not None and not batch.has_room(size):
            full.append(self._lanes.pop(key))
            batch = None
        if batch is None:
            batch = self._lanes[key] = Batch(step.backend, batching, now, now)
        batch.members.append(member)
        batch.size += size
        batch.latest = now
        if not batch.has_room(1):
            full.append(self._lanes.pop(key))
        return full

    def due(self, now: float) -> list[Batch]:
        """Give the batches that have waited long enough."""
        keys = [key for key, batch in self._lanes.items() if batch.is_due(now)]
        return [self._lanes.pop(key) for key in keys]

    def flush(self) -> list[Batch]:
        """Give all that is left."""
        left = list(self._lanes.values())
        self._lanes.clear()
        return left
