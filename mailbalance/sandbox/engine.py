"""The thread with an event loop on which a box lives.

What lives here: starting it, handing work to it, ending it with the program. What must
not: anything about mail.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds for anything asked of the loop; the slowest, opening the doors, takes 20 ms.
LIMIT = 10.0
#: Seconds between looks whether the program has ended without stopping its box.
LOOK = 0.25


class Engine:
    """An event loop on a thread of its own.

    The thread is no daemon: it ends by ``stop()``, or by itself soon after the main
    thread has ended, so that a forgotten box does not keep a program alive.
    """

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        """Start the loop; ``close`` runs on it before it ends."""
        self._close = close
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="mailbalance-sandbox")
        self._ending = asyncio.Event()
        self._thread.start()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop and wait for it, from another thread."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(LIMIT)

    def stop(self) -> None:
        """End the loop and wait for its thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _live(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_end())

    async def _until_end(self) -> None:
        main = threading.main_thread()
        while main.is_alive() and not self._ending.is_set():
            try:
                async with asyncio.timeout(LOOK):
                    await self._ending.wait()
            except TimeoutError:
                continue
        await self._close()
