"""What does the drop-in add to a boto3 call, and what does a call to Mailtrap cost?

Run: python benchmarks/dropin.py [--quick]

The first table counts CPU time with SES's reply given by a hook of botocore, so that only
the client's own work is counted. The second counts whole calls, by the clock, to the two
doors of a local sandbox in another process.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from measuring.benchmark import COLUMNS, main
from measuring.rounds import Size, compare, timed
from measuring.tables import Goal, Row, Table

from mailbalance import Mailer, MemoryBackend, SesBackend, dropin
from mailbalance.config import parse_dsn

BASE = "plain boto3"
WHOLE = "drop-in, ses=100, mailtrap=backup"
GOALS = (
    Goal(
        name="dropin",
        what="Drop-in: what it adds to a boto3 call that SES takes, CPU",
        limit=60.0,
        unit="us",
        found=lambda tables: (
            tables["own"][WHOLE, "CPU us"] - tables["own"][BASE, "CPU us"]
        ),
        table="own",
        case=WHOLE,
    ),
)

CALL: dict[str, Any] = {
    "FromEmailAddress": "Shop <shop@example.com>",
    "Destination": {"ToAddresses": ["Ana <ana@example.com>"]},
    "Content": {
        "Simple": {
            "Subject": {"Data": "Your receipt"},
            "Body": {"Text": {"Data": "Thank you for your order."}},
        }
    },
}
KEYS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


class _Body:
    """The stream that botocore reads a reply from."""

    def stream(self) -> Iterator[bytes]:
        yield b'{"MessageId": "0100"}'


def answered(mailer: Mailer | None = None) -> Any:
    """Make a client whose requests are answered by a hook, signed and all."""
    client: Any = boto3.client("sesv2", **KEYS)

    def answer(request: Any, **_: Any) -> Any:
        headers: Any = {"content-type": "application/json"}
        return AWSResponse(request.url, 200, headers, _Body())

    client.meta.events.register("before-send", answer)
    return dropin.attach(client, mailer) if mailer else client


def sending(client: Any) -> Callable[[int], None]:
    """Time send_email."""

    def send(number: int) -> None:
        for _ in range(number):
            client.send_email(**CALL)

    return send


@contextlib.contextmanager
def sandbox() -> Iterator[dict[str, Any]]:
    """Run a local sandbox in another process; gives its addresses and environment."""
    command = [sys.executable, "-m", "mailbalance", "sandbox", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    printed: Any = process.stdout
    try:
        yield json.loads("".join(iter(printed.readline, "}\n")) + "}")
    finally:
        process.terminate()
        process.wait()


def own_work(size: Size) -> Table:
    """Measure the CPU time of a call on the SES side."""
    ses = SesBackend(region="eu-west-1")
    both = {SesBackend(region="eu-west-1"): 100, MemoryBackend("mailtrap"): "backup"}
    cases = {
        BASE: sending(answered()),
        "drop-in, ses=100": sending(answered(Mailer({ses: 100}))),
        WHOLE: sending(answered(Mailer(both))),
    }
    return table("own", "The SES side, reply given by a hook", cases, size)


def whole_calls(size: Size) -> Table:
    """Measure whole calls over loopback."""
    with sandbox() as told:
        environ = told["environ"]
        keys = parse_dsn(environ["MAILBALANCE_SES_URL"], name="ses")
        secret = keys.secret.get_secret_value() if keys.secret else None

        def client(split: str | None) -> Any:
            made: Any = boto3.client(
                "sesv2",
                region_name=keys.options["region"],
                aws_access_key_id=keys.user,
                aws_secret_access_key=secret,
                endpoint_url=told["urls"]["ses"],
            )
            if split is None:
                return made
            mailer = Mailer.from_env({**environ, "MAILBALANCE_SPLIT": split})
            return dropin.attach(made, mailer)

        cases = {BASE: sending(client(None))}
        for split in ("ses=100", "mailtrap=100", "ses=60,mailtrap=40"):
            cases[f"drop-in, {split}"] = sending(client(split))
        return table("whole", "Whole calls over loopback", cases, size)


def table(
    name: str, title: str, cases: Mapping[str, Callable[[int], None]], size: Size
) -> Table:
    """Time functions of this process."""
    runs = {each: timed(function) for each, function in cases.items()}
    times = compare(runs, base=BASE, size=size)
    rows = tuple(Row(each, found.cells) for each, found in times.items())
    return Table(name, title, COLUMNS, rows)


def measure(size: Size) -> Iterator[Table]:
    """Measure the client's own work, then whole calls."""
    yield own_work(size)
    yield whole_calls(size)


if __name__ == "__main__":
    main(__file__, __doc__, measure, GOALS)
