"""Connections shared by threads.

What lives here: the sync pool: who may open a connection, and which is used again. What
must not: the rules of reuse (``connection``), the dialogue (``transaction``). The lock is
held for bookkeeping only, never while waiting for a server.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from typing import TYPE_CHECKING

from mailbalance.errors import DeliveryError
from mailbalance.wire.slots import Slots
from mailbalance.wire.smtp.blocking import SocketLine, pump, pump_all
from mailbalance.wire.smtp.blocking_dial import dial
from mailbalance.wire.smtp.connection import GOODBYE, Shelf, crowded, noop_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.smtp.chain import End
    from mailbalance.wire.smtp.commands import Mail
    from mailbalance.wire.smtp.connection import Connection, Reuse
    from mailbalance.wire.smtp.server import Server
    from mailbalance.wire.smtp.steps import Accepted
    from mailbalance.wire.smtp.transaction import Transaction
    from mailbalance.wire.smtp.verdict import Rule

#: Guards the first use in a forked child; taken at no other time, so that a fork can
#: hardly find it held.
_AFTER_FORK = threading.Lock()


class BlockingPool:
    """Carries messages for threads over a few connections to one server."""

    def __init__(self, server: Server, reuse: Reuse, rules: tuple[Rule, ...]) -> None:
        self._server = server
        self._reuse = reuse
        self._rules = rules
        self._state = _State(reuse)

    def carry(self, mail: Mail, deadline: Deadline) -> Accepted:
        """Send one message, on a resting connection or a new one.

        Raises:
            DeliveryError: When it was not accepted, or may not have been.
        """
        state = self._enter(deadline)
        try:
            return self._carry(state, mail, deadline)
        finally:
            state.slots.release()

    def carry_all(self, mails: Sequence[Mail], deadline: Deadline) -> list[End]:
        """Send several messages on one connection, or as many as that takes.

        Returns:
            What came of each, in their order.

        Raises:
            DeliveryError: When no connection was to be had for the first.
        """
        ends: list[End] = []
        state = self._enter(deadline)
        try:
            while len(ends) < len(mails):
                try:
                    connection = self._connection(state, deadline)
                except DeliveryError as error:
                    if not ends:
                        raise
                    left = len(mails) - len(ends)
                    return [*ends, *(copy.copy(error) for _ in range(left))]
                ends += self._carry_some(
                    state, connection, mails[len(ends) :], deadline
                )
                deadline.open_again()
        finally:
            state.slots.release()
        return ends

    def _connection(self, state: _State, deadline: Deadline) -> Connection[SocketLine]:
        with state.lock:
            connection = state.shelf.take(time.monotonic())
        return connection or dial(self._server, deadline, self._rules)

    def _carry_some(
        self,
        state: _State,
        connection: Connection[SocketLine],
        mails: Sequence[Mail],
        deadline: Deadline,
    ) -> list[End]:
        chain = connection.begin_all(mails, deadline, self._reuse, self._rules)
        sound = False
        try:
            pump_all(connection.line, chain)
            sound = chain.keep
        finally:
            if sound:
                connection.end(chain, len(chain.ends))
                state.put(connection)
            else:
                connection.line.abort()
        return chain.ends

    def probe(self, deadline: Deadline) -> None:
        """Make sure that one resting connection answers, opening it if need be.

        Raises:
            DeliveryError: When none could be opened.
        """
        state = self._enter(deadline)
        try:
            with state.lock:
                connection = state.shelf.take(time.monotonic())
            if connection is not None and _answers(connection, deadline):
                state.put(connection)
            else:
                state.put(dial(self._server, deadline, self._rules))
        finally:
            state.slots.release()

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest."""
        state = self._own_state()
        return state.slots.taken, len(state.shelf)

    def close(self) -> None:
        """Part from the resting connections; a busy one goes when its message is done."""
        state, self._state = self._own_state(), _State(self._reuse)
        with state.lock:
            state.closed = True
            resting = state.shelf.clear()
        ends = time.monotonic() + GOODBYE
        for connection in resting:
            connection.line.part(max(0.0, ends - time.monotonic()))

    def _enter(self, deadline: Deadline) -> _State:
        """Wait for the right to use a connection; whoever has it must give it back.

        Raises:
            ThrottledError: When it did not come in time.
        """
        state = self._own_state()
        if not state.slots.take():
            if not state.slots.acquire(deadline.opening()):
                raise crowded(self._reuse)
            deadline.open_again()
        return state

    def _own_state(self) -> _State:
        """Give this process's state; a forked child begins with an empty one."""
        if self._state.process != os.getpid():
            with _AFTER_FORK:
                if self._state.process != os.getpid():
                    for connection in self._state.shelf.clear():
                        connection.line.abandon()
                    self._state = _State(self._reuse)
        return self._state

    def _carry(self, state: _State, mail: Mail, deadline: Deadline) -> Accepted:
        with state.lock:
            connection = state.shelf.take(time.monotonic())
        if connection is not None:
            transaction = connection.begin(mail, deadline, self._rules)
            try:
                return _run(state, connection, transaction)
            except DeliveryError:
                if not transaction.stale:
                    raise
            deadline.open_again()
        # None rested, or the server had given up the one that did, which is no try.
        connection = dial(self._server, deadline, self._rules)
        return _run(state, connection, connection.begin(mail, deadline, self._rules))


def _run(
    state: _State, connection: Connection[SocketLine], transaction: Transaction
) -> Accepted:
    try:
        return pump(connection.line, transaction)
    finally:
        if transaction.keep:
            connection.end(transaction)
            state.put(connection)
        else:
            connection.line.abort()


def _answers(connection: Connection[SocketLine], deadline: Deadline) -> bool:
    """Tell whether a resting connection is alive; if not, it is cut."""
    alive = False
    try:
        alive = connection.line.answers(noop_limit(deadline))
    finally:
        if not alive:
            connection.line.abort()
    return alive


class _State:
    """What one process holds."""

    __slots__ = ("closed", "lock", "process", "shelf", "slots")

    def __init__(self, reuse: Reuse) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.slots = Slots(reuse.connections)
        self.shelf: Shelf[SocketLine] = Shelf(reuse)
        self.closed = False

    def put(self, connection: Connection[SocketLine]) -> None:
        with self.lock:
            if not self.closed:
                self.shelf.put(connection, time.monotonic())
                return
        connection.line.hang_up()
