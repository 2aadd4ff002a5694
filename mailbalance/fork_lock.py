"""What a fork needs: locks that it cannot leave locked for ever, and a fresh start.

A child of ``fork`` has one thread, but a copy of every lock: one that another thread of the
parent held at that moment is never released in the child. Who uses a ``ForkLock`` sets the
state that it guards in one assignment at the end, so that a child finds it either done or
not begun.
"""

from __future__ import annotations

import logging  # noqa: F401 - first, since a fork takes its lock too: after ours then
import os
import threading
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

#: Held over late imports of large libraries, and by every fork: an import that is half
#: done in another thread holds a lock of Python's own, for ever in the child. A fork waits
#: for the import instead, so nothing that may take longer belongs under it.
IMPORTING = threading.RLock()


class StartsFresh(Protocol):
    """What counts for one process only."""

    def start_fresh(self) -> None:
        """Forget what belongs to the parent; called in the child, which has one thread."""
        ...


_fresh: weakref.WeakSet[StartsFresh] = weakref.WeakSet()


def starts_fresh(each: StartsFresh) -> None:
    """Let something start fresh in every forked child, as long as it lives."""
    _fresh.add(each)


def in_child() -> None:
    """Do in a forked child what must be done there; a simulated fork calls it too."""
    for each in list(_fresh):
        each.start_fresh()


def _after_in_child() -> None:
    IMPORTING.release()
    in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=IMPORTING.acquire,
        after_in_parent=IMPORTING.release,
        after_in_child=_after_in_child,
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
