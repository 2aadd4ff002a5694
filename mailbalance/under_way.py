"""Which sends of a mailer are under way, so that closing it can wait for them.

What lives here: counting threads and tasks in and out. What must not: what they do.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any


class UnderWay:
    """Counts sends in and out; safe for threads, tasks and forks.

    Attributes:
        closed: Whether no new send may begin.
    """

    def __init__(self) -> None:
        self.closed = False
        # Sends of threads, each with its process: a forked child inherits those of its
        # parent's other threads, which do not run in it. Adding to and taking from a
        # dictionary needs no lock, so that none can be held at the moment of a fork.
        self._threads: dict[object, int] = {}
        self._tasks: dict[object, asyncio.Task[Any] | None] = {}
        self._ended = threading.Condition()

    def begin(self, send: object) -> None:
        """Note a send of this thread."""
        self._threads[send] = os.getpid()

    def end(self, send: object) -> None:
        """Note that it is over."""
        del self._threads[send]
        if self.closed:
            with self._ended:
                self._ended.notify_all()

    def abegin(self, send: object) -> None:
        """Note a send of the running task."""
        self._tasks[send] = asyncio.current_task()

    def aend(self, send: object) -> None:
        """Note that it is over."""
        del self._tasks[send]

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Give the sending tasks of the running loop, but the one that asks."""
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        found = {
            t for t in list(self._tasks.values()) if t is not None and t is not own
        }
        return [task for task in found if task.get_loop() is loop]

    def close(self, timeout: float) -> None:
        """Let no new send begin, and wait for those of threads, at most ``timeout``."""
        self.closed = True
        with self._ended:
            self._ended.wait_for(lambda: not self._ours(), timeout)

    def _ours(self) -> bool:
        return os.getpid() in list(self._threads.values())
