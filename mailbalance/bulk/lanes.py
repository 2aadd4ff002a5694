"""Which messages travel together.

What lives here: ``Member``, and ``Lanes``, which gathers members of one backend until its
load is full or they have waited long enough. Pure: time is passed in. What must not:
sending, threads, tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from mailbalance.backend import Backend, Try
    from mailbalance.batch import Batching, Load, Mail
    from mailbalance.job import Job
    from mailbalance.message import Message

#: Seconds that a message waits for others to go with.
LINGER = 0.05


@dataclass(slots=True, eq=False)
class Member:
    """One message that is under way.

    Attributes:
        index: Its place among those given.
        message: The message.
        job: Its own plan, and who is told.
        step: What the plan says to do first.
        end: The future of its result, a thread's or a loop's.
    """

    index: int
    message: Message
    job: Job
    step: Try
    end: Any = None


@dataclass(slots=True, eq=False)
class Batch:
    """Messages that go together.

    Attributes:
        backend: Who takes them.
        members: Whose messages they are.
        since: When the first came.
        size: Their bytes.
    """

    backend: Backend
    batching: Batching
    since: float
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

    def has_room(self, size: int) -> bool:
        """Whether another message of so many bytes fits."""
        load: Load = self.batching.load
        return len(self.members) < load.messages and self.size + size <= load.size


class Lanes:
    """Gathers messages that may go together."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Batch] = {}

    def add(self, member: Member, batching: Batching, now: float) -> Iterator[Batch]:
        """Take a message in; give the batch that it made full, or did not fit into."""
        step, size = member.step, member.message.size()
        key = step.backend.name, batching.lane(member.message)
        batch = self._lanes.get(key)
        if batch is not None and not batch.has_room(size):
            yield self._lanes.pop(key)
            batch = None
        if batch is None:
            batch = self._lanes[key] = Batch(step.backend, batching, now)
        batch.members.append(member)
        batch.size += size
        if not batch.has_room(1):
            yield self._lanes.pop(key)

    def due(self, now: float, linger: float = LINGER) -> list[Batch]:
        """Give the batches whose first message has waited long enough."""
        keys = [k for k, batch in self._lanes.items() if now - batch.since >= linger]
        return [self._lanes.pop(key) for key in keys]

    def flush(self) -> list[Batch]:
        """Give all that is left."""
        return self.due(0.0, -float("inf"))
