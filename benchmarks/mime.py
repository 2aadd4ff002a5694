"""What does it cost to write a message as MIME, against the standard library?

The standard library's ``EmailMessage`` is built and written: it does its work in both. Ours
is written from a ``Message`` that is there, and in a case of its own built and checked too.

Run: python benchmarks/mime.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.tables import Goal, Table

PEER, OURS = "EmailMessage", "mailbalance, written"
#: Name of the table, whether it is ASCII, bytes of the file, and the goal if there is one.
KINDS = (
    ("ASCII, 10 KB", True, 0, 0.03),
    ("not ASCII, 10 KB", False, 0, None),
    ("ASCII, 500 KB", True, 500_000, 0.12),
)
GOALS = tuple(
    Goal(
        name=f"mime-{name.rpartition(',')[2].replace(' ', '').lower()}",
        what=f"MIME writer, {name}: CPU to EmailMessage",
        limit=limit,
        found=lambda tables, name=name: tables[name][OURS, "CPU ratio"],
        table=name,
        case=OURS,
    )
    for name, _, _, limit in KINDS
    if limit is not None
)


def measure(size: Size) -> Iterator[Table]:
    """Measure each kind of message."""
    for name, ascii_only, file, _ in KINDS:
        kind = {"ascii_only": ascii_only, "size": file}
        yield measured(
            name,
            f"A message as MIME: {name}",
            [
                Case(PEER, "clients.mime_writers:stdlib", kind),
                Case(OURS, "clients.mime_writers:ours", kind, ours=True),
                Case(
                    "mailbalance, written, speed extra",
                    "clients.mime_writers:ours",
                    kind,
                    speed=True,
                ),
                Case(
                    "mailbalance, built and written",
                    "clients.mime_writers:ours_built",
                    kind,
                ),
                Case(
                    "mailbalance, built and checked only",
                    "clients.mime_writers:built",
                    kind,
                ),
            ],
            base=PEER,
            size=size,
        )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
