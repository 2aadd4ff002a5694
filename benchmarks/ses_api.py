"""What does one message through SES's API cost, everything included, against boto3?

Message of 10 KB, over one kept connection. Ours is built, checked, routed, signed and sent
by a whole ``Mailer``; boto3's is one call of ``send_email``.

Run: python benchmarks/ses_api.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import Place, http_sink
from measuring.tables import Goal, Table

OURS = "mailbalance"
GOALS = (
    Goal(
        name="ses-api",
        what="SES by API, 10 KB, everything included: CPU to boto3 sesv2",
        limit=0.15,
        found=lambda tables: tables["plain"][OURS, "CPU ratio"],
        table="plain",
        case=OURS,
    ),
)


def cases(place: Place) -> list[Case]:
    """Give everybody who sends."""
    to = {"url": place.url, "ca": place.ca}
    return [
        Case("boto3 sesv2", "clients.ses_boto3:send", to),
        Case(OURS, "clients.ours:ses", to, ours=True),
        Case(f"{OURS}, speed extra", "clients.ours:ses", to, speed=True),
        Case("floor: bytes that are ready", "clients.floor:post", to),
    ]


def measure(size: Size) -> Iterator[Table]:
    """Measure without TLS, where the client's own work shows best, and with it."""
    for name, tls in (("plain", False), ("tls", True)):
        title = f"One message by SES's API{', TLS' if tls else ''}"
        with http_sink(tls=tls) as place:
            yield measured(name, title, cases(place), base="boto3 sesv2", size=size)


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
