"""What does a message with a file of 500 KB cost through SES's API, against boto3?

Run: python benchmarks/ses_attachment.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import http_sink
from measuring.tables import Goal, Table

FILE = 500_000
OURS, FAST = "mailbalance", "mailbalance, speed extra"
GOALS = tuple(
    Goal(
        name=name,
        what=f"SES by API, 500 KB attachment{words}: CPU to boto3 sesv2",
        limit=limit,
        found=lambda tables, case=case: tables["file"][case, "CPU ratio"],
        table="file",
        case=case,
    )
    for name, words, case, limit in (
        ("ses-attachment", "", OURS, 0.38),
        ("ses-attachment-speed", ", speed extra", FAST, 0.22),
    )
)


def measure(size: Size) -> Iterator[Table]:
    """Measure without TLS, whose share would be the same for everybody."""
    with http_sink() as place:
        to = {"url": place.url, "size": FILE}
        yield measured(
            "file",
            "One message with a file of 500 KB by SES's API",
            [
                Case("boto3 sesv2", "clients.ses_boto3:send", to),
                Case(OURS, "clients.ours:ses", to, ours=True),
                Case(FAST, "clients.ours:ses", to, speed=True, ours=True),
                Case("floor: bytes that are ready", "clients.floor:post", to),
            ],
            base="boto3 sesv2",
            size=size,
        )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
