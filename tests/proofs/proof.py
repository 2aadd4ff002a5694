"""One proof: what is counted, and what the page says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Proof:
    """One proof that gives figures.

    Attributes:
        name: What it is called on the command line.
        title: What it is about, as the page says it.
        count: Runs it at CI size and gives its figures.
        says: The figures in words, with their names in braces.
        wrong: Names of figures that must be nothing.
        full: What runs it at full size; ``""`` when CI's is all there is.
    """

    name: str
    title: str
    count: Callable[[], dict[str, Any]]
    says: str
    wrong: tuple[str, ...] = ()
    full: str = ""

    @property
    def command(self) -> str:
        """What makes its figures, and no others."""
        return f"python -m tests.proofs {self.name}"

    def told(self, figures: dict[str, Any]) -> str:
        """Say the figures in words."""
        return self.says.format_map(figures)

    def broken(self, figures: dict[str, Any]) -> list[str]:
        """Give what must be nothing and is not."""
        return [f"{name}: {figures[name]}" for name in self.wrong if figures[name]]
