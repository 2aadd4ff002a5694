"""How fast is one SMTP connection to a server 40 ms away that offers PIPELINING?

Against aiosmtplib and smtplib with their connections kept, which wait for every reply. The
floor sends MAIL, RCPT and DATA in one write, as the standard lets anybody do.

Run: python benchmarks/smtp_far.py [--quick] [--profile]
"""

from __future__ import annotations

from collections.abc import Iterator

from measuring.benchmark import main, measured
from measuring.cases import Case
from measuring.rounds import Size
from measuring.servers import delayed, smtp_sink
from measuring.tables import Goal, Row, Table

RTT = 0.04
PEER = "aiosmtplib, connection kept"
ONE, MANY = "mailbalance, send", "mailbalance, send_many, one connection"
GOALS = tuple(
    Goal(
        name=name,
        what=f"SMTP 40 ms away with PIPELINING, {words}: speed to aiosmtplib",
        limit=limit,
        found=lambda tables, case=case: tables["far"][case, "times as fast"],
        table="far",
        case=case,
        sense="at least",
    )
    for name, words, case, limit in (
        ("smtp-pipelining", "one connection", ONE, 1.9),
        ("smtp-chain", "one connection, send_many", MANY, 3.8),
    )
)


def measure(size: Size) -> Iterator[Table]:
    """Measure by the clock."""
    full = size.rounds > 3
    few = Size(3 if full else 1, size.seconds, size.most)
    with smtp_sink(pipelining=True) as near, delayed(near, RTT) as far:
        to = {"port": far.port}
        table = measured(
            "far",
            "One message by SMTP, 40 ms away, PIPELINING offered",
            [
                Case(PEER, "clients.smtp_peers:aiosmtplib", to),
                Case("smtplib, connection kept", "clients.smtp_peers:smtplib", to),
                Case(ONE, "clients.ours:smtp", to, ours=True),
                Case(MANY, "clients.ours:smtp_many", to, ours=True),
                Case("floor: pipelined", "clients.floor:smtp", to),
            ],
            base=PEER,
            size=few,
            # As many as one connection carries in one go, so that chains are whole.
            number=25 if full else 10,
        )
    rows = tuple(
        Row(
            each.case,
            (
                table[each.case, "clock us"] / 1000,
                table[each.case, "clock us"] / 1e6 / RTT,
                1 / table[each.case, "clock ratio"],
            ),
            each.profile,
            each.modules,
        )
        for each in table.rows
    )
    columns = ("clock ms", "round trips", "times as fast")
    yield Table(table.name, table.title, columns, rows, table.lacking)


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
