"""An open session and when it may be used again.

What lives here: the bookkeeping of one connection and the rules of reuse; no lock, no
socket. What must not: waiting for a free connection; each world's pool does that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mailbalance.errors import ThrottledError
from mailbalance.wire.smtp.chain import Chain
from mailbalance.wire.smtp.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.smtp.commands import Features, Mail
    from mailbalance.wire.smtp.verdict import Rule

#: Seconds to wait in all for the answers to QUIT when everything is closed.
GOODBYE = 1.0

#: Longest wait, in seconds, for the answer to NOOP on a connection that rested.
NOOP = 3.0


@dataclass(frozen=True, slots=True)
class Reuse:
    """The rules of reuse, from a provider's published limits.

    Attributes:
        connections: Most connections at once, in this process and event loop.
        messages: Most messages on one connection.
        idle: Longest rest, in seconds, after which a connection is still used. Below the
            server's own limit, or we would write into a session it has ended.
        age: Longest life of a connection, in seconds: providers move their hosts.
    """

    connections: int = 8
    messages: int = 100
    idle: float = 8.0
    age: float = 300.0


class Line(Protocol):
    """A way to talk to a server: a socket or an asyncio transport."""

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        ...

    def hang_up(self) -> None:
        """Say QUIT without waiting for the answer, and close."""
        ...

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        ...


L = TypeVar("L", bound=Line)


@dataclass(slots=True, eq=False)
class Connection(Generic[L]):
    """One open session.

    Attributes:
        line: The way to the server.
        features: What the server offers.
        opened: When it was opened, by a monotonic clock.
        rested: When it was last put back.
        messages: How many transactions it has carried.
        unfinished: Whether the last one must be reset first.
        said: The text of the last reply to a message, in a list of one.
    """

    line: L
    features: Features
    opened: float
    rested: float = 0.0
    messages: int = 0
    unfinished: bool = False
    said: list[str] = field(default_factory=lambda: [""])

    def begin(
        self, mail: Mail, deadline: Deadline, rules: tuple[Rule, ...]
    ) -> Transaction:
        """Make the next transaction on it."""
        return Transaction(
            mail,
            self.features,
            deadline,
            rules=rules,
            reset=self.unfinished,
            said=self.said,
        )

    def begin_all(
        self,
        mails: Sequence[Mail],
        deadline: Deadline,
        reuse: Reuse,
        rules: tuple[Rule, ...],
    ) -> Chain:
        """Make a chain of as many transactions as it may still carry, at least one."""
        return Chain(
            mails[: max(1, reuse.messages - self.messages)],
            lambda mail, reset: Transaction(
                mail,
                self.features,
                deadline,
                rules=rules,
                reset=reset,
                said=self.said,
            ),
            pipelining=self.features.pipelining,
            fresh=self.messages == 0,
            reset=self.unfinished,
        )

    def end(self, transaction: Transaction | Chain, messages: int = 1) -> None:
        """Take note of what a transaction, or several, left behind."""
        self.messages += messages
        self.unfinished = transaction.unfinished


class Shelf(Generic[L]):
    """Resting connections, the last used first: the others then grow old and go."""

    __slots__ = ("_resting", "_reuse")

    def __init__(self, reuse: Reuse) -> None:
        self._reuse = reuse
        self._resting: deque[Connection[L]] = deque()

    def take(self, now: float) -> Connection[L] | None:
        """Give a connection that may be used, hanging up on those that may not."""
        while self._resting:
            connection = self._resting.pop()
            if not _quiet(connection.line):
                connection.line.abort()
            elif self._too_old(connection, now):
                connection.line.hang_up()
            else:
                return connection
        return None

    def put(self, connection: Connection[L], now: float) -> None:
        """Take a connection back whose last reply was clear, or hang up on it."""
        resting = self._resting
        while resting and self._too_old(resting[0], now):
            resting.popleft().line.hang_up()
        connection.rested = now
        if self._too_old(connection, now):
            connection.line.hang_up()
        else:
            resting.append(connection)

    def clear(self) -> list[Connection[L]]:
        """Give all resting connections away."""
        resting = list(self._resting)
        self._resting.clear()
        return resting

    def __len__(self) -> int:
        return len(self._resting)

    def _too_old(self, connection: Connection[L], now: float) -> bool:
        return (
            now - connection.rested > self._reuse.idle
            or now - connection.opened > self._reuse.age
            or connection.messages >= self._reuse.messages
        )


def _quiet(line: Line) -> bool:
    """Look at a line; one whose look was interrupted may have lost what it saw."""
    try:
        return line.quiet
    except BaseException:
        line.abort()
        raise


def noop_limit(deadline: Deadline) -> float:
    """Return the seconds for NOOP: without an answer, a new connection needs as much."""
    return min(NOOP, deadline.opening() / 2)


def crowded(reuse: Reuse) -> ThrottledError:
    """Make the error for a message that found every connection in use for too long.

    Its phase says that the queue is our own: no provider asked to slow down.
    """
    count = reuse.connections
    what = "the one connection was" if count == 1 else f"all {count} connections were"
    return ThrottledError(f"{what} in use until too little time was left", phase="pool")
