"""What does one message through SES's API cost in an event loop, against aiobotocore?

Message of 10 KB, one after another over one kept connection. aiobotocore lives in an
environment of its own, since it pins a botocore; ``python benchmarks`` makes that.

Run: python benchmarks/ses_async.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import http_sink
from measuring.tables import Goal, Table

OURS, PEER = "mailbalance", "aiobotocore"
GOALS = (
    Goal(
        name="ses-async",
        what="SES by API in asyncio, 10 KB: CPU to aiobotocore",
        limit=0.15,
        found=lambda tables: tables["async"][OURS, "CPU ratio"],
        table="async",
        case=OURS,
    ),
)


def measure(size: Size) -> Iterator[Table]:
    """Measure in asyncio's own loop and in uvloop's."""
    with http_sink() as place:
        to, fast = {"url": place.url}, {"url": place.url, "loop": "uvloop"}
        peer = {"environment": "bench-aiobotocore"}
        make, ours = "clients.ses_aiobotocore:send", "clients.ours:ases"
        yield measured(
            "async",
            "One message by SES's API, asend",
            [
                Case("boto3 sesv2, no loop", "clients.ses_boto3:send", to),
                Case(PEER, make, to, **peer),
                Case(f"{PEER}, uvloop", make, fast, **peer),
                Case(OURS, ours, to, ours=True),
                Case(f"{OURS}, speed extra", ours, to, speed=True),
                Case(f"{OURS}, uvloop", ours, fast, needs=("uvloop",)),
                Case("floor: bytes that are ready", "clients.floor:post", to),
            ],
            base=PEER,
            size=size,
        )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
