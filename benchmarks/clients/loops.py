"""Event loops, and coroutines that are run over and over in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def loop_of(name: str) -> asyncio.AbstractEventLoop:
    """Make an event loop: asyncio's own or uvloop's.

    Loads asyncio only when it is called: it would count as memory of cases without loops.
    """
    import asyncio

    if name == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def repeated(
    loop: asyncio.AbstractEventLoop, one: Callable[[], Awaitable[object]], at_once: int
) -> Callable[[int], None]:
    """Make what runs a coroutine so often, so many at once."""
    import asyncio

    async def several(number: int) -> None:
        for _ in range(number):
            await one()

    async def all_of(number: int) -> None:
        await asyncio.gather(*(several(number // at_once) for _ in range(at_once)))

    def run(number: int) -> None:
        if at_once == 1:
            loop.run_until_complete(several(number))
        else:
            loop.run_until_complete(all_of(number))

    return run
