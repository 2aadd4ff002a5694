"""One timer for all the waits of a connection.

What lives here: ``Alarm``. What must not: what is waited for.

Almost no wait ever reaches its limit, and a timer for each costs more than the wait: a
message by SMTP waits four times. So one timer stays, and finds out when it rings whether
the wait of that time still goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Alarm:
    """Rings when the latest wait has reached its limit, or soon after one that ended.

    Args:
        loop: The event loop that the connection belongs to.
        ring: Called then; it knows whether anybody still waits.
    """

    __slots__ = ("_due", "_loop", "_ring", "_timer", "_when")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ring: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._when = 0.0
        self._due = 0.0

    def set(self, due: float) -> None:
        """Ring at ``due``, by the loop's clock, instead of at any time before."""
        self._due = due
        if self._timer is None or due < self._when:
            self._start()

    def end(self) -> None:
        """Ring no more, and leave nothing in the loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        self.end()
        self._when = self._due
        self._timer = self._loop.call_at(self._due, self._rung)

    def _rung(self) -> None:
        self._timer = None
        # Compared with the time it was set for, not with the clock: loops round.
        if self._due > self._when:
            self._start()
        else:
            self._ring()
