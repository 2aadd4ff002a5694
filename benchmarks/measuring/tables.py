"""What a benchmark has found: rows, tables, goals.

What lives here: these values, their form as text, Markdown and JSON. What must not:
measuring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Share = tuple[str, float]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        case: Its name.
        cells: What the columns say, in their order.
        profile: Shares of the time by function, the dearest first.
        modules: The same by module.
    """

    case: str
    cells: tuple[float | None, ...]
    profile: tuple[Share, ...] = ()
    modules: tuple[Share, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: By which goals refer to it.
        title: What it shows.
        columns: Their heads.
        rows: Its lines.
        lacking: Cases that were left out, each with what it lacks.
        note: A sentence below it.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    lacking: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def __getitem__(self, where: tuple[str, str]) -> float:
        """Give one cell by case and column; not a number when it is not there."""
        case, column = where
        place = self.columns.index(column)
        for row in self.rows:
            if row.case == case:
                value = row.cells[place]
                return math.nan if value is None else value
        return math.nan

    def lines(self) -> Iterator[str]:
        """Give it as a Markdown table, aligned for plain reading."""
        said = [[each.case, *map(shown, each.cells)] for each in self.rows]
        heads = ["case", *self.columns]
        widths = [max(map(len, column)) for column in zip(heads, *said, strict=True)]
        yield _line(heads, widths)
        yield _line(
            ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])], widths
        )
        for each in said:
            yield _line(each, widths)
        for case, lack in self.lacking.items():
            yield ""
            yield f"Left out: {case}, since {lack} is not installed."
        if self.note:
            yield ""
            yield self.note


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"


def shown(value: float | None) -> str:
    """Give a figure with three digits that count."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 5)}f}"


Tables = Mapping[str, Table]


@dataclass(frozen=True)
class Goal:
    """What a benchmark aims at.

    Attributes:
        name: In the texts on missed goals, and in the check against earlier results.
        what: In words, without the figure.
        limit: The figure.
        unit: What it counts; ``"x"`` for a ratio.
        sense: Whether less or more is better.
        found: Reads the figure from the tables.
        table: The table of the case that is to be better.
        case: That case, whose profile a missed goal shows.
    """

    name: str
    what: str
    limit: float
    found: Callable[[Tables], float]
    table: str
    case: str
    unit: str = "x"
    sense: Literal["at most", "at least"] = "at most"

    def judged(self, tables: Tables) -> Found:
        """Hold what was found against it."""
        value = self.found(tables)
        good = value <= self.limit if self.sense == "at most" else value >= self.limit
        row = next(
            (each for each in tables[self.table].rows if each.case == self.case), None
        )
        return Found(
            self.name,
            self.what,
            self.limit,
            self.unit,
            self.sense,
            None if math.isnan(value) else value,
            good,
            row.profile if row and not good else (),
            row.modules if row and not good else (),
        )


@dataclass(frozen=True)
class Found:
    """A goal, and what was found; ``value`` is ``None`` when a case was left out."""

    name: str
    what: str
    limit: float
    unit: str
    sense: Literal["at most", "at least"]
    value: float | None
    good: bool
    profile: tuple[Share, ...] = ()
    modules: tuple[Share, ...] = ()

    @property
    def verdict(self) -> str:
        """Say how it stands in a word or two."""
        if self.value is None:
            return "not measured"
        if self.good:
            return "met"
        apart = self.value / self.limit
        how = apart if self.sense == "at most" else 1 / apart
        return f"missed by {how - 1:.0%}"


@dataclass(frozen=True)
class Result:
    """All that one benchmark has found."""

    name: str
    question: str
    tables: tuple[Table, ...]
    goals: tuple[Found, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> Result:
        """Read what ``as_json`` gave."""
        tables = tuple(
            Table(**{**each, "columns": tuple(each["columns"]), "rows": _rows(each)})
            for each in read["tables"]
        )
        goals = tuple(Found(**each) for each in read["goals"])
        return cls(read["name"], read["question"], tables, goals)


def _rows(table: Mapping[str, Any]) -> tuple[Row, ...]:
    return tuple(Row(**each) for each in table["rows"])
