"""A server that takes every POST, answers as SES or Mailtrap does, and does no more.

A program of its own. Prints its port. Options: ``--delay`` seconds before each reply,
``--certificate`` a PEM file with a key for TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import ssl
from typing import Any

ID = "0100018c00000000-00000000-0000-0000-0000-000000000000-000000"
#: What stands in a prepared reply where each has an id of its own.
_SPOT = ID.encode()
SES: dict[str, Any] = {"MessageId": ID}
MAILTRAP: dict[str, Any] = {"success": True, "message_ids": [ID]}
END = b"\r\n\r\n"


def reply(body: dict[str, Any]) -> bytes:
    """Give a whole reply."""
    content = json.dumps(body).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def batch_reply(messages: int) -> bytes:
    """Give the reply to so many messages at once."""
    return reply({"success": True, "responses": [MAILTRAP] * messages})


class Sink(asyncio.Protocol):
    """One connection."""

    delay = 0.0
    kept: dict[int, bytes] = {}  # noqa: RUF012 - shared by all connections
    ses, mailtrap = reply(SES), reply(MAILTRAP)
    given = itertools.count()  # no id is given twice
    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self._head, self._left = b"", 0
        self._reply, self._body = b"", [b""]
        self._batch = False

    def data_received(self, data: bytes) -> None:
        """Take what came; only the body of a batch is looked at."""
        if not self._left:
            self._head += data
            end = self._head.find(END)
            if end < 0:
                return
            data, head = self._head[end + len(END) :], self._head[:end]
            self._head = b""
            self._begin(head)
        self._left -= len(data)
        if self._batch:
            self._body.append(data)
        if self._left <= 0:
            self._end()

    def _begin(self, head: bytes) -> None:
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        self._left = int(length)
        path = head.split(b" ", 2)[1]
        self._batch = path.startswith(b"/api/batch")
        self._reply = self.mailtrap if path.startswith(b"/api") else self.ses

    def _end(self) -> None:
        self._left = 0
        if self._batch:
            count = b"".join(self._body).count(b'"to"')
            self._body.clear()
            if count not in self.kept:
                self.kept[count] = batch_reply(count)
            self._reply = self.kept[count]
        own = b"%064d" % next(self.given)
        said = self._reply.replace(_SPOT, own[-len(_SPOT) :])
        if self.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self.delay, self.transport.write, said)
        else:
            self.transport.write(said)


async def serve(certificate: str | None) -> None:
    """Serve for ever."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--certificate")
    given = parser.parse_args()
    Sink.delay = given.delay
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(given.certificate))
    else:
        uvloop.run(serve(given.certificate))


if __name__ == "__main__":
    main()
