"""May this backend be tried now: a permit, and what one gate says about giving it.

A gate joins a backend's breaker, rates, pause and retry budget. Nothing here takes a lock;
the dispatcher does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mailbalance.errors import DeliveryError
from mailbalance.routing.circuit_breaker import OURS, Breaker
from mailbalance.routing.rate_limits import (
    FIRST_GIVES,
    RETRY_COST,
    Budget,
    Pause,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from random import Random

    from mailbalance.backend import Answer, Attempt, Backend, Rate, Receipt
    from mailbalance.events import HealthChanged
    from mailbalance.message import Envelope
    from mailbalance.routing.eligibility import Route

#: Seconds that a message is thought to take while nothing is known of it; a full backend
#: is expected to have room again after as long.
PACE = 0.5
#: How much the latest message counts in the running mean of those times.
FRESH = 0.1
#: Seconds after which limits that a provider reported are asked for again; and the first
#: and the longest wait after asking without an answer, doubling.
LEARN_AGAIN, ASK_AGAIN, LONGEST_ASK = 900.0, 60.0, 3600.0

#: What a permit is for: a message that goes by itself; one that goes together with others,
#: and so needs no place of its own; or the one call that carries those.
Kind = Literal["single", "together", "call"]


class Owner:
    """Whoever must end permits that nobody works on yet.

    Attributes:
        over: Whether all of them have ended with it.
        queues: Whether they wait for their turn.
    """

    over = False
    queues = True


#: Of a permit that is ended by itself.
NO_OWNER = Owner()
NO_OWNER.queues = False


class Permit:
    """The right to one attempt, and the record of the delivery that holds it.

    Its owner makes it before anything is counted, and ends it by one store,
    ``permit.over = True``, in a ``finally`` that holds no call: a signal handler may raise
    at the start of any call, and what then was not given back would be lost for ever.
    Whoever counts permits leaves out those that are over. One object serves all attempts
    of a delivery. It has no ``__init__``: making one runs no Python.

    Attributes:
        over: Whether its delivery has ended, however it did.
        owner: Ends it too, while it waits for its turn among many.
        place: Which of the candidates may go.
        gate: Whose permission it is; ``None`` before the first and between two attempts.
        delay: Seconds to wait before the attempt.
        began: When that begins.
        sender: The domain that the message comes from; set in trouble only.
        kind: What it is for.
        probe: Whether to probe the backend before the message; see ``Try.probe``.
        repeated: Whether this message was tried here before.
        watching: The breakers that learn from it; empty when all of them were healthy.
        held: Those of them whose probe it is.
        bookings: What it took of the rates.
        route: The backends for its message.
        envelope: Who the message goes to.
        thread: Ident of the thread that sends.
        loop: The event loop that it is sent in, or ``None``.
        answer: What the attempt in flight came to, before anybody has judged it.
        sending: Whether a backend was given the message and has not answered.
        receipt: The final receipt, once there is one.
        error: The final error, once there is one.
        adopted: Whether an attempt goes on without its caller, and ends the permit.
        on_end: Called with the end, before observers are told; also when its caller has
            gone by then, with ``None`` when a fault of ours hides the end.
        told: How many observers know the end.
        started: Whether observers know the beginning.
        delivery: The delivery by the plan, when there is trouble.
        record: Where attempts of a message in trouble are written down, if anybody asks.
    """

    over = False
    owner: Owner = NO_OWNER
    place = 0
    gate: Gate | None = None
    delay = 0.0
    began = 0.0
    sender = ""
    kind: Kind = "single"
    probe: Literal["no", "must", "may"] = "no"
    repeated = False
    watching: tuple[Breaker, ...] = ()
    held: tuple[Breaker, ...] = ()
    bookings: tuple[tuple[Window, list[float], int], ...] = ()
    route: Route
    envelope: Envelope
    thread = 0
    loop: Any = None
    answer: Answer | None = None
    sending = False
    receipt: Receipt | None = None
    error: DeliveryError | None = None
    adopted = False
    on_end: Callable[[Answer | None], object] | None = None
    told = 0
    started = False
    delivery: Any = None
    record: list[Attempt] | None = None


@dataclass(slots=True, eq=False)
class Account:
    """What backends of one account have in common: a pause, a quota, rates."""

    name: str
    breaker: Breaker
    windows: dict[tuple[float, str], Window] = field(default_factory=dict)


class Gate:
    """One backend's fitness and room.

    Attributes:
        name: The backend's name.
        account: What it shares with other backends.
        breaker: Its own health.
        pause: What its provider asked us to wait.
        budget: What is left for trying again.
        concurrency: Messages that may be in flight at once, or ``None``.
        live: Permits for attempts and calls; those that are over count no more.
        pace: Seconds that an attempt takes, as a running mean.
        own: Its rates, those of its account apart.
        learns: Whether its provider can report limits.
    """

    __slots__ = (
        "_ask_again", "_learn_at", "account", "breaker", "budget", "concurrency",
        "learns", "live", "name", "own", "pace", "pause",
    )  # fmt: skip

    def __init__(
        self, backend: Backend, account: Account, random: Random, now: float
    ) -> None:
        self.name = backend.name
        self.account = account
        self.breaker = Breaker(random, now, name=backend.name)
        self.pause = Pause(random)
        self.budget = Budget()
        self.live: set[Permit] = set()
        self.pace = PACE
        self.concurrency = backend.limits.concurrency
        self.learns = bool(getattr(backend, "learns", False))
        self._learn_at, self._ask_again = now, ASK_AGAIN
        self.own: dict[tuple[float, str], Window] = {}
        self._keep(backend.limits.rates, now)

    def windows(self, kind: Kind | None = None) -> Iterator[Window]:
        """Yield the rates that a permit must keep, its account's among them.

        What goes together is one request, which is counted by the call that carries it.
        """
        for window in chain(self.own.values(), self.account.windows.values()):
            request = window.rate.unit == "requests"
            if not (
                (kind == "together" and request) or (kind == "call" and not request)
            ):
                yield window

    @property
    def in_flight(self) -> int:
        """How many attempts and calls hold a permit."""
        self.sweep()
        return len(self.live)

    @property
    def is_full(self) -> bool:
        """Whether as many messages are in flight as may be at once."""
        if self.concurrency is None or len(self.live) < self.concurrency:
            return False
        return self.in_flight >= self.concurrency

    def sweep(self) -> None:
        """Forget the permits that are over and were never given back."""
        for permit in [p for p in self.live if p.over or p.owner.over]:
            self.live.discard(permit)

    def wait(self, recipients: int, now: float, kind: Kind = "single") -> float:
        """Return in how many seconds its rates and its provider let a message go."""
        longest = self.pause.wait(now)
        for window in self.windows(kind):
            longest = max(longest, window.wait(window.size(recipients), now))
        return longest

    def asks(self, now: float) -> bool:
        """Whether its provider should be asked for limits now."""
        return self.learns and now >= self._learn_at

    def take(self, permit: Permit, recipients: int, *, probing: bool = False) -> None:
        """Count an attempt that gets a permit; ``probing``: it may ask for limits."""
        permit.gate = self
        if permit.kind != "together":
            self.live.add(permit)
        for window in self.windows(permit.kind):
            size = window.size(recipients)
            booked = window, window.book(size, permit.began), size
            permit.bookings += (booked,)
        if permit.repeated:
            self.budget.spend()
        if probing and self.asks(permit.began):
            self._learn_at = permit.began + self._ask_again
            self._ask_again = min(2 * self._ask_again, LONGEST_ASK)
            if permit.probe == "no":
                permit.probe = "may"

    def undo(self, permit: Permit) -> None:
        """Take back everything that ``take`` counted."""
        self.live.discard(permit)
        bookings, permit.bookings = permit.bookings, ()
        for window, booking, size in bookings:
            window.unbook(booking, size)
        if permit.repeated:
            self.budget.give(RETRY_COST)

    def end(self, permit: Permit, answer: Receipt | DeliveryError, now: float) -> None:
        """Learn from an attempt that was made."""
        permit.bookings = ()
        if permit.kind == "together":
            return
        self.live.discard(permit)
        self.pace += FRESH * (max(0.0, now - permit.began) - self.pace)
        if not isinstance(answer, DeliveryError):
            self.pause.carried(now)
            self.budget.give(RETRY_COST if permit.repeated else FIRST_GIVES)
        elif answer.health == "slows" and answer.phase not in OURS:
            self.pause.slow_down(answer.retry_after, began=permit.began, now=now)

    def went_well(self, permit: Permit) -> bool:
        """Whether a success changes nobody's health."""
        # Of what goes together, the call that carries it is what is learned from.
        if permit.kind == "together":
            return True
        return not permit.watching and self.breaker.is_quiet

    @property
    def breakers(self) -> tuple[Breaker, Breaker]:
        """Its own and its account's."""
        return self.breaker, self.account.breaker

    def learn(self, rates: tuple[Rate, ...], now: float) -> None:
        """Keep the rates that the provider reported, in place of those before."""
        if rates:
            self._learn_at, self._ask_again = now + LEARN_AGAIN, ASK_AGAIN
        self._keep(rates, now)

    def _keep(self, rates: tuple[Rate, ...], now: float) -> None:
        for rate in rates:
            own = rate.shared == "backend"
            windows = self.own if own else self.account.windows
            key = rate.period, rate.unit
            known = windows.get(key)
            if known is None or rate.used or known.rate.count != rate.count:
                windows[key] = Window(rate, now)


