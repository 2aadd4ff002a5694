"""What one send through SES's API costs: this library against boto3, in one run.

Both send the same 10 KB message (text and HTML) over loopback to a sink in a process of
its own, which answers at once. Rounds are interleaved, forwards and backwards, so that
whatever else the machine does hits all alike; CPU seconds of this process count, not the
clock on the wall. boto3 gets one attempt per call, as this library makes.

Run it with ``python benchmarks/wires.py``. Aim: 0.5 of boto3 or less.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from rounds import compare, show

from mailbalance import Envelope, Message, SesBackend

KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMI"}
MESSAGE: dict[str, Any] = {
    "from_": "Ana <ana@example.com>",
    "to": ["ben@example.com"],
    "subject": "The monthly report",
    "text": "All is well, and here is why.\n" * 100,
    "html": "<p>All is well, and <b>here</b> is why.</p>\n" * 160,
}

#: A server that answers every POST with a MessageId, and does no more than it must.
SINK = """
import asyncio
BODY = b'{"MessageId": "0100018c00000000-00000000-0000-0000-0000-000000000000-000000"}'
REPLY = (b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n"
         b"Content-Length: %d\\r\\n\\r\\n" % len(BODY)) + BODY
class Sink(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.seen = transport, bytearray()
    def data_received(self, data):
        self.seen += data
        while (end := self.seen.find(b"\\r\\n\\r\\n")) >= 0:
            head = bytes(self.seen[:end]).lower()
            length = int(head.split(b"content-length:")[1].split(b"\\r\\n")[0])
            if len(self.seen) < end + 4 + length:
                return
            del self.seen[: end + 4 + length]
            self.transport.write(REPLY)
async def main():
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

#: Makes so many sends.
Case = Callable[[int], None]


def main() -> None:
    """Start the sink, time the cases, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sends", type=int, default=200, help="sends in a round")
    given = parser.parse_args()
    sink = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True
    )
    with sink:
        try:
            port = int(next(iter(sink.stdout or ())))
            found = cases(f"http://127.0.0.1:{port}")
            times = compare(
                found, base="boto3", number=given.sends, rounds=given.rounds
            )
            show("One message through SES's API", times, base="boto3")
        finally:
            sink.terminate()


def cases(endpoint: str) -> dict[str, Case]:
    """The ways to send, boto3 first."""
    loop = asyncio.new_event_loop()
    return {
        "boto3": boto3s(endpoint),
        "send": ours(endpoint),
        "asend": ours_in(loop, endpoint),
        "asend, 16 at once": ours_in(loop, endpoint, at_once=16),
    }


def boto3s(endpoint: str) -> Case:
    """Send with boto3's client."""
    client = boto3.client(
        "sesv2",
        "eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    content = {
        "Simple": {
            "Subject": {"Data": MESSAGE["subject"], "Charset": "UTF-8"},
            "Body": {
                "Text": {"Data": MESSAGE["text"], "Charset": "UTF-8"},
                "Html": {"Data": MESSAGE["html"], "Charset": "UTF-8"},
            },
        }
    }

    def case(sends: int) -> None:
        for _ in range(sends):
            client.send_email(
                FromEmailAddress=MESSAGE["from_"],
                Destination={"ToAddresses": MESSAGE["to"]},
                Content=content,
            )

    return case


def ours(endpoint: str) -> Case:
    """Send as the mailer does: build, check, send."""
    backend = SesBackend(region="eu-west-1", endpoint=endpoint, **KEYS)

    def case(sends: int) -> None:
        for _ in range(sends):
            message = Message(**MESSAGE)
            envelope = Envelope.of(message)
            backend.refuses(message, envelope)
            backend.send(message, envelope, timeout=30)

    return case


def ours_in(
    loop: asyncio.AbstractEventLoop, endpoint: str, *, at_once: int = 1
) -> Case:
    """Do the same in an event loop, so many at a time."""
    backend = SesBackend(region="eu-west-1", endpoint=endpoint, **KEYS)

    async def one() -> None:
        message = Message(**MESSAGE)
        envelope = Envelope.of(message)
        backend.refuses(message, envelope)
        await backend.asend(message, envelope, timeout=30)

    async def several(sends: int) -> None:
        for _ in range(sends // at_once):
            if at_once == 1:
                await one()
            else:
                await asyncio.gather(*(one() for _ in range(at_once)))

    return lambda sends: loop.run_until_complete(several(sends))


if __name__ == "__main__":
    main()
