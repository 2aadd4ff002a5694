"""What the drop-in adds to a boto3 call, and what a call costs that goes to Mailtrap.

Run: python benchmarks/dropin.py

The first table counts CPU time with SES's reply given by a hook of botocore, so that only
the client's own work is counted. The second counts whole calls, by the clock, to the two
doors of a local sandbox in another process.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from rounds import compare, show

from mailbalance import Mailer, MemoryBackend, SesBackend, dropin
from mailbalance.config import parse_dsn

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


def own_work() -> None:
    """Print the CPU time of a call on the SES side."""
    ses = SesBackend(region="eu-west-1")
    both = {SesBackend(region="eu-west-1"): 100, MemoryBackend("mailtrap"): "backup"}
    base = "plain boto3"
    found = compare(
        {
            base: sending(answered()),
            "drop-in, ses=100": sending(answered(Mailer({ses: 100}))),
            "drop-in, ses=100, mailtrap=backup": sending(answered(Mailer(both))),
        },
        base=base,
        number=200,
        rounds=25,
    )
    show("The SES side, reply given by a hook (CPU)", found, base=base)
    for name, (micros, _) in found.items():
        if name != base:
            print(f"{name}: {micros - found[base][0]:+.1f} us")
    print("Aim: 60 us or less.")


def whole_calls() -> None:
    """Print the time of whole calls over loopback."""
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

        base = "plain boto3"
        cases = {base: sending(client(None))}
        for split in ("ses=100", "mailtrap=100", "ses=60,mailtrap=40"):
            cases[f"drop-in, {split}"] = sending(client(split))
        found = compare(
            cases, base=base, number=100, rounds=15, clock=time.perf_counter
        )
        show("Whole calls over loopback (clock)", found, base=base)


def main() -> None:
    """Time the drop-in against plain boto3."""
    own_work()
    whole_calls()


if __name__ == "__main__":
    main()
