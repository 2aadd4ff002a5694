"""Which messages travel together.

What lives here: ``Member``, and ``Lanes``, which gathers members of one backend until its
load is full or they have waited long enough. Pure: time is passed in. What must not:
sending, threads, tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbalance.bulk.order import Held

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from mailbalance.backend import Backend, Try
    from mailbalance.batch import Batching, Load, Mail
    from mailbalance.job import Job
    from mailbalance.message import Message

#: Seconds without another message after which a batch goes as it is, and the seconds
#: after which it goes in any case.
LINGER, LONGEST = 0.05, 1.0


@dataclass(slots=True, eq=False)
class Member(Held):
    """One message that is under way.

    Attributes:
        message: The message.
        job: Its own plan, and who is told.
        lanes: Of the backends that take it together with others, by name: with which.
        step: What the plan says to do next.
        due: When that may be done, if it has a delay.
    """

    message: Message
    job: Job
    lanes: Mapping[str, Hashable]
    step: Try
    due: float = field(default=0.0, init=False)


@dataclass(slots=True, eq=False)
class Batch:
    """Messages that go together.

    Attributes:
        backend: Who takes them.
        batching: The same, as one that takes batches.
        since: When the first came.
        timeout: Seconds that the attempt may take: the least that any of them has.
        latest: When the last came.
        members: Whose messages they are.
        size: Their bytes, at most.
    """

    backend: Backend
    batching: Batching
    since: float
    timeout: float
    latest: float = field(init=False)
    members: list[Member] = field(default_factory=list)
    size: int = 0

    @property
    def mails(self) -> list[Mail]:
        """The messages with their envelopes."""
        return [
            (each.message, each.job.envelope(each.step.recipients))
            for each in self.members
        ]

    def add(self, member: Member, size: int, now: float) -> None:
        """Take a message in, of so many bytes at most."""
        self.members.append(member)
        self.size += size
        self.latest = now
        if member.step.timeout < self.timeout:
            self.timeout = member.step.timeout

    def is_due(self, now: float) -> bool:
        """Whether it has waited long enough for more."""
        return now - self.latest >= LINGER or now - self.since >= LONGEST

    def close(self) -> None:
        """Give it up before it went: its messages were never begun."""
        for member in self.members:
            member.job.steps.close()


class Lanes:
    """Gathers messages that may go together.

    Args:
        batching: Who takes several, by name.
    """

    def __init__(self, batching: Mapping[str, Batching]) -> None:
        self._batching = batching
        self._lanes: dict[Hashable, Batch] = {}

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, member: Member, now: float) -> list[Batch]:
        """Take a message in; give the batches that it made full, or did not fit into."""
        step, full = member.step, []
        name = step.backend.name
        batching, key = self._batching[name], (name, member.lanes[name])
        load = batching.load
        size = _counted(member.message, load)
        batch = self._lanes.get(key)
        if batch is not None and batch.size + size > load.size:
            full.append(self._lanes.pop(key))
            batch = None
        if batch is None:
            batch = Batch(step.backend, batching, now, step.timeout)
            self._lanes[key] = batch
        batch.add(member, size, now)
        if len(batch.members) >= load.messages or batch.size >= load.size:
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


def _counted(message: Message, load: Load) -> int:
    """Give the bytes of a message, at most.

    One that is surely within its share of the load counts as that, unmeasured: as many of
    these as go together fit, and measuring takes longer than all else here.
    """
    share = load.size // load.messages
    return message.size() if message.may_exceed(share) else share
