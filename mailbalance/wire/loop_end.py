"""Doing something at the end of an event loop, without being asked to.

What lives here: the one trick for it. What must not: what is to be done there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable


async def closing_at_the_end(
    close: Callable[[], Awaitable[None]],
) -> AsyncGenerator[None, None]:
    """Have ``close`` called when the running loop shuts down its async generators.

    ``asyncio.run`` does that last of all, so a script that never calls ``aclose`` leaves
    no open connection behind.

    Returns:
        The keeper, to be kept by whoever is to be closed: ``aclose`` on it closes at once,
        and so does dropping it while the loop runs.
    """
    keeper = _keep(close)
    await anext(keeper)
    return keeper


async def _keep(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await close()
