"""When an attempt ends, and how much of it each part may use: absolute times, no seconds.

A wait that takes seconds starts its limit anew each time it is begun again, and many short
waits then add up to more than the whole. So every wait below is given the time it ends at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that must be left to wait for the reply when the last byte is handed over;
#: with less, a slow answer would become an unknown outcome for no good reason.
COMMIT_RESERVE = 10.0

#: Seconds that opening a connection may take altogether: its name, TCP, TLS, a proxy.
OPENING = 10.0

#: Seconds that a peer which takes bytes may always rest before it takes the next one.
SHORTEST_STALL = 1.0


class Deadline:
    """The end of one attempt.

    Attributes:
        ends: When it is over.
        commit_by: Until when the commit point may be passed: ``ends`` less the reserve,
            which is at most a third of the time. Without a commit, the same as ``ends``.
    """

    __slots__ = ("_clock", "commit_by", "ends")

    def __init__(
        self,
        timeout: float,
        *,
        commits: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock = clock or time.monotonic
        self.ends = clock() + timeout
        reserve = min(COMMIT_RESERVE, timeout / 3) if commits else 0.0
        self.commit_by = self.ends - reserve

    def opening_ends(self) -> float:
        """Return when a connection that is begun now must be open.

        Half of what is left before the commit point is kept: for the request itself, or
        for another attempt, which a host that never answers must not use up as well.
        """
        now = self._clock()
        return now + min(OPENING, (self.commit_by - now) / 2)

    def stall(self) -> float:
        """Return the seconds that one write may wait without any progress."""
        left = self.commit_by - self._clock()
        return max(SHORTEST_STALL, min(OPENING, left / 2))

    def now(self) -> float:
        """Return the time, by the clock that the rest is in."""
        return self._clock()

    def left(self) -> float:
        """Return the seconds until its end; negative after it."""
        return self.ends - self._clock()
