"""How many messages a second, and what does each cost, with 1 to 256 of them in flight?

By SES's API, where every reply takes 40 ms. The ceiling is what that alone allows: one
message in 40 ms for each in flight. A client has one core, and its server another.

Run: python benchmarks/in_flight.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import http_sink
from measuring.tables import Goal, Row, Table, Tables

DELAY = 0.04
LEVELS = (1, 8, 64, 256)
COLUMNS = ("messages/s", "of the ceiling", "to boto3", "CPU us", "CPU to 8 in flight")
BOTO, THREADS, TASKS = "boto3, threads", "mailbalance, threads", "mailbalance, asyncio"
UVLOOP = "mailbalance, uvloop"


def _at_most_levels(case: str) -> Callable[[Tables], float]:
    return lambda tables: max(
        tables[f"{level}"][case, "CPU to 8 in flight"] for level in LEVELS[2:]
    )


def _goals() -> Iterator[Goal]:
    for case in (THREADS, TASKS):
        short = case.rpartition(" ")[2]
        for name, what, limit, column in (
            ("speed", "messages/s to boto3 in threads", 5.0, "to boto3"),
            ("ceiling", "messages/s to the latency ceiling", 0.85, "of the ceiling"),
        ):
            yield Goal(
                name=f"in-flight-{name}-{short}",
                what=f"256 in flight at 40 ms, {short}: {what}",
                limit=limit,
                found=lambda tables, case=case, column=column: tables["256"][
                    case, column
                ],
                table="256",
                case=case,
                sense="at least",
            )
        yield Goal(
            name=f"in-flight-level-{short}",
            what=f"64 and 256 in flight, {short}: CPU for a message, to that with 8",
            limit=1.25,
            found=_at_most_levels(case),
            table="256",
            case=case,
        )


GOALS = tuple(_goals())


#: httpx's pool looks through all its connections for each request: with more than this in
#: flight, a message takes it over 10 ms of CPU, and the rest of us all day.
MOST_HTTPX = 64


def cases(url: str, level: int) -> list[Case]:
    """Give everybody who sends so many at once."""
    to = {"url": url, "at_once": level}
    peer = {"environment": "bench-aiobotocore", "warm": level}
    make, warm = "clients.ours:ases", {"warm": level}
    found = [
        Case(BOTO, "clients.ses_boto3:in_threads", to, warm=level),
        Case("aiobotocore", "clients.ses_aiobotocore:send", to, **peer),
        Case(
            "httpx, request ready",
            "clients.posting:httpx_tasks",
            to,
            ("httpx",),
            **warm,
        ),
        Case(
            "aiohttp, request ready",
            "clients.posting:aiohttp_tasks",
            to,
            ("aiohttp",),
            **warm,
        ),
        Case(THREADS, "clients.ours:ses_in_threads", to, **warm),
        Case(TASKS, make, to, ours=True, **warm),
        Case(UVLOOP, make, {**to, "loop": "uvloop"}, ("uvloop",), **warm),
    ]
    return [case for case in found if level <= MOST_HTTPX or "httpx" not in case.needs]


def measure(size: Size) -> Iterator[Table]:
    """Measure one level after another."""
    full = size.rounds > 3
    rounds = 5 if full else min(size.rounds, 2)
    at_eight: dict[str, float] = {}
    # The level that the others are held against comes first.
    for level in sorted(LEVELS, key=lambda each: each != 8):
        if size.most == 1 and level == 1:
            continue
        each = (8 if full else 3) if size.most > 1 else 1
        with http_sink(delay=DELAY) as place:
            found = measured(
                f"{level}",
                f"{level} in flight",
                cases(place.url, level),
                base=BOTO,
                size=Size(rounds, size.seconds, max(size.most, level)),
                number=level * each,
            )
        yield _shown(found, level, at_eight)


def _shown(table: Table, level: int, at_eight: dict[str, float]) -> Table:
    """Give the same figures as messages a second."""
    rows = []
    ceiling = level / DELAY
    for row in table.rows:
        rate = 1e6 / table[row.case, "clock us"]
        cpu = table[row.case, "CPU us"]
        at_eight.setdefault(row.case, cpu)
        cells = (
            rate,
            rate / ceiling,
            1 / table[row.case, "clock ratio"],
            cpu,
            cpu / at_eight[row.case],
        )
        rows.append(Row(row.case, cells, row.profile, row.modules))
    ceilings = Row("ceiling", (ceiling, 1.0, None, None, None))
    return Table(
        table.name, table.title, COLUMNS, (*rows, ceilings), table.lacking, table.note
    )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
