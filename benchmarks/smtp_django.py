"""What does it cost to build a message and send it by SMTP, against Django's backend?

Django's backend is kept open, which its ``send_mail`` does not do by itself. Both build the
message anew each time; 10 KB, and with a file of 500 KB.

Run: python benchmarks/smtp_django.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import smtp_sink
from measuring.tables import Goal, Table

SIZES = {"10 KB": 0, "500 KB": 500_000}
PEER, OURS = "django, backend kept open", "mailbalance"
GOALS = tuple(
    Goal(
        name=f"smtp-django-{name.replace(' ', '').lower()}",
        what=f"SMTP, {name} built and sent: CPU to Django's backend kept open",
        limit=limit,
        found=lambda tables, name=name: tables[name][OURS, "CPU ratio"],
        table=name,
        case=OURS,
    )
    for name, limit in (("10 KB", 0.15), ("500 KB", 0.10))
)


def measure(size: Size) -> Iterator[Table]:
    """Measure a small message and a large one; PIPELINING is offered to all."""
    with smtp_sink(pipelining=True) as place:
        for name, file in SIZES.items():
            to = {"port": place.port, "size": file}
            yield measured(
                name,
                f"Build and send by SMTP, {name}",
                [
                    Case(PEER, "clients.smtp_peers:django", to, ("django",)),
                    Case(OURS, "clients.ours:smtp", to, ours=True),
                    Case(f"{OURS}, speed extra", "clients.ours:smtp", to, speed=True),
                    Case("floor: bytes that are ready", "clients.floor:smtp", to),
                ],
                base=PEER,
                size=size,
            )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
