"""The exact weighted split: who is next, so that every stretch of messages keeps its share.

What lives here: the counters and the choice between them. All arithmetic is on whole
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

#: Processes that are imagined beside this one when messages differ in size. Weights that
#: add up to at most as many (whole percents do) give exact chances; others are within one
#: in so many, and their long run is exact all the same.
PROCESSES = 100


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
    return Single() if len(parts) == 1 else OneByOne(parts, random)


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


class OneByOne:
    """Messages of different sizes: this backend, or one of the others? Heaviest first.

    Each question is a split between two, over the messages that came as far. Chances
    multiply, so each backend's is its share.
    """

    __slots__ = ("_questions",)

    def __init__(self, parts: Sequence[int], random: Random) -> None:
        order = sorted(range(len(parts)), key=lambda index: -parts[index])
        rest = sum(parts)
        self._questions: list[tuple[int, Parallel | Single]] = []
        for index in order[:-1]:
            rest -= parts[index]
            self._questions.append((index, Parallel(parts[index], rest, random)))
        self._questions.append((order[-1], Single()))

    def pick(self, size: int = 1) -> int:
        """Give the first backend that takes it; the last takes what is left."""
        return next(index for index, asked in self._questions if not asked.pick(size))


class Parallel:
    """Two backends and messages of different sizes: one process among imagined others.

    Imagine as many processes as the weights add up to, all sending these same messages.
    Of each message, exactly the first backend's part of them give it to the first: those
    in which it is owed most. This process is one of them, drawn by chance. So

    * every pick has exactly the right chance, whatever the sizes so far;
    * what the processes owe is never further apart than the largest message (wherever
      the line is drawn, those above it come down by one message at most, those below it
      rise), and the average is 0: each prefix is within the largest message;
    * messages of one size are split as by ``Pair``: ties go by the processes' numbers.
    """

    __slots__ = ("_first", "_owed", "_own", "_quota", "_start", "_total", "_whole")

    def __init__(self, first: int, second: int, random: Random) -> None:
        common = gcd(first, second)
        self._first = first // common
        self._total = (first + second) // common
        #: What the first is owed in each process, in recipients times the total.
        self._owed = [0] * min(self._total, PROCESSES)
        self._own = random.randrange(len(self._owed))
        #: How many processes pick the first, times the total; between two whole numbers
        #: it is now the one, now the other, also from a random start.
        self._quota = self._first * len(self._owed)
        fine = self._quota % self._total
        self._start = random.randrange(self._total) if fine else 0
        self._whole: int | None = None

    def pick(self, size: int = 1) -> int:
        """Give 0 when this process is among those in which the first is owed most."""
        owed, all_of_it = self._owed, self._total * size
        order = sorted(range(len(owed)), key=owed.__getitem__)
        above = order[len(owed) - self._above(size) :]
        share = self._first * size
        self._owed = owed = [credit + share for credit in owed]
        for process in above:
            owed[process] -= all_of_it
        return 0 if self._own in above else 1

    def _above(self, size: int) -> int:
        """Give how many processes pick the first, so that their average stays at 0."""
        whole, rest = divmod(self._quota, self._total)
        if not rest:
            return whole
        if self._whole is None:
            self._whole = self._start * size - self._total * size // 2
        self._whole += rest * size
        if 2 * self._whole < self._total * size:
            return whole
        self._whole -= self._total * size
        return whole + 1
