"""Which deliveries are in flight, so that closing and exiting can wait for them.

A delivery is in flight while its permit is among the live ones and not over. All looks at
them read a copy and take no lock, so that a signal handler may ask, and closers look every
few milliseconds: a send makes no future and notifies nobody.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from mailbalance import fork_lock
from mailbalance.errors import ClosedError, MailError
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from mailbalance.routing.admission import Permit
else:
    asyncio = Later("asyncio", globals())

#: Seconds between two looks at what is waited for.
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


class InFlight:
    """What is in flight in one process; safe for threads, tasks and forks.

    Args:
        live: Returns the permits of this process's deliveries.
        patience: Seconds that the exit of the interpreter waits for them.

    Attributes:
        closed: Why no new send may begin; ``""`` while one may.
        wary: Whether a new send must ask ``must_be_open`` first.
        watched: Whether somebody waits until what tasks sent is written down, too.
        patience: As given; a stop that ran out of time sets it to 0.
        refused: Called when a new send was refused, in its thread or task.
        held: Threads for which the end of the process waits, by what they entered.
        detached: Attempts of this process that go on without their callers.
        latest: When sends ended lately, and who made them.
    """

    def __init__(
        self,
        live: Callable[[], set[Permit]] = set,
        patience: float = 0.0,
    ) -> None:
        self.closed = ""
        self.wary = _exiting is not None
        self.watched = False
        self.patience = patience
        self.refused: Callable[[], object] = _nothing
        self.held: dict[object, int] = {}
        self.detached: set[asyncio.Task[Any]] = set()
        self.latest: deque[tuple[float, Callable[[], object] | int]] = deque(
            maxlen=MOST
        )
        self._live = live
        self._back: set[object] = set()
        _all.add(self)
        fork_lock.starts_fresh(self)

    def start_fresh(self) -> None:
        """Forget what is in flight in the process that this one was forked from."""
        self.detached = set()
        self.latest.clear()

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

    def permits(self) -> Iterator[Permit]:
        """Yield those of deliveries that are in flight, and do not wait for their turn."""
        for permit in list(self._live()):
            if not (permit.over or permit.owner.queues):
                yield permit

    def senders(self) -> Iterator[object]:
        """Yield what is in flight in this process: permits, and detached attempts.

        What belongs to an event loop that has stopped is left out: nothing goes on there.
        """
        for permit in self.permits():
            if permit.loop is None or permit.loop.is_running():
                yield permit
        for task in list(self.detached):
            if not task.done() and task.get_loop().is_running():
                yield task

    def writers(self) -> Iterator[object]:
        """Yield who may still be writing down what the last send gave.

        That is whoever's last send ended less than ``LINGER`` ago, and who has neither
        ended since nor come back for another.
        """
        since = time.monotonic() - LINGER
        found = list(self.latest)
        recent = [
            w if isinstance(w, int) else w() for when, w in found if when >= since
        ]
        yield from (w for w in recent if w not in self._back and _goes_on(w))

    def came_back(self) -> None:
        """Note that this thread or task has written down what its last send gave."""
        self._back.add(_who())

    def ended(self) -> None:
        """Note who made a send in a task that has ended, where somebody watches."""
        task = asyncio.current_task()
        if task is not None:
            self.latest.append((time.monotonic(), weakref.ref(task)))

    def close(self, timeout: float) -> None:
        """Let no new send begin; wait for those of other threads, at most ``timeout``."""
        self.shut()
        ends = time.monotonic() + timeout
        while self._others() and time.monotonic() < ends:
            time.sleep(LOOK)

    async def aclose(self, timeout: float) -> None:
        """Do as ``close`` does for the running event loop, its detached attempts too."""
        self.shut()
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout
        while self._of(loop) and loop.time() < ends:
            await asyncio.sleep(LOOK)

    def shut(self, why: str = "this mailer was closed; make a new one") -> None:
        """Let no new send begin; the first reason stays."""
        self.closed = self.closed or why
        self.wary = True

    def _others(self) -> bool:
        """Whether another thread of this process sends."""
        own = threading.get_ident()
        return any(p.loop is None and p.thread != own for p in self.permits())

    def _of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether anything is in flight in an event loop."""
        if any(permit.loop is loop for permit in self.permits()):
            return True
        return any(
            not task.done() and task.get_loop() is loop for task in list(self.detached)
        )


_all: weakref.WeakSet[InFlight] = weakref.WeakSet()

#: The thread that runs the exit of the interpreter, once it does.
_exiting: int | None = None


def _nothing() -> None:
    """Take no notice."""


def _who() -> object:
    """Return the running task, or this thread's ident."""
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
    for each in found:
        each.wary = True
    while any(_is_waited_for(each, time.monotonic() - began) for each in found):
        time.sleep(LOOK)


def _is_waited_for(found: InFlight, waited: float) -> bool:
    if waited > found.patience:
        return False
    return any(True for _ in found.senders()) or any(
        who != _exiting for who in found.writers()
    )


def _goes_on(sender: object) -> bool:
    """Whether a task, or a thread by its ident, is still there."""
    if isinstance(sender, int):
        return sender in sys._current_frames()
    task = cast("asyncio.Task[Any] | None", sender)  # it may be forgotten by now
    return task is not None and not task.done() and task.get_loop().is_running()
