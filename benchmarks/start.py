"""What do imports, a process at work and one large message take, against boto3?

Imports are timed in fresh interpreters. Resident is the most that a process held that has
sent messages of 10 KB. The peak is what ``tracemalloc`` sees one send with a file of 500 KB
hold at once, the file itself left out; it sees neither OpenSSL's buffers nor the kernel's.

Run: python benchmarks/start.py [--quick]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from measuring.benchmark import main
from measuring.cases import Case, running
from measuring.cores import client_core, pinned
from measuring.rounds import Size, Timed, compare
from measuring.servers import http_sink, smtp_sink
from measuring.tables import Goal, Row, Table

FILE = 500_000
OURS, PEER = "mailbalance: Mailer, Message", "boto3"
IMPORTS = {
    PEER: "import boto3",
    OURS: "from mailbalance import Mailer, Message",
    "mailtrap SDK": "import mailtrap",
    "boto3, and a client": (
        "import boto3; boto3.client('sesv2', 'eu-west-1',"
        " aws_access_key_id='x', aws_secret_access_key='y')"
    ),
    "mailbalance, and a mailer": (
        "from mailbalance import Mailer, SesBackend; Mailer({SesBackend("
        "region='eu-west-1', access_key='x', secret_key='y', environ={}): 1})"
    ),
}
PROGRAM = """
import json, time
cpu, wall = time.process_time(), time.perf_counter()
{}
print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]))
"""
SES, MAILTRAP = "mailbalance, SES by API", "mailbalance, Mailtrap by API"
SMTP, SDK = "mailbalance, SMTP", "mailtrap SDK"
BOTO = "boto3 sesv2"
GOALS = (
    Goal(
        name="import",
        what="Import of Mailer and Message: CPU to boto3",
        limit=0.6,
        found=lambda tables: tables["import"][OURS, "CPU ratio"],
        table="import",
        case=OURS,
    ),
    Goal(
        name="resident",
        what="Resident memory of a process that sends by SES's API, to boto3",
        limit=0.5,
        found=lambda tables: tables["memory"][SES, "to boto3"],
        table="memory",
        case=SES,
    ),
    *(
        Goal(
            name=f"peak-{name}",
            what=f"Extra peak of a send with 500 KB: {case}",
            limit=limit,
            unit="MB",
            found=lambda tables, case=case: tables["memory"][
                case, "peak of 500 KB, MB"
            ],
            table="memory",
            case=case,
        )
        for name, case, limit in (
            ("ses", SES, 0.8),
            ("mailtrap", MAILTRAP, 0.3),
            ("smtp", SMTP, 0.3),
        )
    ),
)


def measure(size: Size) -> Iterator[Table]:
    """Measure imports, then memory."""
    few = Size(min(size.rounds, 7), size.seconds, 1)
    times = compare(
        {name: _importing(line) for name, line in IMPORTS.items()},
        base=PEER,
        size=few,
        number=1,
    )
    rows = tuple(
        Row(name, (t.cpu / 1000, t.cpu_ratio, t.wall / 1000, t.wall_ratio))
        for name, t in times.items()
    )
    columns = ("CPU ms", "CPU ratio", "clock ms", "clock ratio")
    yield Table("import", "Imports in a fresh interpreter", columns, rows)
    yield _memory(50 if size.most > 1 else 1)


def _importing(line: str) -> Timed:
    command = pinned([sys.executable, "-c", PROGRAM.format(line)], client_core())

    def run(_: int) -> tuple[float, float]:
        told = subprocess.run(  # noqa: S603 - lines of our own
            command, check=True, capture_output=True, text=True
        ).stdout
        cpu, wall = json.loads(told)
        return cpu, wall

    return run


def _memory(messages: int) -> Table:
    with http_sink() as api, smtp_sink(pipelining=True) as smtp:
        by_api, by_smtp = {"url": api.url}, {"port": smtp.port}
        cases = [
            Case(BOTO, "clients.ses_boto3:send", by_api),
            Case(SES, "clients.ours:ses", by_api),
            Case(f"{SES}, speed extra", "clients.ours:ses", by_api, speed=True),
            Case(MAILTRAP, "clients.ours:mailtrap", by_api),
            Case(
                f"{MAILTRAP}, speed extra", "clients.ours:mailtrap", by_api, speed=True
            ),
            Case(SMTP, "clients.ours:smtp", by_smtp),
            Case(f"{SMTP}, speed extra", "clients.ours:smtp", by_smtp, speed=True),
            Case("django, SMTP", "clients.smtp_peers:django", by_smtp, ("django",)),
        ]
        cases = [case for case in cases if case.lacking is None]
        with running(cases) as small:
            resident = [each.ask("rss", messages)["bytes"] for each in small]
        large = [
            Case(each.name, each.make, {**each.options, "size": FILE}, speed=each.speed)
            for each in cases
        ]
        with running(large) as processes:
            peaks = [each.ask("peak", 1)["bytes"] for each in processes]
    rows = tuple(
        Row(case.name, (held / 1e6, held / resident[0], peak / 1e6))
        for case, held, peak in zip(cases, resident, peaks, strict=True)
    )
    columns = ("resident MB", "to boto3", "peak of 500 KB, MB")
    return Table("memory", "Memory", columns, rows)


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
