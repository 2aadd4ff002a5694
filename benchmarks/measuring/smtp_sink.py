"""An SMTP server that takes every message, and does no more than the standard asks.

A program of its own. Prints its port. With ``--pipelining`` it offers that. Postfix's
smtp-sink is faster still, but answers AUTH with 250, which no client takes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from typing import Any

REPLIES = {
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
    b"AUTH": b"235 2.7.0 Authentication successful\r\n",
}
ACCEPTED = b"250 Ok 0100018c00000000-00000000-0000-0000-0000-%012d-000000\r\n"
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One session."""

    pipelining = False
    given = itertools.count()  # no id is given twice
    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        """Greet."""
        self.transport = transport
        self._held = bytearray()
        self._in_message, self._seen = False, 0
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that has come, in one write."""
        self._held += data
        said: list[bytes] = []
        while self._message(said) if self._in_message else self._command(said):
            pass
        if said:
            self.transport.write(b"".join(said))

    def _message(self, said: list[bytes]) -> bool:
        end = self._held.find(END, max(0, self._seen - len(END)))
        if end < 0:
            self._seen = len(self._held)
            return False
        del self._held[: end + len(END)]
        self._in_message = False
        said.append(ACCEPTED % next(self.given))
        return True

    def _command(self, said: list[bytes]) -> bool:
        end = self._held.find(b"\r\n")
        if end < 0:
            return False
        verb = bytes(self._held[:4]).upper()
        del self._held[: end + 2]
        if verb == b"EHLO":
            offered = b"250-PIPELINING\r\n" if self.pipelining else b""
            said.append(
                b"250-sink\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n"
                + offered
                + b"250 AUTH PLAIN LOGIN\r\n"
            )
        else:
            said.append(REPLIES.get(verb, b"500 5.5.1 What?\r\n"))
        self._in_message, self._seen = verb == b"DATA", 0
        return True


async def serve() -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelining", action="store_true")
    Sink.pipelining = parser.parse_args().pipelining
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
