"""What does it cost to decide: checks, router, plan and receipt?

In place: what a whole ``Mailer`` adds to its backend's own work in sends by SES's API,
measured send by send. Then warm, over a memory backend, against what people assemble by
hand: a random pick inside tenacity's loop.

Run: python benchmarks/dispatch.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import http_sink
from measuring.tables import Goal, Table

PLACE, BASE = "checks, router, plan, receipt, in place", "random.choices + tenacity"
GOALS = (
    Goal(
        name="dispatch",
        what="Validation, router, plan and receipt, in place: CPU",
        limit=20.0,
        unit="us",
        found=lambda tables: tables["place"][PLACE, "CPU us"],
        table="warm",
        case="Mailer.send(to=..., ...)",
    ),
)


def measure(size: Size) -> Iterator[Table]:
    """Measure in place, then warm."""
    with http_sink() as place:
        to = {"url": place.url}
        yield measured(
            "place",
            "What the mailer adds to a send by SES's API, in place",
            [
                Case("mailbalance, SES by API", "clients.ours:ses", to),
                Case(PLACE, "clients.ours:in_place", to),
                Case(
                    "the same, message built beforehand",
                    "clients.ours:in_place",
                    to | {"built": True},
                ),
            ],
            base="mailbalance, SES by API",
            size=size,
            note="The clock of the last two counts all that their sends take.",
        )
    deciding = "clients.deciding"
    yield measured(
        "warm",
        "The same over a memory backend",
        [
            Case("memory backend alone", f"{deciding}:bare"),
            Case(BASE, f"{deciding}:by_hand"),
            Case("Mailer.send(message)", f"{deciding}:send"),
            Case("Mailer.send(to=..., ...)", f"{deciding}:send_fields", ours=True),
            Case("Mailer.asend(message)", f"{deciding}:asend"),
        ],
        base=BASE,
        size=size,
    )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
