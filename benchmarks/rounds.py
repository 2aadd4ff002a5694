"""Interleaved rounds: the only fair way to time on a machine that does other things too.

Every round runs every case once, in turn, forwards and then backwards, so that a slow
moment hits all of them. Reported is the median over the rounds of each case's time per
call, and the median of its ratio to the base within the same round. Trust the ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def compare(
    cases: Mapping[str, Callable[[int], None]],
    *,
    base: str,
    number: int,
    rounds: int = 15,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, tuple[float, float]]:
    """Time the cases against each other.

    Args:
        cases: What to time; each runs its work as often as it is told.
        base: The case that ratios refer to.
        number: Calls in one round.
        rounds: How many rounds.
        clock: Default: this process's CPU time.

    Returns:
        For each case, microseconds per call and the ratio to the base.
    """
    names = list(cases)
    for name in names:
        cases[name](max(1, number // 10))
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            began = clock()
            cases[name](number)
            times[name].append((clock() - began) / number * 1e6)
    return {
        name: (
            statistics.median(times[name]),
            statistics.median(
                own / other for own, other in zip(times[name], times[base], strict=True)
            ),
        )
        for name in names
    }


def show(title: str, found: Mapping[str, tuple[float, float]], *, base: str) -> None:
    """Print a table of what ``compare`` found."""
    print(f"\n{title}")
    print(f"{'case':<44} {'us per call':>12} {'x ' + base:>24}")
    for name, (micros, ratio) in found.items():
        print(f"{name:<44} {micros:>12.1f} {ratio:>24.3f}")
