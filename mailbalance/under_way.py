"""Which sends of a mailer are under way, so that closing it can wait for them.

What lives here: noting threads and tasks in and out. What must not: what they do.
"""

from __future__ import annotations

import asyncio
import os
import threading

from mailbalance.errors import MailError


class UnderWay:
    """Notes sends in and out; safe for threads, tasks and forks.

    Attributes:
        closed: Whether no new send may begin.
    """

    def __init__(self) -> None:
        self.closed = False
        # Sends of threads, each with its process and thread: a forked child inherits
        # those of its parent's other threads, which do not run in it. Adding to and
        # taking from a dictionary needs no lock that could be held at a fork.
        self._threads: dict[object, tuple[int, int]] = {}
        self._tasks: dict[object, tuple[asyncio.Future[None], object]] = {}
        self._ended = threading.Condition()

    def must_be_open(self) -> None:
        """Raise when it was closed.

        Raises:
            MailError: It was.
        """
        if self.closed:
            raise MailError("this mailer was closed; make a new one")

    def begin(self, send: object) -> None:
        """Note a send of this thread.

        Raises:
            MailError: When it was closed meanwhile.
        """
        self._threads[send] = os.getpid(), threading.get_ident()
        if self.closed:
            self.end(send)
            self.must_be_open()

    def end(self, send: object) -> None:
        """Note that it is over."""
        del self._threads[send]
        if self.closed:
            with self._ended:
                self._ended.notify_all()

    def abegin(self, send: object) -> None:
        """Note a send of the running task."""
        over = asyncio.get_running_loop().create_future()
        self._tasks[send] = over, asyncio.current_task()

    def aend(self, send: object) -> None:
        """Note that it is over."""
        over, _ = self._tasks.pop(send)
        if not over.done():
            over.set_result(None)

    def ends(self) -> list[asyncio.Future[None]]:
        """Give a future for each send in the running loop, but those of the asking task."""
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        found = list(self._tasks.values())
        return [
            over for over, task in found if task is not own and over.get_loop() is loop
        ]

    def close(self, timeout: float) -> None:
        """Let no new send begin; wait for those of other threads, at most ``timeout``."""
        self.closed = True
        with self._ended:
            self._ended.wait_for(lambda: not self._others(), timeout)

    def _others(self) -> bool:
        """Whether another thread of this process sends."""
        process, thread = os.getpid(), threading.get_ident()
        found = list(self._threads.values())
        return any(where == process and who != thread for where, who in found)
