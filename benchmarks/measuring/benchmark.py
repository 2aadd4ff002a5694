"""What every benchmark does: run its cases in rounds, print, judge its goals.

What lives here: ``measured``, which makes a table of cases in processes, and ``main``. What
must not: what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from measuring.cases import Case, Running, running
from measuring.rounds import FULL, QUICK, TINY, Size, Timed, Times, compare
from measuring.tables import Goal, Result, Row, Share, Table, shown

#: Makes the tables of a benchmark.
Measure: TypeAlias = Callable[[Size], Iterable[Table]]

COLUMNS = ("CPU us", "CPU ratio", "lower", "upper", "clock us", "clock ratio")
SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}


def measured(
    name: str,
    title: str,
    cases: Sequence[Case],
    *,
    base: str,
    size: Size,
    number: int | None = None,
    per: int = 1,
    note: str = "",
) -> Table:
    """Time cases against each other, each in a process of its own.

    Args:
        name: Of the table.
        title: What it shows.
        cases: What to time; those whose packages are not there are left out.
        base: The case that ratios refer to.
        size: How much.
        number: Calls in one round; default as many as fill its time.
        per: Messages in one call; figures are for one message.
        note: A sentence below the table.
    """
    lacking = {case.name: lack for case in cases if (lack := case.lacking)}
    with running(case for case in cases if case.name not in lacking) as processes:
        times = compare(
            {each.case.name: _timed(each) for each in processes},
            base=base,
            size=size,
            number=number,
        )
        rows = tuple(
            _row(each, times[each.case.name], per, size, number) for each in processes
        )
    return Table(name, title, COLUMNS, rows, lacking, note)


def _timed(process: Running) -> Timed:
    def run(number: int) -> tuple[float, float]:
        found = process.ask("run", number)
        return found["cpu"], found["wall"]

    return run


def _row(
    process: Running, times: Times, per: int, size: Size, number: int | None
) -> Row:
    cpu, *ratios, wall, wall_ratio = times.cells
    cells = (cpu / per, *ratios, wall / per, wall_ratio)
    if not process.case.ours or size.most == 1:
        return Row(process.case.name, cells)
    enough = max(1, round(size.seconds * 1e6 / max(times.wall, 1.0)))
    found = process.ask("profile", size.number(number or enough))
    return Row(
        process.case.name, cells, _shares(found["shares"]), _shares(found["modules"])
    )


def _shares(read: Iterable[Sequence[object]]) -> tuple[Share, ...]:
    return tuple((str(name), float(str(share))) for name, share in read)


def main(file: str, doc: str | None, measure: Measure, goals: Sequence[Goal]) -> None:
    """Run one benchmark by itself: its tables, and its goals.

    Args:
        file: ``__file__`` of the benchmark.
        doc: Its docstring; the first line is its question.
        measure: Makes its tables.
        goals: What it aims at.
    """
    parser = argparse.ArgumentParser(description=doc)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="few and short rounds")
    size.add_argument("--tiny", action="store_true", help="one call of each case")
    parser.add_argument("--profile", action="store_true", help="show where time goes")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args()
    chosen = SIZES["tiny" if given.tiny else "quick" if given.quick else "full"]
    question = (doc or "").partition("\n")[0]
    tables: list[Table] = []
    for table in measure(chosen):
        tables.append(table)
        if not given.json:
            print("\n".join(_said(table, given.profile)), flush=True)
    by_name = {table.name: table for table in tables}
    judged = tuple(goal.judged(by_name) for goal in goals)
    if given.json:
        result = Result(Path(file).stem, question, tuple(tables), judged)
        json.dump(result.as_json(), sys.stdout)
        return
    print()
    for each in judged:
        print(f"{each.what}: {shown(each.value)} {each.unit}, ", end="")
        print(f"{each.sense} {each.limit:g}: {each.verdict}")


def _said(table: Table, profile: bool) -> Iterator[str]:
    yield f"\n{table.title}\n"
    yield from table.lines()
    for row in table.rows if profile else ():
        if row.profile:
            yield f"\n{row.case}, where the time goes:"
        for name, share in (*row.profile, ("by module", 1.0), *row.modules):
            yield f"{share:>8.1%}  {name}" if row.profile else ""
