"""Which sends of a mailer are under way, so that closing and exiting can wait for them.

What lives here: noting threads and tasks in and out, and the wait when the interpreter
exits. What must not: what they do; signals (``stopping``).
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from mailbalance.errors import ClosedError, MailError
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
else:
    asyncio = Later("asyncio", globals())

#: Seconds between two looks at sends that are waited for without a lock: where a signal
#: may have struck, or a fork, a lock could be held for ever.
LOOK = 0.005

#: Seconds for a caller to write down what its last send gave, where nothing tells that it
#: has done so.
LINGER = 1.0

#: Sends of that time that are remembered at most.
MOST = 4096


def without_asyncio(what: str) -> MailError:
    """Make the error for a coroutine that is driven by something else than asyncio."""
    return MailError(
        f"{what} needs asyncio, and no event loop of asyncio is running here: under trio "
        "or another framework, call send in a thread (trio.to_thread.run_sync)"
    )


class UnderWay:
    """Notes sends in and out; safe for threads, tasks and forks.

    Args:
        patience: Seconds that the exit of the interpreter waits for its sends.

    Attributes:
        closed: Why no new send may begin; ``""`` while one may.
        patience: As given; a stop that has waited in vain sets it to 0.
        refused: Called when a new send was refused, in its thread or task.
        held: Threads for which the end of the process waits, by what they entered.
    """

    def __init__(self, patience: float = 0.0) -> None:
        self.closed = ""
        self.patience = patience
        self.refused: Callable[[], object] = _nothing
        self.held: dict[object, int] = {}
        # Sends of threads, each with its process and thread: a forked child inherits
        # those of its parent's other threads, which do not run in it. Adding to and
        # taking from a dictionary needs no lock that could be held at a fork.
        self._threads: dict[object, tuple[int, int]] = {}
        self._tasks: dict[object, _TaskSend] = {}
        self._detached: dict[int, set[asyncio.Task[Any]]] = {}
        self._latest: deque[tuple[float, int, Callable[[], object]]] = deque(
            maxlen=MOST
        )
        self._back: set[object] = set()
        self._ended = threading.Condition()
        _all.add(self)

    @property
    def detached(self) -> set[asyncio.Task[Any]]:
        """Attempts of this process that go on without their callers."""
        return self._detached.setdefault(os.getpid(), set())

    def must_be_open(self) -> None:
        """Raise when it was closed, or the interpreter exits.

        Raises:
            ClosedError: It was, or it does.
        """
        why = self.closed
        if not why and _exiting is not None and _exiting != threading.get_ident():
            why = "the interpreter exits: nothing was sent"
        if why:
            self.came_back()
            self.refused()
            raise ClosedError(why)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let the end of the process wait until this thread leaves the block."""
        token = object()
        self.held[token] = threading.get_ident()
        try:
            yield
        finally:
            self.held.pop(token, None)

    def begin(self, send: object) -> None:
        """Note a send of this thread.

        Raises:
            ClosedError: When it was closed meanwhile.
        """
        self._threads[send] = os.getpid(), threading.get_ident()
        if self.closed:
            self.end(send)
            self.must_be_open()

    def end(self, send: object) -> None:
        """Note that it is over."""
        where, who = self._threads.pop(send)
        self._latest.append((time.monotonic(), where, lambda: who))
        if self.closed:
            with self._ended:
                self._ended.notify_all()

    def abegin(self, send: object) -> None:
        """Note a send of the running task.

        Raises:
            ClosedError: When it was closed meanwhile.
        """
        self.must_be_open()
        over = asyncio.get_running_loop().create_future()
        self._tasks[send] = over, asyncio.current_task(), os.getpid()

    def aend(self, send: object) -> None:
        """Note that it is over."""
        over, task, where = self._tasks.pop(send)
        if task is not None:
            self._latest.append((time.monotonic(), where, weakref.ref(task)))
        if not over.done():
            over.set_result(None)

    def ends(self) -> list[asyncio.Future[Any]]:
        """Give a future for each send in the running loop, but those of the asking task."""
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        sends = list(self._tasks.values())
        ends: list[asyncio.Future[Any]] = [o for o, task, _ in sends if task is not own]
        return [end for end in (*ends, *self.detached) if end.get_loop() is loop]

    def senders(self) -> Iterator[object]:
        """Give who sends now in this process: idents of threads, and tasks.

        Takes no lock, so that a signal's handler may ask. What belongs to an event loop
        that has stopped is left out: nothing goes on there.
        """
        process = os.getpid()
        threads, tasks = list(self._threads.values()), list(self._tasks.values())
        yield from (who for where, who in threads if where == process)
        for over, task, where in tasks:
            if where == process and over.get_loop().is_running():
                yield task
        for detached in list(self.detached):
            if not detached.done() and detached.get_loop().is_running():
                yield detached

    def writers(self) -> Iterator[object]:
        """Give who may still be writing down what the last send gave.

        That is whoever's last send ended less than ``LINGER`` ago, and who has neither
        ended since nor come back for another.
        """
        process, since = os.getpid(), time.monotonic() - LINGER
        found = list(self._latest)
        recent = [w() for when, where, w in found if where == process and when >= since]
        yield from (w for w in recent if w not in self._back and _goes_on(w))

    def came_back(self) -> None:
        """Note that this thread or task has written down what its last send gave."""
        self._back.add(_who())

    def close(self, timeout: float) -> None:
        """Let no new send begin; wait for those of other threads, at most ``timeout``."""
        self.shut()
        with self._ended:
            self._ended.wait_for(lambda: not self._others(), timeout)

    def shut(self, why: str = "this mailer was closed; make a new one") -> None:
        """Let no new send begin; the first reason stays."""
        self.closed = self.closed or why

    def _others(self) -> bool:
        """Whether another thread of this process sends."""
        process, thread = os.getpid(), threading.get_ident()
        found = list(self._threads.values())
        return any(where == process and who != thread for where, who in found)


if TYPE_CHECKING:
    _TaskSend = tuple[asyncio.Future[None], asyncio.Task[Any] | None, int]

_all: weakref.WeakSet[UnderWay] = weakref.WeakSet()

#: The thread that runs the exit of the interpreter, once it does.
_exiting: int | None = None


def _nothing() -> None:
    """Take no notice."""


def _who() -> object:
    """Give the running task, or this thread's ident."""
    if "asyncio" not in sys.modules:  # no time to load it: the interpreter may exit
        return threading.get_ident()
    try:
        return asyncio.current_task() or threading.get_ident()
    except RuntimeError:
        return threading.get_ident()


@atexit.register
def _wait_at_exit() -> None:
    """Let sends of daemon threads end, which the interpreter would cut off.

    Threads of other kinds have ended by now. No other thread may begin a send any more;
    the exiting one may, for exit functions of the program.
    """
    global _exiting  # noqa: PLW0603 - an interpreter exits once
    _exiting = threading.get_ident()
    found, began = list(_all), time.monotonic()
    while any(_is_waited_for(each, time.monotonic() - began) for each in found):
        time.sleep(LOOK)


def _is_waited_for(found: UnderWay, waited: float) -> bool:
    if waited > found.patience:
        return False
    return any(found.senders()) or any(who != _exiting for who in found.writers())


def _goes_on(sender: object) -> bool:
    """Whether a task, or a thread by its ident, is still there."""
    if isinstance(sender, int):
        return sender in sys._current_frames()
    task = cast("asyncio.Task[Any] | None", sender)  # it may be forgotten by now
    return task is not None and not task.done() and task.get_loop().is_running()
