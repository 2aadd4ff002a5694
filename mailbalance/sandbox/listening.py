"""Ports: owned for the whole life of a box, listening only while they should.

What lives here: one port that can be shut and opened again. What must not: protocols.

A shut port is still bound, by a socket that does not listen: no other program gets it,
and a client gets a refused connection, as from a machine where no server runs.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping

HOST = "127.0.0.1"
#: Connections the kernel holds until they are accepted.
BACKLOG = 512


class Port:
    """One port of this machine's loopback interface."""

    def __init__(self, number: int = 0) -> None:
        """Take a port; 0 takes a free one. Raises OSError when it is taken."""
        self._bound = _bind(number)
        self.number: int = self._bound.getsockname()[1]
        self._server: asyncio.Server | None = None

    async def open(
        self,
        factory: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Listen; does nothing when it listens already."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                factory, sock=self._bound, ssl=context, backlog=BACKLOG
            )

    def shut(self) -> None:
        """Stop listening, keep the port; connections that are open stay open."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._bound = _bind(self.number)

    def release(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._bound.close()


def take_ports(names: Iterable[str], wanted: Mapping[str, int]) -> dict[str, Port]:
    """Take a port for each name, all or none; free ones but where one is wanted.

    Raises:
        OSError: A wanted port is taken.
    """
    taken: dict[str, Port] = {}
    try:
        for name in names:
            taken[name] = Port(wanted.get(name, 0))
    except OSError:
        for port in taken.values():
            port.release()
        raise
    return taken


def _bind(number: int) -> socket.socket:
    # with the protocol named, asyncio turns Nagle's delay (40 ms a reply) off
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # connections left over in TIME_WAIT must not hinder; a listener still does
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, number))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
