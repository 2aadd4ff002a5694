"""Interleaved rounds: the only fair way to time on a machine that does other things too.

Every round runs every case once, in turn, forwards and then backwards, so that a slow
moment hits all of them. What counts is the median over the rounds of each case's ratio to
the base within the same round. What lives here: that, for processes and for functions of
this one. What must not: what is measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: Does something so often, and gives the seconds it took: of CPU, and by the clock.
Timed: TypeAlias = Callable[[int], tuple[float, float]]
#: No round makes more calls than this.
MOST = 20_000


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How many rounds.
        seconds: About what each case takes in one of them.
        most: Calls in one round at most.
    """

    rounds: int
    seconds: float
    most: int = MOST

    def number(self, wanted: int) -> int:
        """Give the calls of a round whose number was chosen."""
        return max(1, min(wanted, self.most))


FULL = Size(rounds=11, seconds=0.2)
QUICK = Size(rounds=3, seconds=0.05)
TINY = Size(rounds=1, seconds=0.0, most=1)


@dataclass(frozen=True)
class Times:
    """What a case took.

    Attributes:
        cpu: Microseconds of CPU for one call, the median of the rounds.
        wall: Microseconds by the clock.
        cpu_ratio: To the base, the median of the rounds' ratios.
        wall_ratio: The same by the clock.
        spread: The lower and the upper quartile of the CPU ratios.
    """

    cpu: float
    wall: float
    cpu_ratio: float
    wall_ratio: float
    spread: tuple[float, float]

    @property
    def cells(self) -> tuple[float, ...]:
        """All of it as one line of a table."""
        ratios = (self.cpu_ratio, *self.spread)
        return (self.cpu, *ratios, self.wall, self.wall_ratio)


def compare(
    cases: Mapping[str, Timed], *, base: str, size: Size, number: int | None = None
) -> dict[str, Times]:
    """Time the cases against each other.

    Args:
        cases: What to time.
        base: The case that ratios refer to; without it, they are not a number.
        size: How much.
        number: Calls in one round; default as many as take ``size.seconds``.
    """
    numbers = {
        name: size.number(number) if number else _number(timed, size)
        for name, timed in cases.items()
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(size.rounds):
        for name in list(cases) if turn % 2 == 0 else reversed(cases):
            cpu, wall = cases[name](numbers[name])
            found[name].append((cpu / numbers[name], wall / numbers[name]))
    nothing = [(0.0, 0.0)] * size.rounds
    base_found = found.get(base, nothing)
    return {name: _times(each, base_found) for name, each in found.items()}


def _number(timed: Timed, size: Size) -> int:
    """Find how many calls fill a round."""
    number = 1
    while True:
        _, wall = timed(number)
        if wall >= size.seconds / 4 or number >= size.most:
            return size.number(round(number * size.seconds / max(wall, 1e-9)))
        number = min(number * 8, size.most)


def _times(
    own: Sequence[tuple[float, float]], base: Sequence[tuple[float, float]]
) -> Times:
    cpus = [_ratio(mine[0], other[0]) for mine, other in zip(own, base, strict=True)]
    walls = [_ratio(mine[1], other[1]) for mine, other in zip(own, base, strict=True)]
    low, _, high = statistics.quantiles(cpus, n=4) if len(cpus) > 1 else cpus * 3
    return Times(
        cpu=statistics.median(each[0] for each in own) * 1e6,
        wall=statistics.median(each[1] for each in own) * 1e6,
        cpu_ratio=statistics.median(cpus),
        wall_ratio=statistics.median(walls),
        spread=(low, high),
    )


def _ratio(own: float, base: float) -> float:
    return own / base if base > 0 else float("nan")


def timed(function: Callable[[int], object]) -> Timed:
    """Time a function of this process."""

    def run(number: int) -> tuple[float, float]:
        cpu, wall = time.process_time(), time.perf_counter()
        function(number)
        return time.process_time() - cpu, time.perf_counter() - wall

    return run
