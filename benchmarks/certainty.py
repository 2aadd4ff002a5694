"""How many messages each client loses, doubles or leaves in doubt, fault by fault.

Nothing is left to chance: a server does with the first, second ... attempt of a message
what the case says, so that every run gives the same table. Only mailbalance with two
backends varies by a few messages: its breaker opens a moment sooner or later.

Run: python benchmarks/certainty.py [--messages 20] [--only TEXT] [--cases] [--json]
"""

from __future__ import annotations

import argparse
import json
import logging
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import trustme
from faults.cases import CASES, Case
from faults.doors import Book, Door
from faults.http_clients import Send, boto3_ses, mailtrap_sdk
from faults.http_door import HttpDoor
from faults.judging import ENDS, MEANING, Tally
from faults.mail import Mail, Place
from faults.mailbalance_clients import by_api, by_smtp
from faults.smtp_clients import aiosmtplib_client, smtplib_client
from faults.smtp_door import SmtpDoor

Client = Callable[[Place], AbstractContextManager[Send]]

#: By wire; those of a provider's SDK meet the door of that provider.
CLIENTS: dict[str, dict[str, Client]] = {
    "http": {
        "boto3": boto3_ses,
        "boto3 + tenacity": partial(boto3_ses, retry=True),
        "mailtrap SDK": mailtrap_sdk,
        "mailtrap SDK + tenacity": partial(mailtrap_sdk, retry=True),
        "mailbalance, ses": partial(by_api, two=False, unknown="raise"),
        "mailbalance, ses, retry": partial(by_api, two=False, unknown="retry"),
        "mailbalance, two": partial(by_api, two=True, unknown="raise"),
        "mailbalance, two, retry": partial(by_api, two=True, unknown="retry"),
    },
    "smtp": {
        "smtplib": smtplib_client,
        "smtplib + retry": partial(smtplib_client, retry=True),
        "aiosmtplib": aiosmtplib_client,
        "aiosmtplib + retry": partial(aiosmtplib_client, retry=True),
        "mailbalance, ses-smtp": partial(by_smtp, two=False, unknown="raise"),
        "mailbalance, ses-smtp, retry": partial(by_smtp, two=False, unknown="retry"),
        "mailbalance, two": partial(by_smtp, two=True, unknown="raise"),
        "mailbalance, two, retry": partial(by_smtp, two=True, unknown="retry"),
    },
}
#: One after another by SMTP, where a kept connection is part of the case.
AT_ONCE = {"http": 8, "smtp": 1}


@dataclass(frozen=True)
class Row:
    """What the mails of one case came to by one client."""

    wire: str
    case: str
    client: str
    ends: dict[str, int]


class Servers:
    """Makes the doors of one case after another, behind one authority."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)

    def run(self, case: Case, client: Client, sdk: bool, messages: int) -> Tally:
        """Send the messages of one case by one client."""
        book = Book()
        make: Callable[..., Door] = SmtpDoor
        if case.wire == "http":
            make = partial(HttpDoor, provider="mailtrap" if sdk else "ses")
        healthy = (
            partial(HttpDoor, provider="mailtrap") if case.wire == "http" else make
        )
        mails = list(map(partial(_mail, case), range(messages)))
        with (
            make(book, self.context, script=case.script) as first,
            healthy(book, self.context) as second,
        ):
            place = Place(self.ca, first.port, second.port)
            with client(place) as send, ThreadPoolExecutor(AT_ONCE[case.wire]) as pool:
                told = list(pool.map(send, mails))
        tally = Tally()
        for recipient, what in (pair for each in told for pair in each.items()):
            tally.count(recipient, what, book.copies[recipient])
        return tally


def _mail(case: Case, number: int) -> Mail:
    recipients = tuple(f"m{number}{kind}@example.com" for kind in case.kinds)
    return Mail(recipients, ("x" * 70 + "\n") * (case.size // 71 + 1))


def run(messages: int, only: str = "") -> list[Row]:
    """Run the cases whose names hold a text, each with every client of its wire."""
    logging.disable(logging.CRITICAL)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder))
        for case in (case for case in CASES if only in f"{case.wire}: {case.name}"):
            for name, client in CLIENTS[case.wire].items():
                tally = servers.run(case, client, "SDK" in name, messages)
                ends = {end: tally.ends[end] for end in ENDS}
                rows.append(Row(case.wire, case.name, name, ends))
    return rows


def show(title: str, rows: list[Row]) -> None:
    """Print one table: the clients of these rows, and what all their mails came to."""
    print(f"\n{title:<44}" + "".join(f"{end:>15}" for end in ENDS))
    totals: dict[str, Counter[str]] = {}
    for row in rows:
        totals.setdefault(row.client, Counter()).update(row.ends)
    for client, total in totals.items():
        print(f"{client:<44}" + "".join(f"{total[end] or '-':>15}" for end in ENDS))


def main() -> None:
    """Read the options, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20, help="of each case")
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--cases", action="store_true", help="a table for each case")
    parser.add_argument("--json", action="store_true", help="rows instead of tables")
    given = parser.parse_args()
    rows = run(given.messages, given.only)
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    for case in CASES if given.cases else ():
        name = f"{case.wire}: {case.name}"
        own = [row for row in rows if f"{row.wire}: {row.case}" == name]
        if own:
            show(name, own)
    for wire in CLIENTS:
        show(f"{wire}: all faults", [row for row in rows if row.wire == wire])
    print()
    for end, meaning in MEANING.items():
        print(f"{end:>14}: {meaning}")


if __name__ == "__main__":
    main()
