"""Many messages in an event loop: from any iterable, one result after another.

What lives here: ``asend_many``, with one way for plain iterables and one for async ones.
What must not: tasks that send; ``tasks`` has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from mailbalance.bulk.result import Result
from mailbalance.bulk.tasks import Sending

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer

#: Messages that are begun before other tasks of the loop get their turn.
TURN = 16


async def asend_many(
    mailer: Mailer,
    messages: Iterable[Sendable] | AsyncIterable[Sendable],
    *,
    concurrency: int,
    progress: Callable[[int], object] | None,
) -> AsyncGenerator[Result, None]:
    """Do what ``Mailer.asend_many`` says."""
    sending = Sending(mailer, concurrency)
    results = (
        _of_async(sending, messages)
        if isinstance(messages, AsyncIterable)
        else _of_plain(sending, messages)
    )
    done = 0
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
    source = enumerate(messages)
    more = True
    while more or sending.held:
        given = next(source, None) if more and sending.has_room else None
        if given is not None:
            sending.take(*given)
            if given[0] % TURN == 0:
                await asyncio.sleep(0)
        else:
            more = more and not sending.has_room
            sending.flush()
            if sending.held:
                yield await sending.first()
        while sending.is_ready:
            yield await sending.first()


async def _of_async(
    sending: Sending, messages: AsyncIterable[Sendable]
) -> AsyncGenerator[Result, None]:
    source, index, more = aiter(messages), 0, True
    pulling: asyncio.Future[Sendable] | None = None
    try:
        while more or sending.held:
            if more and pulling is None and sending.has_room:
                pulling = asyncio.ensure_future(anext(source))
            if pulling is None:
                sending.flush()
            await sending.something(pulling)
            if pulling is not None and pulling.done():
                ended, pulling = pulling, None
                if isinstance(ended.exception(), StopAsyncIteration):
                    more = False
                else:
                    sending.take(index, ended.result())
                    index += 1
            while sending.is_ready:
                yield await sending.first()
    finally:
        if pulling is not None:
            pulling.cancel()
