"""How long an attempt may take, and each of its parts: arithmetic, and nothing that waits.

An attempt must never eat the whole send: whatever comes before the commit point ends early
enough for a second attempt, on another backend, to open a connection and wait for a reply.
The attempt knows only its own time-out, so all shares follow from that one figure.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Most seconds that all of opening may take: keys, name, connection, TLS, proxy, login.
#: RFC 5321 section 4.5.3.2 asks for minutes, which suits a queue that tries for days, not
#: a caller who has a second provider and half a minute.
OPENING = 10.0

#: Seconds that must be left to wait for the reply when the last byte is handed over; with
#: less, a slow reply would become an unknown outcome for no good reason.
RESERVE = 10.0

#: The part of the time before the commit point that an attempt may use at all. A server
#: that is slow and never silent must not eat the whole send either.
_SHARE = 0.75

#: Least seconds of one wait on an open connection, however short the time-out is.
PATIENCE = 1.0

#: Longest wait for a reply that a server may have sent before it cut us off (Postfix
#: likewise reads once more before it judges).
EARLY_REPLY = 1.0


class Deadline:
    """The end of one attempt, and of its parts.

    Args:
        timeout: Seconds for the whole attempt.
        commits: Whether mail is handed over at its end; if not, nothing is kept back for
            a reply.
        clock: Monotonic seconds; that of the process when ``None``.

    Attributes:
        clock: The same.
        ends: When the attempt ends, by the clock.
        commit_by: Until when the commit point may be passed: a reserve for the reply
            before the end, and for another attempt in place of one that does not come
            that far. Without a commit, it is the end.
        opening_ends: When opening ends: half of the time before the commit point is left
            to another attempt.
        patience: Most seconds of one wait without progress on an open connection.
    """

    __slots__ = ("clock", "commit_by", "ends", "opening_ends", "patience")

    def __init__(
        self,
        timeout: float,
        *,
        commits: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.clock = clock or time.monotonic
        began = self.clock()
        self.ends = began + timeout
        before = timeout - min(RESERVE, timeout / 3) if commits else timeout
        self.commit_by = began + (before * _SHARE if commits else timeout)
        opening = min(OPENING, before / 2)
        self.opening_ends = began + opening
        self.patience = max(PATIENCE, opening)

    def opening(self) -> float:
        """Return the seconds left for opening; never negative."""
        left = self.opening_ends - self.clock()
        return left if left > 0.0 else 0.0

    def before_commit(self) -> float:
        """Return the seconds left before the commit point; never negative."""
        left = self.commit_by - self.clock()
        return left if left > 0.0 else 0.0

    def wait(self) -> float:
        """Return the seconds that one wait before the commit point may take.

        It is for waits on an open connection, each of them ended by some progress.
        """
        return self.share_of(self.commit_by - self.clock())

    def share_of(self, left: float) -> float:
        """Return what one wait may take of the seconds left before the commit point.

        Half is kept, so that the next backend has time whatever went before.
        """
        if left > 2 * PATIENCE:
            left /= 2
            return left if left < self.patience else self.patience
        if left > PATIENCE:
            return PATIENCE
        return left if left > 0.0 else 0.0

    def left(self) -> float:
        """Return the seconds until the attempt's end; never negative."""
        left = self.ends - self.clock()
        return left if left > 0.0 else 0.0

    def open_again(self) -> None:
        """Begin opening again, with half of what is left before the commit point.

        For a connection that is opened late: after a wait for the right to open one, or
        in place of one that turned out to be dead.
        """
        now = self.clock()
        half = (self.commit_by - now) / 2
        self.opening_ends = now + min(OPENING, half)
