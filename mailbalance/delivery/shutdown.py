"""Ending a process by a signal without cutting a send off: ``stop_on``.

A handler of Python's runs in the main thread, between any two of its instructions. So it
only notes the signal: it must not wait, since the main thread may hold a lock that a send
in another thread needs, and it must not raise, since the main thread may be about to write
down a receipt. A thread of its own, or a task, waits for the sends and then ends the
process where that does no harm.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mailbalance import events
from mailbalance.delivery.in_flight import LOOK
from mailbalance.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType
    from typing import Self

    from mailbalance.mailer import Mailer

#: Seconds for sends under way. Kubernetes, Amazon ECS and Heroku kill 30 s after SIGTERM.
GRACE = 25.0


def stop_on(mailer: Mailer, *signals: int, grace: float = GRACE) -> Stopping:
    """End the process on a signal, but not before the sends under way have ended.

    When one of the signals comes, the mailer takes no new message (``ClosedError``), sends
    under way end, and then the handler that was there before is called, or, where that was
    the default, ``SystemExit(128 + number)`` is raised in the main thread.

    Call it in the main thread. ``with`` restores the handlers afterwards. In async code,
    use ``async with``, inside the task that is the program: the end then comes as a
    cancellation of that task.

    Args:
        mailer: Whose sends are waited for.
        *signals: Default SIGTERM and SIGINT.
        grace: Seconds that sends under way have; those that have not ended by then are
            cut off, which is logged.

    Raises:
        ValueError: Outside the main thread.
    """
    return Stopping(mailer, signals or (signal.SIGTERM, signal.SIGINT), grace)


class Stopping:
    """The end of the process, once it is asked for; made by ``stop_on``.

    Attributes:
        signal: The signal that came first, or ``None``.
    """

    def __init__(
        self, mailer: Mailer, signals: tuple[int, ...], grace: float = GRACE
    ) -> None:
        self.signal: signal.Signals | None = None
        self._in_flight = mailer.in_flight
        self._in_flight.watched = True
        self._grace = grace
        self._process = os.getpid()
        self._over = self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._watcher: asyncio.Task[None] | None = None
        self._previous = {n: signal.signal(n, self._handle) for n in signals}

    @property
    def requested(self) -> bool:
        """Whether one of the signals has come."""
        return self.signal is not None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let the end wait for this block too, as it does for a send.

        For a send and what must be written down of it: the process then ends before the
        block or after it. In the main thread it does so on leaving.

        Raises:
            ClosedError: When a signal has come already.
        """
        self._end_here()
        if self.signal is not None:
            self._in_flight.must_be_open()
        try:
            with self._in_flight.hold():
                yield
        finally:
            self._end_here()

    def restore(self) -> None:
        """Put the handlers back that were there before, where ours still are."""
        self._ended = True
        for number, previous in self._previous.items():
            if self._loop is not None:
                self._loop.remove_signal_handler(number)
            elif signal.getsignal(number) != self._handle:
                continue
            signal.signal(number, signal.SIG_DFL if previous is None else previous)
        self._loop = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_here()
        self.restore()

    async def __aenter__(self) -> Self:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        for number in self._previous:
            self._loop.add_signal_handler(number, self._hear, number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        try:
            if self._watcher is None or not await self._comes_now(kind, self._watcher):
                return False
            self._end(None)
            return True
        finally:
            self.restore()

    async def _comes_now(
        self, kind: type[BaseException] | None, watcher: asyncio.Task[None]
    ) -> bool:
        """Say whether leaving the block is the end, once that may come."""
        task, self._task = self._task, None
        if task is None or not (
            kind is None or issubclass(kind, ClosedError | asyncio.CancelledError)
        ):
            watcher.cancel()
            return False
        if not self._over:
            if kind is asyncio.CancelledError:  # somebody else's
                watcher.cancel()
                return False
            await watcher
            return True
        if kind is not asyncio.CancelledError:  # ours is on its way still
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        return task.uncancel() <= self._cancelling

    # Hearing a signal

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal in the main thread, wherever that is."""
        if self._process != os.getpid():  # a forked child begins anew
            self._process, self.signal = os.getpid(), None
            self._over = self._ended = False
            self._in_flight.held.clear()
        if self.signal is None:
            self._begin(number)
            if self._busy():
                # threading.Thread takes locks that the main thread may hold right now.
                _thread.start_new_thread(self._watch, ())
                return
            self._over = True
        if self._over:
            self._end(frame)

    def _hear(self, number: int) -> None:
        """Take a signal in the event loop."""
        if self.signal is None and self._loop is not None:
            self._begin(number)
            self._watcher = self._loop.create_task(self._awatch())

    def _begin(self, number: int) -> None:
        self.signal = signal.Signals(number)
        self._in_flight.refused = self._end_here
        self._in_flight.shut(
            f"the process stops ({self.signal.name}): nothing was sent"
        )

    # Waiting

    def _watch(self) -> None:
        """Wait in a thread, then let the main thread end."""
        for pause in self._pauses():
            time.sleep(pause)
        self._finish()
        main = threading.main_thread().ident
        if main is not None and self.signal is not None and not self._ended:
            signal.pthread_kill(main, self.signal)

    async def _awatch(self) -> None:
        """Wait in a task, then cancel the one that is the program."""
        for pause in self._pauses():
            await asyncio.sleep(pause)
        self._finish()
        if self._task is not None:
            self._task.cancel()

    def _pauses(self) -> Iterator[float]:
        """Give pauses as long as the end must wait, at most the grace."""
        ends = time.monotonic() + self._grace
        while self._busy() and time.monotonic() < ends:
            yield LOOK

    def _busy(self) -> bool:
        """Whether a send goes on, or what one gave may still have to be written down."""
        in_flight = self._in_flight
        if in_flight.held or any(in_flight.senders()):
            return True
        return any(in_flight.writers())

    def _finish(self) -> None:
        self._over = True
        if left := sum(1 for _ in self._in_flight.senders()):
            self._in_flight.patience = 0.0
            events.logger.error(
                "%d sends did not end within %g s and are cut off: nobody will know "
                "whether they were accepted",
                left, self._grace,
            )  # fmt: skip

    # Ending

    def _end_here(self) -> None:
        """In the main thread, once a signal has come, wait for the end, which is here.

        Returns when the handler from before did not end the process, or in a block that
        is held: the end comes when it is left.
        """
        own = threading.get_ident()
        elsewhere = own != threading.main_thread().ident or _in_a_loop()
        if elsewhere or own in self._in_flight.held.values():
            return
        while self.signal is not None and not self._ended:
            self._in_flight.came_back()
            time.sleep(LOOK)

    def _end(self, frame: FrameType | None) -> None:
        """Hand over to the handler from before, or end the process."""
        if self._ended or self.signal is None:
            return
        self.restore()
        previous = self._previous[self.signal]
        if not callable(previous):
            raise SystemExit(128 + self.signal)
        previous(self.signal, frame)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
