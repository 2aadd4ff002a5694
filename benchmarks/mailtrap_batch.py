"""What does each of 500 messages cost that go to Mailtrap together?

By ``mailer.send_many``, where each message keeps its own route, plan and end, against one
call of the SDK's ``batch_send`` over TLS. In the first table all have the same body, which
is said once; in the second each has a text of its own. Figures are for one message.

Run: python benchmarks/mailtrap_batch.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import Place, http_sink
from measuring.tables import Goal, Table

MESSAGES = 500
SDK = "mailtrap SDK, batch_send"
OURS, FAST = "mailbalance, send_many", "mailbalance, send_many, speed extra"
GOALS = (
    Goal(
        name="mailtrap-batch-shared",
        what="Mailtrap, batch of 500, one body for all: CPU to the SDK's batch",
        limit=0.06,
        found=lambda tables: tables["shared"][OURS, "CPU ratio"],
        table="shared",
        case=OURS,
    ),
    Goal(
        name="mailtrap-batch-distinct",
        what="Mailtrap, batch of 500, each its own, speed extra: CPU to the SDK's batch",
        limit=0.25,
        found=lambda tables: tables["distinct"][FAST, "CPU ratio"],
        table="distinct",
        case=FAST,
    ),
)


def cases(place: Place, messages: int, distinct: bool) -> list[Case]:
    """Give everybody who sends; ours has its messages built before the clock runs."""
    to = {"url": place.url, "ca": place.ca, "messages": messages}
    kind = {**to, "distinct": distinct}
    ours = "clients.ours:mailtrap_batch"
    return [
        Case(SDK, "clients.mailtrap_peers:sdk_batch", kind, ("mailtrap",)),
        Case(OURS, ours, kind, ours=True),
        Case(FAST, ours, kind, speed=True, ours=True),
        Case(f"{FAST}, messages built too", ours, kind | {"built": True}, speed=True),
        Case("mailbalance, the backend's call alone", f"{ours}_call", kind),
        Case(
            "mailbalance, the backend's call alone, speed extra",
            f"{ours}_call",
            kind,
            speed=True,
        ),
    ]


def measure(size: Size) -> Iterator[Table]:
    """Measure one body for all, then each its own."""
    messages = MESSAGES if size.most > 1 else 5
    for name, distinct in (("shared", False), ("distinct", True)):
        with http_sink(tls=True) as place:
            yield measured(
                name,
                f"500 messages together, {'each its own' if distinct else 'one body'}",
                cases(place, messages, distinct),
                base=SDK,
                size=size,
                per=messages,
            )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
