"""How much one backend may be given now: rates, pauses, and a budget for trying again.

What lives here: ``Window``, which keeps one rate exactly; ``Pause``, after a provider
asked us to slow down; ``Budget``, so that an outage does not multiply the load. Time is
passed in. What must not: locks, names, or what becomes of a message that does not fit; that
is the dispatcher's.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from mailbalance.backend import Rate

#: A window is counted in so many steps, so that a day's half million recipients take no
#: more memory than a second's fourteen. It loses at most one step's length of speed.
STEPS = 200

#: Seconds of the first pause that nobody named, and of the longest.
PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: Longest pause that is believed when a provider names one, in seconds.
LONGEST_ASKED = 600.0

#: The budget's tokens, and what a try that repeats another costs and gives back when it
#: succeeds; a first try that succeeds gives one. Source: the retry quota of AWS's SDKs
#: (botocore's standard mode, 2026-11).
TOKENS, RETRY_COST, FIRST_GIVES = 500, 5, 1


class Window:
    """Keeps one rate: never more than its count in any stretch of its period.

    It books ahead: what does not fit now is told how long to wait, and has its place.

    Args:
        rate: What to keep.
        now: The time; what the rate says was used is counted as used now.
    """

    __slots__ = ("_booked", "_step", "_total", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._step = rate.period / STEPS
        # Each booking is [when its step began, when the last of it goes, how many].
        self._booked: deque[list[float]] = deque()
        self._total = 0.0
        if rate.used:
            self.book(rate.used, now)

    def size(self, recipients: int) -> int:
        """Tell what a message counts here; one larger than the rate fills it alone."""
        size = recipients if self.rate.unit == "recipients" else 1
        return min(size, self.rate.count)

    def used(self, now: float) -> int:
        """Tell how much of it is booked in the stretch that ends now."""
        self._forget(now)
        return int(sum(many for _, last, many in self._booked if last <= now))

    def wait(self, size: int, now: float) -> float:
        """Tell in how many seconds so much fits."""
        self._forget(now)
        start = max(now, self._booked[-1][1]) if self._booked else now
        excess = self._total + size - self.rate.count
        for _, last, many in self._booked:
            if excess <= 0:
                break
            excess -= many
            start = max(start, last + self.rate.period)
        return start - now

    def book(self, size: int, at: float) -> list[float]:
        """Count so much at a time not before the last; give what ``unbook`` takes."""
        self._total += size
        if self._booked and at - self._booked[-1][0] < self._step:
            booking = self._booked[-1]
            booking[1] = max(booking[1], at)
            booking[2] += size
            return booking
        booking = [at, at, size]
        self._booked.append(booking)
        return booking

    def unbook(self, booking: list[float], size: int) -> None:
        """Take back what was booked for a message that did not go."""
        if booking[1] > -inf:
            booking[2] -= size
            self._total -= size
            # Nobody must queue behind the place of a message that did not go.
            while self._booked and self._booked[-1][2] <= 0:
                self._booked.pop()

    def _forget(self, now: float) -> None:
        while self._booked and self._booked[0][1] + self.rate.period <= now:
            gone = self._booked.popleft()
            self._total -= gone[2]
            gone[1] = -inf


class Pause:
    """Holds a backend back for as long as its provider asked, or longer each time."""

    __slots__ = ("_random", "times", "until")

    def __init__(self, random: Random) -> None:
        self.until = -inf
        self.times = 0
        self._random = random

    def wait(self, now: float) -> float:
        """Tell in how many seconds it is over."""
        return max(0.0, self.until - now)

    def slow_down(self, asked: float | None, *, began: float, now: float) -> None:
        """Begin or lengthen it; a try that began before the last pause adds nothing new."""
        if asked is None and began < self.until:
            return
        limit = min(PAUSE * 2**self.times, LONGEST_PAUSE)
        self.times = min(self.times + 1, 10)
        if asked is None:
            asked = self._random.uniform(limit / 2, limit)
        self.until = max(self.until, now + min(asked, LONGEST_ASKED))

    def carried(self, now: float) -> None:
        """Take note that a message went through."""
        if now >= self.until:
            self.times = 0


class Budget:
    """Tokens that trying again costs: with few successes there are few retries.

    The first try of a message on a backend is free, so a message is never held back by it,
    and a failover does not need it either.
    """

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        self.tokens = TOKENS

    @property
    def retries(self) -> int:
        """How many messages may be tried again now."""
        return self.tokens // RETRY_COST

    def spend(self) -> None:
        """Pay for trying again."""
        self.tokens -= RETRY_COST

    def give(self, amount: int) -> None:
        """Put tokens back."""
        self.tokens = min(TOKENS, self.tokens + amount)
