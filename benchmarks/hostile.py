"""How does the time to read and write a mail grow that is made to take long?

Each kind is read, written and measured at four sizes, each twice the one before. What
grows with the size doubles; what grows with its square takes four times as long. The goal
looks at the mean growth of each kind, since a single doubling is at the mercy of caches.

Run: python benchmarks/hostile.py [--quick]
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator

from clients.hostile_mails import KINDS
from measuring.benchmark import main
from measuring.rounds import Size
from measuring.tables import Goal, Row, Table

from mailbalance import Message, MessageError, mime

SIZES = (1000, 2000, 4000, 8000)
WORST, MEAN = "the worst of them", "mean growth"
GOALS = (
    Goal(
        name="hostile",
        what="Hostile mail: growth of CPU when it doubles, worst kind",
        limit=2.3,
        found=lambda tables: tables["hostile"][WORST, MEAN],
        table="hostile",
        case=WORST,
    ),
)


def handle(source: bytes) -> None:
    """Do all that is done with a mail but send it."""
    message = Message.from_mime(source)
    message.size()
    mime.render(message)
    if (message.text or message.html) and not message.unrepresented:
        mime.render(message.model_copy(update={"raw": None}))


def took(source: bytes, rounds: int) -> float:
    """Give the seconds of CPU, the least of some rounds."""
    times = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        began = time.process_time()
        try:
            handle(source)
        except MessageError as error:
            raise SystemExit(f"a kind is refused: {error}") from error
        finally:
            times.append(time.process_time() - began)
            gc.enable()
    return min(times)


def measure(size: Size) -> Iterator[Table]:
    """Measure each kind."""
    rows: list[Row] = []
    for name, make in KINDS.items():
        took(make(SIZES[0] // 10).encode(), 1)  # what is loaded at its first use
        times = [took(make(each).encode(), min(size.rounds, 5)) for each in SIZES]
        growths = [
            later / max(sooner, 1e-6) for sooner, later in itertools.pairwise(times)
        ]
        mean = (times[-1] / max(times[0], 1e-6)) ** (1 / len(growths))
        rows.append(Row(name, (times[-1] * 1000, *growths, mean)))
    worst = max(rows, key=lambda row: row.cells[-1] or 0)
    rows.append(Row(WORST, worst.cells))
    doublings = (f"to {each:,}" for each in SIZES[1:])
    columns = (f"CPU ms at {SIZES[-1]:,}", *doublings, MEAN)
    title = "Mail that is made to take long: growth of CPU when it doubles"
    yield Table("hostile", title, columns, tuple(rows))


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
