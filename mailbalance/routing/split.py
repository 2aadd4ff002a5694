"""The exact weighted split: who is next, so that every stretch of messages keeps its share.

What lives here: three counters and the choice between them. All arithmetic is on whole
numbers, so a million messages drift by nothing. What must not: names, messages, locks or
counts of what was carried; a split is told a size and answers with an index.

A random pick would do "about 60/40" (per 100 messages the 40 side gets 30 to 50). These
keep within one message for two backends and within two for more, from any start, and the
start is random, so that a thousand processes of one message each split 60/40 too.

Source of the method for more than two: S. K. Baruah et al., "Proportionate progress: a
notion of fairness in resource allocation", 1996 (earliest pseudo-deadline first).
"""

from __future__ import annotations

from math import gcd, lcm
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from random import Random

#: Slots among which the random start is drawn. With weights of many digits the whole cycle
#: can be huge; the shares of its first 10,000 slots are within 1/10,000 of the whole's.
START_SLOTS = 10_000


class Split(Protocol):
    """Chooses one of a fixed set of backends for each message."""

    def pick(self, size: int = 1) -> int:
        """Give the index of the backend for a message that counts as ``size``."""
        ...


def by_messages(weights: Sequence[Fraction], random: Random) -> Split:
    """Give the split in which every message counts one.

    Args:
        weights: One positive weight for each backend; only their ratio matters.
        random: Where the start comes from.
    """
    parts = whole_parts(weights)
    if len(parts) == 1:
        return Single()
    if len(parts) == 2:
        return Pair(*parts, random)
    return Cycle(parts, random)


def by_recipients(weights: Sequence[Fraction], random: Random) -> Split:
    """Give the split in which a message counts as many as it has recipients."""
    parts = whole_parts(weights)
    return Single() if len(parts) == 1 else Credit(parts, random)


def whole_parts(weights: Sequence[Fraction]) -> tuple[int, ...]:
    """Give the smallest whole numbers in the same ratio."""
    scale = lcm(*(weight.denominator for weight in weights))
    parts = [int(weight * scale) for weight in weights]
    common = gcd(*parts)
    return tuple(part // common for part in parts)


class Single:
    """One backend: nothing to choose."""

    __slots__ = ()

    def pick(self, size: int = 1) -> int:
        """Give 0."""
        return 0


class Pair:
    """Two backends: the first carries message n when ``floor(share * n + u)`` grows.

    Every window of messages is within one of the exact share, wherever it starts.
    """

    __slots__ = ("_first", "_phase", "_total")

    def __init__(self, first: int, second: int, random: Random) -> None:
        self._first = first
        self._total = first + second
        self._phase = random.randrange(self._total)

    def pick(self, size: int = 1) -> int:
        """Give 0 when the running sum passes a whole number, else 1."""
        self._phase += self._first
        if self._phase >= self._total:
            self._phase -= self._total
            return 0
        return 1


class Cycle:
    """More than two backends: each turn must fall in its window; earliest end goes first.

    Turn k of a backend with w of W slots belongs between slots ``floor(k W / w)`` and
    ``ceil((k + 1) W / w)``. Within one message of the exact share from the cycle's origin,
    so within two in any window.
    """

    __slots__ = ("_parts", "_slot", "_total", "_turns")

    def __init__(self, parts: Sequence[int], random: Random) -> None:
        self._parts = tuple(parts)
        self._total = sum(parts)
        self._slot = 0
        self._turns = [0] * len(self._parts)
        for _ in range(random.randrange(min(self._total, START_SLOTS))):
            self.pick()

    def pick(self, size: int = 1) -> int:
        """Give the backend whose open turn ends first."""
        total, slot = self._total, self._slot
        chosen, earliest = -1, 0
        for index, part in enumerate(self._parts):
            turn = self._turns[index]
            if turn * total // part > slot:
                continue
            end = -(-(turn + 1) * total // part)
            if chosen < 0 or end < earliest:
                chosen, earliest = index, end
        self._turns[chosen] += 1
        self._slot += 1
        return chosen


class Credit:
    """Messages of different sizes: the one owed most goes first, and is charged in full.

    The bound is the largest message. The first pick is by chance, so that processes which
    send a single message split as well.
    """

    __slots__ = ("_credit", "_fresh", "_parts", "_random", "_total")

    def __init__(self, parts: Sequence[int], random: Random) -> None:
        self._parts = tuple(parts)
        self._total = sum(parts)
        self._credit = [0] * len(self._parts)
        self._random = random
        self._fresh = True

    def pick(self, size: int = 1) -> int:
        """Give the backend with the largest credit after everyone got its share."""
        for index, part in enumerate(self._parts):
            self._credit[index] += part * size
        if self._fresh:
            self._fresh = False
            chosen = self._random.choices(range(len(self._parts)), self._parts)[0]
        else:
            chosen = max(range(len(self._parts)), key=self._credit.__getitem__)
        self._credit[chosen] -= self._total * size
        return chosen
