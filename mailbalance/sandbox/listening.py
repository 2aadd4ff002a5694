"""Ports: owned for the whole life of a box, listening only while they should.

What lives here: one port that can be shut and opened again, and accepting connections.
What must not: protocols.

A shut port is still bound, by a socket that does not listen: no other program gets it,
and a client gets a refused connection, as from a machine where no server runs.

``loop.create_server`` will not do: closed while it accepts a connection, its server loses
that socket and leaves the client waiting (CPython 3.11, 3.12).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping

HOST = "127.0.0.1"
#: Connections the kernel holds until they are accepted.
BACKLOG = 512
#: Seconds without accepting when the process has no file descriptor left.
PAUSE = 0.1

Factory = Callable[[], asyncio.Protocol]


class Port:
    """One port of this machine's loopback interface."""

    def __init__(self, number: int = 0) -> None:
        """Take a port; 0 takes a free one. Raises OSError when it is taken."""
        self._bound = _bind(number)
        self.number: int = self._bound.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, factory: Factory, context: ssl.SSLContext | None = None) -> None:
        """Listen, on the running loop; does nothing when it listens already."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._factory = factory
            self._context = context
            self._bound.listen(BACKLOG)
            self._loop.add_reader(self._bound, self._accept)

    def shut(self) -> None:
        """Stop listening, keep the port; connections that are open stay open."""
        if self._loop is not None:
            self._accept()  # clients that wait already are let in, and told
            self.release()
            self._bound = _bind(self.number)

    def release(self) -> None:
        """Give the port back."""
        if self._loop is not None:
            self._loop.remove_reader(self._bound)
            self._loop = None
        self._bound.close()

    def _accept(self) -> None:
        if self._loop is None:
            return
        try:
            for _ in range(BACKLOG):
                accepted, _ = self._bound.accept()
                accepted.setblocking(False)
                task = self._loop.create_task(self._take(accepted))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise
            self._loop.remove_reader(self._bound)
            self._loop.call_later(PAUSE, self._accept_again)

    def _accept_again(self) -> None:
        if self._loop is not None:
            self._loop.add_reader(self._bound, self._accept)

    async def _take(self, accepted: socket.socket) -> None:
        # a failed TLS handshake is the client's affair
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory, accepted, ssl=self._context
            )


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
