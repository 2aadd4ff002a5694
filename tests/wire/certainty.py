"""What every proof of the wires counts, and the few promises it holds them to."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

#: Replays a sampled run: MB_SEED=... python -m pytest ...
SEED = int(os.environ.get("MB_SEED", "20261123"))


@dataclass
class Figures:
    """The outcome of many cases.

    Attributes:
        verdicts: How often each verdict was given.
        violations: One sentence for each broken promise, with the case that broke it.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        return self.verdicts.total()

    def add(self, case: object, verdict: str, broken: Iterable[str]) -> None:
        self.verdicts[verdict] += 1
        self.violations += [f"{case}: {each}" for each in broken]

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the processor time of what is inside."""
        begun = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - begun

    def as_dict(self) -> dict[str, object]:
        """Give the figures for a page that quotes them."""
        return {
            "cases": self.cases,
            "violations": len(self.violations),
            "seconds": round(self.seconds, 1),
            **dict(sorted(self.verdicts.items())),
        }

    def must_be_clean(self, least: int = 1) -> None:
        shown = "\n".join(self.violations[:20])
        assert not self.violations, (
            f"MB_SEED={SEED}: {len(self.violations)} violations in {self.cases} cases:\n"
            f"{shown}"
        )
        assert self.cases >= least, f"only {self.cases} cases"


def sampled(cases: Sequence[T], count: int | None) -> Sequence[T]:
    """Give so many of the cases, or all."""
    if count is None or count >= len(cases):
        return cases
    return random.Random(SEED).sample(cases, count)


def disagreements(
    outcome: str, claimed: Sequence[str], taken: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Hold a verdict against what the server knows.

    Args:
        outcome: What was said: accepted, not_accepted or unknown.
        claimed: The recipients said to be accepted.
        taken: For each copy the server took responsibility for, its recipients.
    """
    if len(taken) > 1:
        yield f"one attempt, and the server has it {len(taken)} times"
    if outcome == "not_accepted" and taken:
        yield "said not accepted, and the server has it"
    if outcome == "accepted" and not taken:
        yield "said accepted, and the server has it not"
    if outcome == "accepted" and taken and sorted(claimed) != sorted(taken[0]):
        yield f"said accepted for {sorted(claimed)}, and it is for {sorted(taken[0])}"
