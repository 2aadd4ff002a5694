"""How the demo looks: progress, the table, the checks.

What lives here: drawing. What must not: a figure that is not handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from mailbalance.cli.demo_facts import Check, Figures
    from mailbalance.cli.output import Output

NEXT = """
What to try next:
  mailbalance sandbox            keeps such doors open; copy its export lines, then
  mailbalance send --to ana@example.com --subject Hello --text "It works."
With your own accounts:
  export MAILBALANCE_SPLIT=ses=60,mailtrap=40 MAILBALANCE_FROM=you@your-domain.com
  export AWS_REGION=eu-west-1 AWS_PROFILE=default MAILTRAP_API_TOKEN=...
  mailbalance check              says what is still missing, then send as above."""


@contextmanager
def progress(out: Output, total: int) -> Iterator[Callable[[], None]]:
    """Give what to call after each message: a live bar, or a line for each quarter."""
    if not out.console.is_terminal:
        yield _quarters(out, total)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out.console, transient=True) as bar:
        task = bar.add_task("sending", total=total)
        yield lambda: bar.advance(task)


def _quarters(out: Output, total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * 4 // total > (done - 1) * 4 // total:
            out.say(f"  {done} of {total} sent")

    return advance


def doors(urls: Mapping[str, str]) -> Table:
    """Draw where the doors are."""
    drawn = Table.grid(padding=(0, 2))
    for name, url in urls.items():
        drawn.add_row(f"  {name}", url)
    return drawn


def table(rows: Sequence[Figures]) -> Table:
    """Draw the figures of every backend, with their sums, within 80 columns."""
    drawn = Table(
        box=None, show_footer=True, pad_edge=False, padding=(0, 0, 0, 1),
        header_style="bold", footer_style="dim",
    )  # fmt: skip
    drawn.add_column("backend", "all", no_wrap=True)
    counts = ("assigned", "carried", "at_door", "rejected", "unknown")
    for name in ("weight", *counts):
        total = sum(getattr(row, name) for row in rows)
        title = name.replace("_", " ")
        drawn.add_column(title, f"{total:.0f}", justify="right")
    for title in ("median", "p95"):
        drawn.add_column(title, justify="right")
    for row in rows:
        drawn.add_row(
            row.backend, f"{row.weight:.0f}",
            *(str(getattr(row, name)) for name in counts),
            _milliseconds(row.median), _milliseconds(row.p95),
        )  # fmt: skip
    return drawn


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def say_checks(out: Output, checks: Iterable[Check]) -> None:
    """Say each check and what it found."""
    for check in checks:
        word, style = ("right", "green") if check.ok else ("OFF", "bold red")
        out.say(f"  {word:>5}  {check.claim}: {check.found}", style)
