"""How one backend looks to one message, and which of several looks best.

What lives here: ``Ask``, ``View`` and ``best()``; pure but for the pass that ``grant``
takes from a gate. What must not: locks, or the memory of earlier messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from mailbalance.routing.gate import Pass

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from mailbalance.backend import Backend
    from mailbalance.events import HealthChanged
    from mailbalance.routing.gate import Gate, Kind
    from mailbalance.routing.health import Breaker


class Candidate(Protocol):
    """A backend that a plan would try.

    Attributes:
        backend: Which one.
        tries: How often it was tried for this message.
        not_before: When its own wait after the last try ends.
    """

    backend: Backend
    tries: int
    not_before: float


@dataclass(slots=True)
class Fresh:
    """A candidate of a message that was not tried anywhere yet."""

    backend: Backend
    tries: int = 0
    not_before: float = 0.0


@dataclass(slots=True)  # not frozen, which costs more than all the rest of a choice
class Ask:
    """What one message needs; nobody changes it.

    Attributes:
        sender: The domain it comes from.
        recipients: How many it is for.
        now: The time.
        latest: The last moment at which a try may begin.
        assigned: The backend that the split chose, if nothing was tried yet.
        together: The backends by which it may go with other messages.
    """

    sender: str
    recipients: int
    now: float
    latest: float
    assigned: str | None = None
    together: Container[str] = ()


class View:
    """One candidate as it stands now.

    Attributes:
        gate: What is known of it.
        fit: Whether its health lets a message go: freely, as the one probe, or not.
        wait: Seconds until its rates, its pauses and the message's own wait are over.
    """

    __slots__ = (
        "_affordable", "_candidate", "_kind", "_place", "_watching", "fit", "gate", "wait",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate,
        place: int,
        candidate: Candidate,
        ask: Ask,
        *,
        sender: Breaker | None,
        frozen: bool,
    ) -> None:
        self.gate = gate
        self._place = place
        self._candidate = candidate
        self._watching: tuple[Breaker, ...] = gate.breakers
        if sender is not None:
            self._watching += (sender,)
        self.fit = _fit(self._watching, ask.now, frozen=frozen)
        # One that must wait or ask first goes by itself: others are not held up by it.
        self._kind: Kind = "single"
        if gate.name in ask.together and self.fit == "yes" and not gate.asks(ask.now):
            self._kind = "together"
        self.wait = gate.wait(ask.recipients, ask.now, self._kind)
        if self.wait > 0 and self._kind == "together":
            self._kind = "single"
            self.wait = gate.wait(ask.recipients, ask.now)
        self._affordable = True
        if candidate.tries:
            self.wait = max(self.wait, candidate.not_before - ask.now)
            self._affordable = gate.budget.retries > 0

    @property
    def goes_at_once(self) -> bool:
        """Whether nothing speaks against it."""
        return (
            self.fit != "no"
            and self.wait <= 0
            and self._affordable
            and not self._is_full
        )

    @property
    def _is_full(self) -> bool:
        # What goes together takes its place when it goes.
        return self.gate.is_full and self._kind == "single"

    @property
    def why_not(self) -> str:
        """What speaks against it, in words; ``""`` when nothing does."""
        if self.fit == "no":
            return next(each.reason for each in self._watching if each.reason)
        if self.wait > 0:
            return f"no room for {self.wait:.1f} s"
        if self._is_full:
            return f"{self.gate.in_flight} messages are under way, and no more may be"
        return "" if self._affordable else "too many messages were tried again there"

    def may_go(self, ask: Ask) -> bool:
        """Whether it could be tried in time, were it fit."""
        return self._affordable and ask.now + self.wait <= ask.latest

    def order_of_room(self) -> tuple[float, int]:
        """Rank it among those that are fit: who has room first."""
        full = self.gate.pace if self._is_full else 0.0
        return max(self.wait, full), self._place

    def order_of_need(self, now: float) -> tuple[int, float, int]:
        """Rank it when none is fit: who was not tried yet, then whose rest ends first."""
        due = max(breaker.due(now) for breaker in self._watching)
        return self._candidate.tries, due, self._place

    def grant(self, ask: Ask) -> tuple[Pass, list[HealthChanged | None]]:
        """Take a pass; give it with the changes of health that this makes."""
        wait = max(0.0, self.wait)
        given = Pass(
            self._place,
            self.gate,
            wait,
            ask.now + wait,
            ask.sender,
            self._kind,
            repeated=self._candidate.tries > 0,
            watching=self._watching,
        )
        changes: list[HealthChanged | None] = []
        if self.fit == "probe":
            given.held = tuple(
                each for each in self._watching if each.fit(ask.now) == "probe"
            )
            changes += [breaker.begin(ask.now) for breaker in given.held]
        probing = hasattr(self._candidate.backend, "probe")
        if probing and any(each.scope != "sender" for each in given.held):
            given.probe = "must"
        self.gate.take(given, ask.recipients, probing=probing)
        return given, changes


def best(views: Sequence[View], ask: Ask) -> View | None:
    """Choose among those of whom none can go at once; ``None`` when none can in time."""
    able = [view for view in views if view.may_go(ask)]
    fit = [view for view in able if view.fit != "no"]
    if fit:
        return min(fit, key=View.order_of_room)
    return min(able, key=lambda view: view.order_of_need(ask.now), default=None)


def _fit(
    watching: Iterable[Breaker], now: float, *, frozen: bool
) -> Literal["yes", "probe", "no"]:
    """Join what several breakers say; a frozen backend is not probed."""
    found: Literal["yes", "probe", "no"] = "yes"
    for breaker in watching:
        if breaker.state == "healthy":
            continue
        fit = "no" if frozen else breaker.fit(now)
        if fit == "no":
            return "no"
        found = fit
    return found
