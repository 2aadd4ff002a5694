"""Time that passes only when nothing else is left to do.

What lives here: an event loop on virtual time. What must not: anything of mail.
"""

import asyncio
import selectors
from contextlib import contextmanager
from unittest.mock import patch

from mailbalance import fork_lock


class _Skipping(selectors.BaseSelector):
    """A selector that waits for nothing: it puts the clock forward instead."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys = {}

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("nothing will ever happen again in this simulation")
        self.now += max(timeout, 0.0)
        return []

    def register(self, fileobj, events, data=None):
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj):
        return self._keys.pop(fileobj)

    def get_map(self):
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds take no time; the same every time it is run."""

    def __init__(self) -> None:
        self._virtual = _Skipping()
        super().__init__(self._virtual)
        # asyncio rounds its waits to the real clock's resolution.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass for code that does not know of the loop."""
        self._virtual.now += seconds


class Process:
    """The process that the library sees: a fork changes its id, and is told of."""

    def __init__(self) -> None:
        self.id = 1000

    def fork(self) -> None:
        """Go on as the child: what the parent had in memory is all still there."""
        self.id += 1
        fork_lock.in_child()

    @contextmanager
    def seen(self):
        """Let everybody who asks see it."""
        with patch("os.getpid", lambda: self.id):
            yield
