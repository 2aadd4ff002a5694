"""Idle connections, and when one may be used again.

What lives here: the rules of reuse, the same for threads and for event loops; no lock, no
socket. What must not: waiting for a free connection; each world's pool does that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mailbalance.wire.http import faults
from mailbalance.wire.http.direct.steps import BrokenError
from mailbalance.wire.http.pools import KEEPALIVE

if TYPE_CHECKING:
    from mailbalance.errors import DeliveryError
    from mailbalance.wire.http.exchange import Exchange


class Line(Protocol):
    """A connection: a socket or an asyncio transport."""

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        ...

    def close(self) -> None:
        """Close it; nothing is on its way any more."""
        ...

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        ...


L = TypeVar("L", bound=Line)


class Shelf(Generic[L]):
    """Idle connections to one origin, the last used first: the others grow old and go."""

    __slots__ = ("_idle",)

    def __init__(self) -> None:
        self._idle: deque[tuple[float, L]] = deque()

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, now: float) -> L | None:
        """Give a connection that may be used, and let go of those that may not."""
        while self._idle:
            since, line = self._idle.pop()
            if now - since > KEEPALIVE:
                line.close()
                continue
            try:
                if line.quiet:
                    return line
            except BaseException:  # an interrupted look may have lost what it saw
                line.abort()
                raise
            line.abort()
        return None

    def put(self, line: L, now: float) -> None:
        """Take a connection back whose reply was clean."""
        self._idle.append((now, line))
        while now - self._idle[0][0] > KEEPALIVE:
            self._idle.popleft()[1].close()

    def clear(self) -> list[L]:
        """Give all idle connections away."""
        lines = [line for _, line in self._idle]
        self._idle.clear()
        return lines


def crowded(exchange: Exchange) -> DeliveryError:
    """Make the error for a request that waited too long for a connection of its own."""
    what = "every connection was in use"
    return faults.translate(BrokenError(what, "PoolTimeout"), exchange)
