"""Asking what may block without a time-out of its own: a resolver, a chain of keys.

The question runs in a daemon thread of ours, which is left behind when it takes too long.
Never in an event loop's default executor: ``asyncio.run`` joins its threads at the end, and
so does the interpreter, so one silent server would hold up either.
"""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
else:
    asyncio = Later("asyncio", globals())

T = TypeVar("T")


class Asking(Generic[T]):
    """A question that is being asked; any number of threads and tasks may wait for it.

    Args:
        question: What to ask, in a thread of its own.
        name: The thread's name.

    Raises:
        OSError: When no thread can be started.
    """

    __slots__ = ("_answer", "_done", "_error", "_lock", "_question", "_waiting")

    def __init__(self, question: Callable[[], T], name: str) -> None:
        self._question = question
        self._answer: T
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], object]] = []
        try:
            threading.Thread(target=self._ask, name=name, daemon=True).start()
        except RuntimeError as error:  # that is how Python says it
            raise OSError(errno.EAGAIN, "can't start new thread") from error

    @property
    def over(self) -> bool:
        """Whether the answer is there."""
        return self._done.is_set()

    def answer(self, seconds: float) -> T:
        """Return the answer, or raise what the question raised.

        Raises:
            TimeoutError: When there is none in time; the asking goes on.
        """
        if not self._done.wait(seconds):
            raise TimeoutError("no answer in time")
        return self._given()

    async def aanswer(self, seconds: float) -> T:
        """Async version of ``answer``."""
        loop = asyncio.get_running_loop()
        told = loop.create_future()

        def wake() -> None:
            if not told.done():
                told.set_result(None)

        with self._lock:
            if not self.over:
                self._waiting.append(lambda: loop.call_soon_threadsafe(wake))
        if not self.over:
            async with asyncio.timeout(seconds):
                await told
        return self._given()

    def _ask(self) -> None:
        try:
            self._answer = self._question()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            self._error = error
        with self._lock:
            self._done.set()
            waiting, self._waiting = self._waiting, []
        for tell in waiting:
            try:
                tell()
            except RuntimeError:  # that event loop is closed
                continue

    def _given(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer


def within(seconds: float, question: Callable[[], T], name: str) -> T:
    """Return a question's answer, if it comes in time.

    Args:
        seconds: How long to wait for it.
        question: What to ask.
        name: Of the thread that asks.

    Raises:
        TimeoutError: When there was no answer in time.
        OSError: When no thread can be started.
    """
    return Asking(question, name).answer(seconds)


async def awithin(seconds: float, question: Callable[[], T], name: str) -> T:
    """Async version of ``within``."""
    return await Asking(question, name).aanswer(seconds)
