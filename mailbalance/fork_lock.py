"""Locks that a fork cannot leave locked for ever.

What lives here: ``ForkLock``, and ``IMPORTING`` for Python's own locks. A child of
``fork`` has one thread, but a copy of every lock: one that another thread of the parent
held at that moment is never released in the child. What must not: the state that such a
lock guards. Who uses one sets that state in one assignment at the end, so that a child
finds it either done or not begun.
"""

from __future__ import annotations

import logging  # noqa: F401 - first, since a fork takes its lock too: after ours then
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

#: Held over late imports of large libraries, and by every fork: an import that is half
#: done in another thread holds a lock of Python's own, for ever in the child. A fork waits
#: for the import instead, so nothing that may take longer belongs under it.
IMPORTING = threading.RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=IMPORTING.acquire,
        after_in_parent=IMPORTING.release,
        after_in_child=IMPORTING.release,
    )


class ForkLock:
    """A re-entrant lock for each process that comes by: ``with lock.held():``."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks = {os.getpid(): threading.RLock()}

    def held(self) -> AbstractContextManager[object]:
        """Give this process's lock, to be held by ``with``.

        Leaving releases the very lock that was entered, even if a fork came between.
        """
        process = os.getpid()
        lock = self._locks.get(process)
        if lock is None:  # two threads of a child may both come here; one lock wins
            lock = self._locks.setdefault(process, threading.RLock())
        return lock
