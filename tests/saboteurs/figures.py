"""What came of letting saboteurs in, as figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from tests.saboteurs.running import Verdict, caught, copied, ran
from tests.saboteurs.saboteur import Saboteur, all_tests


@dataclass(frozen=True)
class Row:
    """What came of one.

    Attributes:
        saboteur: Its name.
        promise: What it breaks.
        caught_by: The tests that failed.
        tests: How many were run.
        seconds: How long that took.
    """

    saboteur: str
    promise: str
    caught_by: tuple[str, ...]
    tests: int
    seconds: float

    @property
    def first(self) -> str:
        """The first test that failed, or ``""``."""
        return self.caught_by[0] if self.caught_by else ""


class Range:
    """Copies of the library, one for each run that goes on at the same time."""

    def __init__(self, runs: int) -> None:
        self._folders = ExitStack()
        self._free: SimpleQueue[Path] = SimpleQueue()
        for _ in range(runs):
            self._free.put(self._folders.enter_context(copied()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folders.close()

    def control(self, saboteurs: Iterable[Saboteur]) -> Verdict:
        """Run all their tests against the library as it is."""
        with self._copy() as root:
            return ran(root, all_tests(saboteurs), first=False)

    def measured(self, saboteur: Saboteur, *, first: bool = True) -> Row:
        """Let one in.

        Args:
            saboteur: Which.
            first: Whether to stop at the first test that notices.
        """
        with self._copy() as root:
            found = caught(root, saboteur, first=first)
        return Row(
            saboteur.name, saboteur.promise, found.failed, len(found.run), found.seconds
        )

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        root = self._free.get()
        try:
            yield root
        finally:
            self._free.put(root)


def figures(rows: Sequence[Row], control: Verdict) -> dict[str, object]:
    """Sum up."""
    return {
        "saboteurs": len(rows),
        "caught": sum(bool(row.caught_by) for row in rows),
        "missed": [row.saboteur for row in rows if not row.caught_by],
        "tests that notice": len(control.run),
        "failed without a saboteur": list(control.failed),
        "seconds": round(control.seconds + sum(row.seconds for row in rows), 1),
    }
