"""What is known of one backend's fitness and room, in one process.

What lives here: ``Gate``, which joins a backend's breaker, rates, pause and budget; the
``Account`` it shares with others; and ``Pass``, the permission for one try. What must not:
locks, or choosing between gates; that is ``traffic``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal

from mailbalance.errors import DeliveryError
from mailbalance.routing.health import OURS, Breaker
from mailbalance.routing.limits import FIRST_GIVES, RETRY_COST, Budget, Pause, Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from mailbalance.backend import Backend, Rate, Receipt

#: Seconds that a message is thought to take while nothing is known of it; a full backend
#: is expected to have room again after as long.
PACE = 0.5
#: How much the latest message counts in the running mean of those times.
FRESH = 0.1
#: Seconds after which limits that a provider told are asked for anew; and the first and the
#: longest wait after asking in vain, doubling.
LEARN_AGAIN, ASK_AGAIN, LONGEST_ASK = 900.0, 60.0, 3600.0


#: What a pass is for: a message that goes by itself; one that goes together with others;
#: or the one call that carries those.
Kind = Literal["single", "together", "call"]


@dataclass(slots=True, eq=False)
class Pass:
    """Permission to try one backend once; it must be handed back, used or not.

    Attributes:
        place: Which of the candidates may go.
        gate: Whose permission it is.
        delay: Seconds to wait before it begins.
        began: When it begins.
        sender: The domain that the message comes from.
        kind: What it is for.
        probe: Whether to probe the backend before the message; see ``Try.probe``.
        repeated: Whether this message was tried here before.
        watching: The breakers that learn from it; empty when all of them were healthy.
        held: Those of them whose probe it is.
        bookings: What it took of the rates.
    """

    place: int
    gate: Gate
    delay: float
    began: float
    sender: str = ""
    kind: Kind = "single"
    probe: Literal["no", "must", "may"] = "no"
    repeated: bool = False
    watching: tuple[Breaker, ...] = ()
    held: tuple[Breaker, ...] = ()
    bookings: tuple[tuple[Window, list[float], int], ...] = ()


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
        concurrency: Messages that may be under way at once, or ``None``.
        in_flight: Tries and calls that hold a pass.
        gathering: Messages that hold one to go together with others.
        pace: Seconds that a try takes, as a running mean.
    """

    __slots__ = (
        "_ask_again", "_learn_at", "_learns", "_windows", "account", "breaker", "budget",
        "concurrency", "gathering", "in_flight", "name", "pace", "pause",
    )  # fmt: skip

    def __init__(
        self, backend: Backend, account: Account, random: Random, now: float
    ) -> None:
        self.name = backend.name
        self.account = account
        self.breaker = Breaker(random, now, name=backend.name)
        self.pause = Pause(random)
        self.budget = Budget()
        self.in_flight = self.gathering = 0
        self.pace = PACE
        self.concurrency = backend.limits.concurrency
        self._learns = bool(getattr(backend, "learns", False))
        self._learn_at, self._ask_again = now, ASK_AGAIN
        self._windows: dict[tuple[float, str], Window] = {}
        self._keep(backend.limits.rates, now)

    def windows(self, kind: Kind | None = None) -> Iterator[Window]:
        """Give the rates that a pass must keep, its account's among them; all by default.

        What goes together is one request, which is counted by the call that carries it.
        """
        for window in chain(self._windows.values(), self.account.windows.values()):
            request = window.rate.unit == "requests"
            if not (
                (kind == "together" and request) or (kind == "call" and not request)
            ):
                yield window

    @property
    def is_full(self) -> bool:
        """Whether as many messages are under way as may be at once."""
        return self.concurrency is not None and self.in_flight >= self.concurrency

    def open(self, now: float) -> bool:
        """Whether nothing at all can speak against a message now."""
        return not (
            self._windows
            or self.account.windows
            or (self.concurrency is not None and self.in_flight >= self.concurrency)
            or now < self.pause.until
            or self.breaker.state != "healthy"
            or self.account.breaker.state != "healthy"
            or self._learns
        )

    def wait(self, recipients: int, now: float, kind: Kind = "single") -> float:
        """Tell in how many seconds its rates and its provider let a message go."""
        longest = self.pause.wait(now)
        for window in self.windows(kind):
            longest = max(longest, window.wait(window.size(recipients), now))
        return longest

    def asks(self, now: float) -> bool:
        """Whether its provider shall be asked for limits now."""
        return self._learns and now >= self._learn_at

    def take(self, given: Pass, recipients: int, *, probing: bool = False) -> None:
        """Count a try that gets a pass; ``probing`` says whether it may ask for limits."""
        self._hold(given, 1)
        for window in self.windows(given.kind):
            size = window.size(recipients)
            booked = window, window.book(size, given.began), size
            given.bookings += (booked,)
        if given.repeated:
            self.budget.spend()
        if probing and self.asks(given.began):
            self._learn_at = given.began + self._ask_again
            self._ask_again = min(2 * self._ask_again, LONGEST_ASK)
            if given.probe == "no":
                given.probe = "may"

    def undo(self, given: Pass) -> None:
        """Take back everything that ``take`` counted."""
        self._hold(given, -1)
        for window, booking, size in given.bookings:
            window.unbook(booking, size)
        if given.repeated:
            self.budget.give(RETRY_COST)

    def end(self, given: Pass, answer: Receipt | DeliveryError, now: float) -> None:
        """Learn from a try that was made."""
        if given.kind == "together":
            self.gathering -= 1
            return
        self.in_flight -= 1
        self.pace += FRESH * (max(0.0, now - given.began) - self.pace)
        if not isinstance(answer, DeliveryError):
            self.pause.carried(now)
            self.budget.give(RETRY_COST if given.repeated else FIRST_GIVES)
        elif answer.health == "slows" and answer.phase not in OURS:
            self.pause.slow_down(answer.retry_after, began=given.began, now=now)

    def _hold(self, given: Pass, number: int) -> None:
        if given.kind == "together":
            self.gathering += number
        else:
            self.in_flight += number

    def went_well(self, given: Pass) -> bool:
        """Take note of a success that changes nobody's health; False if it may."""
        if given.kind == "together":
            return True  # the call that carries it is what is learned from
        return not given.watching and self.breaker.carried()

    @property
    def breakers(self) -> tuple[Breaker, Breaker]:
        """Its own and its account's."""
        return self.breaker, self.account.breaker

    def learn(self, rates: tuple[Rate, ...], now: float) -> None:
        """Keep the rates that the provider told, in place of those it told before."""
        if rates:
            self._learn_at, self._ask_again = now + LEARN_AGAIN, ASK_AGAIN
        self._keep(rates, now)

    def _keep(self, rates: tuple[Rate, ...], now: float) -> None:
        for rate in rates:
            own = rate.shared == "backend"
            windows = self._windows if own else self.account.windows
            key = rate.period, rate.unit
            known = windows.get(key)
            if known is None or rate.used or known.rate.count != rate.count:
                windows[key] = Window(rate, now)