class _ProbePlace:
    """Holds the place of a probe for as long as its permit counts."""

    __slots__ = ("_permit",)

    def __init__(self, permit: Permit) -> None:
        self._permit = permit

    @property
    def over(self) -> bool:
        return self._permit.over or self._permit.owner.over


class Candidate(Protocol):
    """A backend that a plan would ask.

    Attributes:
        backend: Which one.
        tries: How often it was asked for this message.
        not_before: When its own wait after the last attempt ends.
    """

    backend: Backend
    tries: int
    not_before: float


@dataclass(slots=True)
class Fresh:
    """A candidate of a message that was not offered anywhere yet."""

    backend: Backend
    tries: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Ask:
    """What one message needs; nobody changes it.

    Attributes:
        sender: The domain it comes from.
        recipients: How many it is for.
        now: The time.
        latest: The last moment at which an attempt may begin.
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
            return f"{self.gate.in_flight} messages are in flight, and no more may be"
        return "" if self._affordable else "too many messages were tried again there"

    def may_go(self, ask: Ask) -> bool:
        """Whether it could be asked in time, were it fit."""
        return self._affordable and ask.now + self.wait <= ask.latest

    def order_of_room(self) -> tuple[float, int]:
        """Rank it among those that are fit: who has room first."""
        full = self.gate.pace if self._is_full else 0.0
        return max(self.wait, full), self._place

    def order_of_need(self, now: float) -> tuple[int, float, int]:
        """Rank it when none is fit: who was not asked yet, then whose rest ends first."""
        due = max(breaker.due(now) for breaker in self._watching)
        return self._candidate.tries, due, self._place

    def grant(self, permit: Permit, ask: Ask) -> list[HealthChanged | None]:
        """Fill a permit; return the changes of health that this makes."""
        wait = max(0.0, self.wait)
        permit.place, permit.kind, permit.sender = self._place, self._kind, ask.sender
        permit.delay, permit.began = wait, ask.now + wait
        permit.repeated = self._candidate.tries > 0
        permit.watching, permit.held = self._watching, ()
        permit.probe, permit.bookings = "no", ()
        changes: list[HealthChanged | None] = []
        if self.fit == "probe":
            permit.held = tuple(
                each for each in self._watching if each.fit(ask.now) == "probe"
            )
            place = _ProbePlace(permit)
            changes += [each.begin(ask.now, place) for each in permit.held]
        probing = hasattr(self._candidate.backend, "probe")
        if probing and any(each.scope != "sender" for each in permit.held):
            permit.probe = "must"
        self.gate.take(permit, ask.recipients, probing=probing)
        return changes


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
