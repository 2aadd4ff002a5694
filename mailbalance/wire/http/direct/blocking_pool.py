"""Connections shared by threads.

What lives here: the sync pool: who may open a connection, which is used again, and the
opening itself. What must not: the rules of reuse (``shelf``), the exchange (``dialogue``).
The lock is held for bookkeeping only, never while waiting for a server.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from mailbalance.errors import DeliveryError
from mailbalance.fork_lock import ForkLock
from mailbalance.wire.http import faults
from mailbalance.wire.http.direct.blocking import SocketLine, pump
from mailbalance.wire.http.direct.dialogue import Dialogue
from mailbalance.wire.http.direct.outgoing import Origin, outgoing, target
from mailbalance.wire.http.direct.shelf import Shelf, crowded
from mailbalance.wire.http.direct.steps import broken
from mailbalance.wire.reach import must_stay_here, reach
from mailbalance.wire.slots import Slots
from mailbalance.wire.tls import client_context

if TYPE_CHECKING:
    from mailbalance.wire.http.exchange import Exchange, HttpRequest, HttpResponse


class BlockingPool:
    """Carries requests for threads over connections it keeps.

    Args:
        ca: Path of a PEM file to trust instead of the system's certificates.
        connections: Most connections at once, for each origin.
    """

    def __init__(self, ca: str | None, connections: int) -> None:
        self._ca = ca
        self._connections = connections
        self._forked = ForkLock()
        self._state = _State()

    def carry(self, request: HttpRequest, exchange: Exchange) -> HttpResponse:
        """Make one exchange, on an idle connection or a new one.

        Raises:
            DeliveryError: When it was not sent, or its outcome is unknown.
            ValueError: When the request is not valid HTTP.
        """
        out, origin = outgoing(request), target(request.url)[0]
        exchange.connections = self._connections
        state = self._own_state()
        door = state.doors.get(origin) or state.new_door(origin, self._connections)
        slots = door.slots
        if not slots.take():
            if not slots.acquire(exchange.deadline.opening()):
                raise crowded(exchange)
            exchange.deadline.open_again()
        try:
            with door.lock:
                line = door.shelf.take(time.monotonic())
            if line is not None:
                dialogue = Dialogue(out, exchange)
                try:
                    return _run(door, line, dialogue)
                except DeliveryError:
                    if not dialogue.stale:
                        raise
                exchange.restart()
            line = self._dial(door.origin, exchange)
            return _run(door, line, Dialogue(out, exchange))
        finally:
            slots.release()

    def close(self) -> None:
        """Close the idle connections; a busy one goes when its reply is there."""
        state, self._state = self._own_state(), _State()
        for door in state.doors.values():
            with door.lock:
                door.closed = True
                idle = door.shelf.clear()
            for line in idle:
                line.close()

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest."""
        doors = list(self._own_state().doors.values())
        busy = sum(each.slots.taken for each in doors)
        return busy, sum(len(each.shelf) for each in doors)

    def _dial(self, origin: Origin, exchange: Exchange) -> SocketLine:
        """Open a connection.

        Raises:
            DeliveryError: When that failed; nothing was sent.
        """
        exchange.enter("connect")
        line = None
        try:
            line = SocketLine(reach(origin.host, origin.port, exchange.left()))
            if origin.scheme == "http":
                must_stay_here(line.socket.getpeername())
            if origin.scheme == "https":
                exchange.enter("tls")
                line.start_tls(client_context(self._ca), origin.host, exchange.left())
        except (OSError, ValueError) as error:
            if line is not None:
                line.abort()
            raise faults.translate(broken(error, "Connect"), exchange) from error
        except BaseException:
            if line is not None:
                line.abort()
            raise
        return line

    def _own_state(self) -> _State:
        """Give this process's state; a forked child begins with an empty one."""
        if self._state.process != os.getpid():
            with self._forked.held():
                inherited = self._state
                if inherited.process != os.getpid():
                    self._state = _State()
                    for door in inherited.doors.values():
                        for line in door.shelf.clear():
                            line.close()  # a descriptor; the connection is the parent's
        return self._state


def _run(door: _Door, line: SocketLine, dialogue: Dialogue) -> HttpResponse:
    dialogue.exchange.connection = line
    try:
        return pump(line, dialogue)
    finally:
        if dialogue.keep:
            door.put(line)
        else:
            line.abort()


class _State:
    """What one process holds."""

    __slots__ = ("_lock", "doors", "process")

    def __init__(self) -> None:
        self.process = os.getpid()
        self.doors: dict[Origin, _Door] = {}
        self._lock = threading.Lock()

    def new_door(self, origin: Origin, connections: int) -> _Door:
        with self._lock:
            return self.doors.setdefault(origin, _Door(origin, connections))


class _Door:
    """The connections to one origin."""

    __slots__ = ("closed", "lock", "origin", "shelf", "slots")

    def __init__(self, origin: Origin, connections: int) -> None:
        self.origin = origin
        self.closed = False
        self.lock = threading.Lock()
        self.slots = Slots(connections)
        self.shelf: Shelf[SocketLine] = Shelf()

    def put(self, line: SocketLine) -> None:
        with self.lock:
            if not self.closed:
                self.shelf.put(line, time.monotonic())
                return
        line.close()
