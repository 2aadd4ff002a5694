"""A far network: passes bytes on, each half a round trip later.

A program of its own. Prints its port. Options: ``--port`` of the server behind it, and
``--rtt`` in seconds. A new connection takes a round trip more, as TCP's handshake does:
what a client says first arrives after one and a half. Bandwidth and slow start are not
modelled.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from typing import Any


class Way:
    """One direction of a connection: what is under way, in order."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, bytes | None]] = deque()
        self._to: Any = None

    def open(self, to: Any) -> None:
        """Say where it leads; what was due is handed over."""
        self._to = to
        self._arrive()

    def put(self, data: bytes | None) -> None:
        """Take bytes, or ``None`` for the end."""
        self._under_way.append((self._loop.time() + self._delay, data))
        if self._to is not None:
            self._loop.call_later(self._delay, self._arrive)

    def _arrive(self) -> None:
        now = self._loop.time() + 1e-4
        while self._under_way and self._under_way[0][0] <= now:
            _, data = self._under_way.popleft()
            if data is None:
                self._to.close()
            elif not self._to.is_closing():
                self._to.write(data)
        if self._under_way:
            self._loop.call_at(self._under_way[0][0], self._arrive)


class Near(asyncio.Protocol):
    """The side of the client."""

    port, rtt = 0, 0.0

    def connection_made(self, transport: Any) -> None:
        """Connect to the server when the handshake would be through."""
        self._out, self._back = Way(self.rtt / 2), Way(self.rtt / 2)
        self._back.open(transport)
        loop = asyncio.get_running_loop()
        loop.call_later(1.5 * self.rtt, lambda: loop.create_task(self._reach()))

    async def _reach(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            lambda: Far(self._back), "127.0.0.1", self.port
        )
        self._out.open(transport)

    def data_received(self, data: bytes) -> None:
        """Send it on its way."""
        self._out.put(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Send the end on its way."""
        self._out.put(None)


class Far(asyncio.Protocol):
    """The side of the server."""

    def __init__(self, back: Way) -> None:
        self._back = back

    def data_received(self, data: bytes) -> None:
        """Send it on its way back."""
        self._back.put(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Send the end on its way back."""
        self._back.put(None)


async def serve() -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Near, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rtt", type=float, required=True)
    given = parser.parse_args()
    Near.port, Near.rtt = given.port, given.rtt
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
