"""Faults on demand: what a door shall do wrong, how often.

What lives here: the list of faults and the decision which of them strikes. What must
not: how a door shows a fault; each speaks its provider's words.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from mailbalance.sandbox.store import DOORS, Door

Kind = Literal["refuse", "throttle", "delay", "drop", "error", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing a door does wrong.

    Attributes:
        kind: ``refuse`` (no connection), ``throttle`` (too fast), ``delay`` (wait, then
            go on), ``drop`` (accept, then close without a reply), ``error`` (trouble of
            the server) or ``reject`` (this message never).
        seconds: Length of a ``delay``.
        code: HTTP status or SMTP code instead of the usual one.
        text: Words of the reply instead of the usual ones.
        retry_after: Seconds in a ``Retry-After`` header (HTTP ``throttle`` and ``error``).
        count: Strike so many times, then heal; ``None``: until healed.
        rate: Share of requests to strike, 0 to 1, by a seeded generator.
    """

    kind: Kind
    seconds: float = 0.0
    code: int | None = None
    text: str | None = None
    retry_after: float | None = None
    count: int | None = None
    rate: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            known = ", ".join(get_args(Kind))
            raise ValueError(f"unknown fault {self.kind!r}; there are {known}")
        if not 0 <= self.rate <= 1:
            raise ValueError("rate is a share from 0 to 1")
        if self.seconds < 0 or (self.count is not None and self.count < 1):
            raise ValueError("seconds must not be negative, count must be 1 or more")

    @property
    def total(self) -> bool:
        """Strikes always, until healed."""
        return self.count is None and self.rate == 1.0


@dataclass(frozen=True, slots=True)
class Strike:
    """What shall go wrong with one message."""

    delay: float = 0.0
    fault: Fault | None = None


_NOTHING = Strike()


@dataclass(slots=True)
class Faults:
    """The faults of every door; safe to use from any thread."""

    seed: int = 0
    _by_door: dict[Door, list[Fault]] = field(default_factory=dict, init=False)
    _random: random.Random = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - chance, not secrets

    def add(self, door: Door, fault: Fault) -> None:
        """Add a fault; it takes the place of one of the same kind."""
        if door not in DOORS:
            raise ValueError(f"unknown door {door!r}; there are {', '.join(DOORS)}")
        with self._lock:
            others = [f for f in self._by_door.get(door, []) if f.kind != fault.kind]
            self._by_door[door] = [*others, fault]

    def heal(self, door: Door | None = None) -> None:
        """Take all faults away, from one door or from every door."""
        with self._lock:
            if door is None:
                self._by_door.clear()
            else:
                self._by_door.pop(door, None)

    def listing(self) -> dict[Door, tuple[Fault, ...]]:
        """The faults in force, by door."""
        with self._lock:
            return {door: tuple(found) for door, found in self._by_door.items()}

    def closed(self, door: Door) -> bool:
        """Whether nobody listens at this door: a ``refuse`` without count or rate."""
        return any(f.kind == "refuse" and f.total for f in self._by_door.get(door, ()))

    def refuses(self, door: Door) -> bool:
        """Whether to turn away this connection, or this request on an old one.

        Only for a ``refuse`` with count or rate; for the others see ``closed``.
        """
        if not self._by_door.get(door):
            return False
        with self._lock:
            return any(
                f.kind == "refuse" and not f.total and self._hits(door, f)
                for f in tuple(self._by_door.get(door, ()))
            )

    def strike(self, door: Door) -> Strike:
        """Decide what goes wrong with the message that has just come."""
        if not self._by_door.get(door):
            return _NOTHING
        delay, chosen = 0.0, None
        with self._lock:
            for fault in tuple(self._by_door.get(door, ())):
                if fault.kind == "delay":
                    delay += fault.seconds if self._hits(door, fault) else 0.0
                elif fault.kind != "refuse" and chosen is None:
                    chosen = fault if self._hits(door, fault) else None
        return Strike(delay, chosen)

    def _hits(self, door: Door, fault: Fault) -> bool:
        if fault.rate < 1.0 and self._random.random() >= fault.rate:
            return False
        if fault.count is not None:
            rest = [f for f in self._by_door[door] if f is not fault]
            if fault.count > 1:
                rest.append(replace(fault, count=fault.count - 1))
            self._by_door[door] = rest
        return True
