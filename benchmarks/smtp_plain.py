"""What does a message by SMTP cost where PIPELINING is not offered, as SES has it?

First CPU over one kept connection; everybody sends what is ready, but where a case says
that it is built. Then a pool 40 ms away, whose limit is four round trips for a message on
each connection. Last Postfix's smtp-sink, which knows no AUTH, by the wire alone.

Run: python benchmarks/smtp_plain.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import delayed, postfix_sink, smtp_sink
from measuring.tables import Goal, Row, Table

RTT, POOL = 0.04, 16
PEER, OURS = "aiosmtplib, connection kept", "mailbalance, asend"
THREADS, TASKS = "mailbalance, threads", "mailbalance, asyncio"
GOALS = (
    Goal(
        name="smtp-plain",
        what="SMTP without PIPELINING, asyncio: CPU to aiosmtplib",
        limit=0.45,
        found=lambda tables: tables["cpu"][OURS, "CPU ratio"],
        table="cpu",
        case=OURS,
    ),
    *(
        Goal(
            name=f"smtp-pool-{case.rpartition(' ')[2]}",
            what=f"SMTP without PIPELINING, pool of {POOL}, {case.rpartition(' ')[2]}: "
            "messages/s to one in 4 round trips on each",
            limit=0.9,
            found=lambda tables, case=case: tables["pool"][case, "of the ceiling"],
            table="pool",
            case=case,
            sense="at least",
        )
        for case in (THREADS, TASKS)
    ),
)


def measure(size: Size) -> Iterator[Table]:
    """Measure CPU, then a pool by the clock."""
    peers, ready = "clients.smtp_peers", "clients.ours:smtp_ready"
    with smtp_sink() as near:
        to = {"port": near.port}
        yield measured(
            "cpu",
            "One message by SMTP without PIPELINING",
            [
                Case(PEER, f"{peers}:aiosmtplib", to),
                Case(
                    "aiosmtplib, EmailMessage built",
                    f"{peers}:aiosmtplib",
                    to | {"build": True},
                ),
                Case("smtplib, connection kept", f"{peers}:smtplib", to),
                Case(
                    "smtplib, EmailMessage built",
                    f"{peers}:smtplib",
                    to | {"build": True},
                ),
                Case(OURS, ready, to | {"loop": "asyncio"}, ours=True),
                Case("mailbalance, send", ready, to),
                Case("mailbalance, send, message built", "clients.ours:smtp", to),
                Case(
                    "floor: bytes that are ready",
                    "clients.floor:smtp",
                    to | {"pipelined": False},
                ),
            ],
            base=PEER,
            size=size,
        )
        with delayed(near, RTT) as far:
            yield _pool(far.port, size)
    with postfix_sink() as sink:
        if sink is not None:
            yield _to_postfix(sink.port, size)


def _pool(port: int, size: Size) -> Table:
    to, warm = {"port": port, "at_once": POOL}, {"warm": POOL}
    each = (12 if size.rounds > 3 else 4) if size.most > 1 else 1
    table = measured(
        "pool",
        f"{POOL} connections, 40 ms away, without PIPELINING",
        [
            Case("aiosmtplib, asyncio", "clients.smtp_peers:aiosmtplib", to, **warm),
            Case(THREADS, "clients.ours:smtp_in_threads", to, **warm),
            Case(TASKS, "clients.ours:smtp_in_tasks", to, ours=True, **warm),
        ],
        base="aiosmtplib, asyncio",
        size=Size(min(size.rounds, 5), size.seconds, max(size.most, POOL)),
        number=POOL * each,
    )
    ceiling = POOL / (4 * RTT)
    rates = {row.case: 1e6 / table[row.case, "clock us"] for row in table.rows}
    rows = tuple(
        Row(
            row.case,
            (rates[row.case], rates[row.case] / ceiling),
            row.profile,
            row.modules,
        )
        for row in table.rows
    )
    rows += (Row("ceiling", (ceiling, 1.0)),)
    return Table(table.name, table.title, ("messages/s", "of the ceiling"), rows)


def _to_postfix(port: int, size: Size) -> Table:
    to = {"port": port}
    return measured(
        "postfix",
        "One message to Postfix's smtp-sink, the wire alone",
        [
            Case("smtplib, connection kept", "clients.smtp_peers:smtplib", to),
            Case(PEER, "clients.smtp_peers:aiosmtplib", to),
            Case("mailbalance's wire", "clients.ours:wire", to),
            Case(
                "floor: bytes that are ready",
                "clients.floor:smtp",
                to | {"pipelined": False},
            ),
        ],
        base=PEER,
        size=size,
    )


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
