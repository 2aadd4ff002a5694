"""The two drivers: they do what ``plan()`` says, and are the only places that wait.

What lives here: ``run``, ``arun``, and the ``Timing`` they wait by. What must not: a
decision; the plan makes them all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.backend import Receipt, Try
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from mailbalance.job import Job
else:
    asyncio = Later("asyncio", globals())


async def _asleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock and the sleeps of a mailer; passed in, so that a test need not wait.

    Attributes:
        clock: Monotonic time in seconds.
        sleep: Waits in a thread.
        asleep: Waits in a task.
        wall: Seconds since 1970, for what people are told.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = _asleep
    wall: Callable[[], float] = time.time


def run(job: Job, sleep: Callable[[float], None], step: Try | None = None) -> Receipt:
    """Drive a job in this thread until its receipt, or raise its error.

    Args:
        job: What to drive.
        sleep: Waits.
        step: The step that its plan has given already, if it has begun.
    """
    try:
        now = next(job.steps) if step is None else step
        while isinstance(now, Try):
            if now.delay:
                sleep(now.delay)
            now = job.advance(job.send(now))
        return now
    finally:
        job.steps.close()


async def arun(
    job: Job, sleep: Callable[[float], Awaitable[None]], step: Try | None = None
) -> Receipt:
    """Drive a job in the running event loop until its receipt, or raise its error.

    Args:
        job: What to drive.
        sleep: Waits.
        step: The step that its plan has given already, if it has begun.
    """
    try:
        now = next(job.steps) if step is None else step
        while isinstance(now, Try):
            if now.delay:
                await _pause(job, sleep(now.delay))
            now = job.advance(await job.asend(now))
    except asyncio.CancelledError:
        raise  # the attempt under way goes on with the plan
    except BaseException:
        job.steps.close()
        raise
    return now


async def _pause(job: Job, sleeping: Awaitable[None]) -> None:
    try:
        await sleeping
    except asyncio.CancelledError:
        job.leave()
        raise
