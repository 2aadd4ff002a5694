"""What arrived at the doors, and how often.

What lives here: the memory of the local sandbox; safe to use from any thread. What must
not: the words of a provider, or the network.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from mailbalance.sandbox.reading import Parsed, read

Door = Literal["ses", "mailtrap", "ses-smtp", "mailtrap-smtp"]
DOORS: tuple[Door, ...] = ("ses", "mailtrap", "ses-smtp", "mailtrap-smtp")

#: Identities remembered to find duplicates; beyond it the oldest are forgotten, so that a
#: flood cannot fill the memory (about 200 bytes each).
MAX_IDENTITIES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One message that a door took over, before it is numbered.

    Attributes:
        sender: Envelope sender, an addr-spec; may be empty.
        recipients: Envelope recipients, addr-specs.
        raw: What came over the wire: MIME at the SMTP doors, the JSON of this one message
            at the HTTP doors.
        provider_ids: The ids that the reply gives to the client.
        identity: What tells this message from others across retries, if it has it.
        path: Path of the request; empty at the SMTP doors.
    """

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    provider_ids: tuple[str, ...]
    identity: str | None = None
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Stored(Arrival):
    """One message that a door took over.

    Attributes:
        id: Number in order of arrival, from 1.
        door: Where it came in.
        received_at: When it was taken over, in UTC.
        answered: Whether the client was told; ``False`` after an accept-then-drop, or
            when the client had gone.
    """

    id: int
    door: Door
    received_at: datetime
    answered: bool

    @property
    def provider(self) -> str:
        """``ses`` or ``mailtrap``."""
        return self.door.removesuffix("-smtp")

    @cached_property
    def parsed(self) -> Parsed:
        """The parts of the message; read at first use."""
        return read(self.door, self.raw, self.recipients)


@dataclass(slots=True)
class Counts:
    """What happened at one door since it was last cleared.

    Attributes:
        accepted: Messages taken over, answered or not.
        unanswered: Messages taken over of which the client was never told.
        refused: Requests or SMTP transactions turned down, by fault or by rule.
    """

    accepted: int = 0
    unanswered: int = 0
    refused: int = 0

    @property
    def answered(self) -> int:
        """Messages taken over of which the client was told."""
        return self.accepted - self.unanswered


def _fresh_counts() -> dict[Door, Counts]:
    return {door: Counts() for door in DOORS}


@dataclass(slots=True)
class Store:
    """Keeps the newest messages, and counts all of them.

    Attributes:
        keep: Most messages kept; older ones make room, their counts stay.
        keep_bytes: Most bytes kept of them, but always the newest message.
    """

    keep: int = 10_000
    keep_bytes: int = 256 * 1024 * 1024
    _kept: deque[Stored] = field(init=False)
    _counts: dict[Door, Counts] = field(default_factory=_fresh_counts, init=False)
    _recipients: Counter[Door] = field(default_factory=Counter, init=False)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)
    _numbers: Iterable[int] = field(init=False)
    _bytes: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._kept = deque()
        self._numbers = itertools.count(1)

    def accept(self, door: Door, arrival: Arrival, *, answered: bool = True) -> Stored:
        """Take a message over; from here on it is delivered, told or not."""
        with self._lock:
            stored = Stored(
                **vars(arrival),
                id=next(iter(self._numbers)),
                door=door,
                received_at=datetime.now(UTC),
                answered=answered,
            )
            self._keep(stored)
            counts = self._counts[door]
            counts.accepted += 1
            counts.unanswered += not answered
            self._recipients[door] += len(arrival.recipients)
            self._remember(arrival)
        return stored

    def refuse(self, door: Door) -> None:
        """Count one attempt that was turned down."""
        with self._lock:
            self._counts[door].refused += 1

    def messages(self, door: Door | None = None) -> list[Stored]:
        """The messages kept, oldest first."""
        with self._lock:
            return [m for m in self._kept if door is None or m.door == door]

    def message(self, number: int) -> Stored | None:
        """One message by its number, if it is still kept."""
        return next((m for m in self.messages() if m.id == number), None)

    def counts(self) -> dict[Door, Counts]:
        """A copy of the counts of each door."""
        with self._lock:
            return {
                door: Counts(c.accepted, c.unanswered, c.refused)
                for door, c in self._counts.items()
            }

    def recipients(self, *doors: Door) -> int:
        """How many recipients the messages of these doors had."""
        with self._lock:
            return sum(self._recipients[door] for door in doors)

    def seen(self) -> Mapping[str, int]:
        """How often each identity was accepted for the same recipient, at any door."""
        times: dict[str, int] = {}
        with self._lock:
            for (identity, _), count in self._seen.items():
                times[identity] = max(count, times.get(identity, 0))
        return times

    def clear(self) -> None:
        """Forget messages, counts and identities; numbers go on."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self._seen.clear()
            self._recipients.clear()
            self._counts = _fresh_counts()

    def _keep(self, stored: Stored) -> None:
        self._kept.append(stored)
        self._bytes += len(stored.raw)
        while len(self._kept) > 1 and (
            len(self._kept) > self.keep or self._bytes > self.keep_bytes
        ):
            self._bytes -= len(self._kept.popleft().raw)

    def _remember(self, arrival: Arrival) -> None:
        if arrival.identity is None:
            return
        for recipient in arrival.recipients:
            self._seen[arrival.identity, recipient] += 1
        while len(self._seen) > MAX_IDENTITIES:
            del self._seen[next(iter(self._seen))]
