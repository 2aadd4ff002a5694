"""What does one message through Mailtrap's API cost, and how many round trips?

Against Mailtrap's own SDK, and against httpx with its connection kept; all over TLS, as
Mailtrap is. The second table puts 40 ms of round trip between.

Run: python benchmarks/mailtrap_api.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import Place, delayed, http_sink
from measuring.tables import Goal, Row, Table

RTT = 0.04
SDK, HTTPX, OURS = "mailtrap SDK", "httpx, connection kept", "mailbalance"
GOALS = (
    Goal(
        name="mailtrap-sdk",
        what="Mailtrap by API, connection kept: CPU to the mailtrap SDK",
        limit=0.01,
        found=lambda tables: tables["cpu"][OURS, "CPU ratio"],
        table="cpu",
        case=OURS,
    ),
    Goal(
        name="mailtrap-httpx",
        what="Mailtrap by API, connection kept: CPU to httpx with its connection kept",
        limit=0.25,
        found=lambda tables: tables["httpx"][OURS, "CPU ratio"],
        table="httpx",
        case=OURS,
    ),
    Goal(
        name="mailtrap-round-trips",
        what="Mailtrap by API, connection kept: round trips for a message",
        limit=1.1,
        unit="round trips",
        found=lambda tables: tables["far"][OURS, "round trips"],
        table="far",
        case=OURS,
    ),
)


def cases(place: Place) -> list[Case]:
    """Give everybody who sends."""
    to = {"url": place.url, "ca": place.ca}
    peers = "clients.mailtrap_peers"
    return [
        Case(SDK, f"{peers}:sdk", to, ("mailtrap",)),
        Case(HTTPX, f"{peers}:httpx_kept", to, ("httpx",)),
        Case(OURS, "clients.ours:mailtrap", to, ours=True),
        Case(f"{OURS}, speed extra", "clients.ours:mailtrap", to, speed=True),
        Case(
            "floor: bytes that are ready",
            "clients.floor:post",
            to | {"path": "/api/send"},
        ),
    ]


def measure(size: Size) -> Iterator[Table]:
    """Measure CPU on this machine, then the clock from far away."""
    with http_sink(tls=True) as place:
        found = cases(place)
        yield measured(
            "cpu", "One message by Mailtrap's API", found, base=SDK, size=size
        )
        yield measured("httpx", "The same, to httpx", found[1:], base=HTTPX, size=size)
        with delayed(place, RTT) as far:
            few = Size(min(size.rounds, 4), size.seconds, size.most)
            table = measured(
                "far",
                "One message, 40 ms away",
                cases(far),
                base=SDK,
                size=few,
                number=10,
            )
    rows = tuple(
        Row(
            each.case,
            (
                table[each.case, "clock us"] / 1000,
                table[each.case, "clock us"] / 1e6 / RTT,
                table[each.case, "clock ratio"],
            ),
            each.profile,
            each.modules,
        )
        for each in table.rows
    )
    columns = ("clock ms", "round trips", "clock ratio")
    yield Table(table.name, table.title, columns, rows, table.lacking)


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
