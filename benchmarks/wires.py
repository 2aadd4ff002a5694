"""What one send through SES's API costs: this library against boto3, in one run.

All send the same message over loopback to a sink in a process of its own, which answers at
once. Rounds are interleaved, forwards and backwards, so that whatever else the machine
does hits all alike; CPU seconds of this process count, not the clock on the wall. boto3
gets one attempt per call, as this library makes. ``floor`` writes the same bytes, made
beforehand, to a bare socket: no library can cost less.

Run it with ``python benchmarks/wires.py``, for a message with an attachment with
``--attachment 500000``, and for what the whole mailer adds with ``--mailer``.
Aim: 0.15 of boto3 or less; with the attachment 0.38, and 0.22 with the ``speed`` extra.
``aiobotocore`` is a case too where it is installed; it pins a botocore of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import boto3
import uvloop
from botocore.config import Config
from rounds import compare, show

from mailbalance import Attachment, Envelope, Mailer, Message, SesBackend
from mailbalance.backends._json import whole as as_json
from mailbalance.backends._ses_request import request_body
from mailbalance.wire.http import wire

KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMI"}
AWS = {
    "aws_access_key_id": KEYS["access_key"],
    "aws_secret_access_key": KEYS["secret_key"],
}
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
        self.transport, self.seen, self.rest = transport, b"", 0
    def data_received(self, data):
        if self.rest:
            self.rest -= len(data)
            if not self.rest:
                self.transport.write(REPLY)
            return
        self.seen += data
        end = self.seen.find(b"\\r\\n\\r\\n")
        if end >= 0:
            head = self.seen[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\\r\\n")[0])
            self.rest = end + 4 + length - len(self.seen)
            self.seen = b""
            if not self.rest:
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
    parser.add_argument("--attachment", type=int, default=0, help="bytes of one")
    parser.add_argument("--mailer", action="store_true", help="send by a whole Mailer")
    given = parser.parse_args()
    if given.attachment:
        content = bytes(each % 251 for each in range(given.attachment))
        MESSAGE["attachments"] = [Attachment(content=content, filename="report.bin")]
    sink = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True
    )
    with sink:
        try:
            port = int(next(iter(sink.stdout or ())))
            found = cases(port, given.mailer)
            times = compare(
                found, base="boto3", number=given.sends, rounds=given.rounds
            )
            show("One message through SES's API", times, base="boto3")
        finally:
            sink.terminate()


def cases(port: int, mailer: bool) -> dict[str, Case]:
    """The ways to send, boto3 first."""
    endpoint = f"http://127.0.0.1:{port}"
    plain, fast = asyncio.new_event_loop(), uvloop.new_event_loop()
    found = {"boto3": boto3s(endpoint), "floor": floor(port)}
    for engine in ("direct", "httpcore2"):
        wire.ENGINE = engine
        found |= {
            f"send, {engine}": ours(endpoint, mailer),
            f"asend, {engine}": ours_in(plain, endpoint, mailer),
            f"asend in uvloop, {engine}": ours_in(fast, endpoint, mailer),
            f"asend, 16 at once, {engine}": ours_in(plain, endpoint, mailer, 16),
        }
    if find_spec("aiobotocore"):
        found |= {
            "aiobotocore": aiobotocores(plain, endpoint),
            "aiobotocore in uvloop": aiobotocores(fast, endpoint),
        }
    return found


def boto3s(endpoint: str) -> Case:
    """Send with boto3's client."""
    config = Config(retries={"total_max_attempts": 1})
    client = boto3.client(
        "sesv2", "eu-west-1", endpoint_url=endpoint, config=config, **AWS
    )

    def case(sends: int) -> None:
        for _ in range(sends):
            client.send_email(**botos_call())

    return case


def botos_call() -> dict[str, Any]:
    """Say the message as boto3 and aiobotocore are told it."""
    simple: dict[str, Any] = {
        "Subject": {"Data": MESSAGE["subject"], "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": MESSAGE["text"], "Charset": "UTF-8"},
            "Html": {"Data": MESSAGE["html"], "Charset": "UTF-8"},
        },
    }
    for each in MESSAGE.get("attachments", ()):
        simple["Attachments"] = [
            {"FileName": each.filename, "RawContent": each.content}
        ]
    return {
        "FromEmailAddress": MESSAGE["from_"],
        "Destination": {"ToAddresses": MESSAGE["to"]},
        "Content": {"Simple": simple},
    }


def floor(port: int) -> Case:
    """Write bytes that are ready, and read what comes."""
    message = Message(**MESSAGE)
    body = as_json(request_body(message, Envelope.of(message)))
    head = f"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    sock = socket.create_connection(("127.0.0.1", port))

    def case(sends: int) -> None:
        for _ in range(sends):
            sock.sendall(request)
            sock.recv(65536)

    return case


def ours(endpoint: str, mailer: bool) -> Case:
    """Send as the mailer does, build, check and send, or by the mailer itself."""
    backend = SesBackend(region="eu-west-1", endpoint=endpoint, **KEYS)
    whole = Mailer({backend: 1})

    def case(sends: int) -> None:
        for _ in range(sends):
            message = Message(**MESSAGE)
            if mailer:
                whole.send(message)
            else:
                envelope = Envelope.of(message)
                backend.refuses(message, envelope)
                backend.send(message, envelope, timeout=30)

    case(1)  # its wire is made now, with the engine that was set
    return case


def ours_in(
    loop: asyncio.AbstractEventLoop, endpoint: str, mailer: bool, at_once: int = 1
) -> Case:
    """Do the same in an event loop, so many at a time."""
    backend = SesBackend(region="eu-west-1", endpoint=endpoint, **KEYS)
    whole = Mailer({backend: 1})

    async def one() -> None:
        message = Message(**MESSAGE)
        if mailer:
            await whole.asend(message)
            return
        envelope = Envelope.of(message)
        backend.refuses(message, envelope)
        await backend.asend(message, envelope, timeout=30)

    case = repeated(loop, one, at_once)
    case(1)
    return case


def repeated(
    loop: asyncio.AbstractEventLoop, one: Callable[[], Awaitable[None]], at_once: int
) -> Case:
    """Make a case of a coroutine."""

    async def several(sends: int) -> None:
        for _ in range(max(1, sends // at_once)):
            if at_once == 1:
                await one()
            else:
                await asyncio.gather(*(one() for _ in range(at_once)))

    return lambda sends: loop.run_until_complete(several(sends))


def aiobotocores(loop: asyncio.AbstractEventLoop, endpoint: str) -> Case:
    """Send with aiobotocore's client."""
    from aiobotocore.session import get_session

    config = Config(retries={"total_max_attempts": 1})
    making = get_session().create_client(
        "sesv2", region_name="eu-west-1", endpoint_url=endpoint, config=config, **AWS
    )
    client = loop.run_until_complete(making.__aenter__())

    async def one() -> None:
        await client.send_email(**botos_call())

    return repeated(loop, one, 1)


if __name__ == "__main__":
    main()
