"""How long each phase of an attempt may take.

What lives here: the attempt's deadline and the caps of the phases, in seconds. What must
not: waiting; the drivers do that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longest wait for each phase; the attempt's own deadline may be nearer. RFC 5321 section
#: 4.5.3.2 asks for minutes, which suits a queue that tries for days, not a caller who has
#: a second provider and half a minute (2026-11-23). The reply to the final dot has no cap
#: but the deadline: giving up there early is what makes duplicates (RFC 1047).
CAPS = {
    "connect": 10.0,
    "tls": 10.0,
    "greeting": 10.0,
    "ehlo": 30.0,
    "starttls": 30.0,
    "auth": 30.0,
    "rset": 5.0,
    "mail": 30.0,
    "rcpt": 30.0,
    "data": 30.0,
    "body": 30.0,
    # Without an answer on a connection that rested, a new one is tried at once.
    "noop": 3.0,
}

#: Longest wait for a reply that a server may have sent before it cut us off (Postfix
#: likewise reads once more before it judges).
EARLY_REPLY = 1.0


class Deadline:
    """The end of one attempt.

    Attributes:
        reserve: Seconds that must be left at the commit point. Starting to commit with
            less would turn a slow reply into an unknown outcome. None where nothing is
            to be committed.
    """

    __slots__ = ("_clock", "_ends", "reserve")

    def __init__(
        self,
        timeout: float,
        *,
        commits: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._ends = clock() + timeout
        self.reserve = min(10.0, timeout / 3) if commits else 0.0

    @property
    def left(self) -> float:
        """Seconds until the attempt's end; never negative."""
        left = self._ends - self._clock()
        return left if left > 0.0 else 0.0

    @property
    def before_commit(self) -> float:
        """Seconds that may still be spent before the commit point; never negative."""
        left = self._ends - self.reserve - self._clock()
        return left if left > 0.0 else 0.0

    def limit(self, phase: str) -> float:
        """Give the seconds that one wait in this phase, before the commit, may take."""
        cap, left = CAPS[phase], self.before_commit
        return cap if cap < left else left
