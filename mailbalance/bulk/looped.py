"""Many messages in an event loop: from any iterable, one result after another.

What lives here: ``asend_many``, with one way for plain iterables and one for async ones.
What must not: tasks that send; ``tasks`` has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from mailbalance.bulk.result import Result
from mailbalance.bulk.source import Source, check
from mailbalance.bulk.tasks import Sending

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer

#: Messages that are begun before other tasks of the loop get their turn.
TURN = 16


def asend_many(
    mailer: Mailer,
    messages: Iterable[Sendable] | AsyncIterable[Sendable],
    *,
    concurrency: int,
    progress: Callable[[int], object] | None,
) -> AsyncGenerator[Result, None]:
    """Do what ``Mailer.asend_many`` says."""
    check(messages, concurrency)
    return _asend_many(mailer, messages, concurrency, progress)


async def _asend_many(
    mailer: Mailer,
    messages: Iterable[Sendable] | AsyncIterable[Sendable],
    concurrency: int,
    progress: Callable[[int], object] | None,
) -> AsyncGenerator[Result, None]:
    sending = Sending(mailer, concurrency)
    results = (
        _of_async(sending, messages)
        if isinstance(messages, AsyncIterable)
        else _of_plain(sending, messages)
    )
    done = 0
    # A signal must not cut off the results of what was begun.
    with mailer.under_way.hold():
        try:
            async with aclosing(results):
                async for result in results:
                    done += 1
                    if progress is not None:
                        progress(done)
                    yield result
        finally:
            sending.leave()


async def _of_plain(
    sending: Sending, messages: Iterable[Sendable]
) -> AsyncGenerator[Result, None]:
    source, order = Source(sending.handling), sending.order
    give = partial(next, iter(messages))
    while source.more or order:
        if source.more and order.has_room:
            held = source.begin(give)
            if held is not None:
                sending.take(held)
                if held.index % TURN == 0:
                    await asyncio.sleep(0)
        else:
            await sending.wait(more=source.more)
        while (result := order.first()) is not None:
            yield result
    source.end()


async def _of_async(
    sending: Sending, messages: AsyncIterable[Sendable]
) -> AsyncGenerator[Result, None]:
    source, order = Source(sending.handling), sending.order
    given = aiter(messages)
    pulling: asyncio.Future[Sendable] | None = None
    try:
        while source.more or order:
            if source.more and pulling is None and order.has_room:
                pulling = asyncio.ensure_future(anext(given))
            await sending.wait(pulling, more=source.more)
            if pulling is not None and pulling.done():
                held, pulling = source.begin(pulling.result), None
                if held is not None:
                    sending.take(held)
            while (result := order.first()) is not None:
                yield result
    finally:
        if pulling is not None:
            pulling.cancel()
    source.end()
