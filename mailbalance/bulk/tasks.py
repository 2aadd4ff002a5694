"""Many messages that are under way in tasks of an event loop.

What lives here: ``Sending``, the async side of sending many: its tasks and their ends. What
must not: where messages come from and results go (``looped``), or what ``handling`` does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbalance.bulk.handling import HELD, MOST_HELD, Handling
from mailbalance.bulk.lanes import LINGER, Lanes
from mailbalance.bulk.result import Result
from mailbalance.errors import DeliveryError, MailError, TransientError
from mailbalance.message import Message

if TYPE_CHECKING:
    from collections.abc import (
        Awaitable,
        Coroutine,
        Sequence,
    )

    from mailbalance.backend import Answer
    from mailbalance.bulk.lanes import Batch, Member
    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer
    from mailbalance.routing.gate import Pass


class Sending:
    """What is under way, in the order it was given."""

    def __init__(self, mailer: Mailer, concurrency: int) -> None:
        self._handling = Handling(mailer)
        self._mailer = mailer
        self._lanes = Lanes()
        self._loop = asyncio.get_running_loop()
        self._free = asyncio.Semaphore(concurrency)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.held: deque[tuple[asyncio.Future[Result], int]] = deque()
        self._size = 0

    @property
    def has_room(self) -> bool:
        """Whether another message may be held."""
        return len(self.held) < MOST_HELD and self._size < HELD

    @property
    def is_ready(self) -> bool:
        """Whether the first result is there."""
        return bool(self.held) and self.held[0][0].done()

    def take(self, index: int, given: Sendable) -> None:
        """Begin a message."""
        begun = self._handling.begin(index, given)
        message = begun if isinstance(begun, Message) else begun.message
        size = 0 if message is None else message.size()
        end: asyncio.Future[Result] = self._loop.create_future()
        self.held.append((end, size))
        self._size += size
        if isinstance(begun, Result):
            end.set_result(begun)
        elif isinstance(begun, Message):
            self._start(self._once(index, begun, end))
        else:
            begun.end = end
            self._go(begun)

    async def first(self) -> Result:
        """Give the result of the first message held, when it is there."""
        result = await self.held[0][0]
        self._size -= self.held.popleft()[1]
        return result

    async def something(self, pulling: asyncio.Future[Any] | None) -> None:
        """Wait for the next message or the first result."""
        waits = [end for end, _ in list(self.held)[:1]]
        waits += [] if pulling is None else [pulling]
        if waits:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    def flush(self) -> None:
        """Send what still waits for others to go with."""
        for batch in self._lanes.flush():
            self._start(self._carry(batch))

    def leave(self) -> None:
        """Begin nothing more; what was begun ends, and closing the mailer waits for it."""
        if self._timer is not None:
            self._timer.cancel()
        for batch in self._lanes.flush():
            batch.close()
        detached = self._mailer.under_way.detached
        for task in self._tasks:
            detached.add(task)
            task.add_done_callback(detached.discard)

    def _go(self, member: Member) -> None:
        batching = self._handling.batching(member)
        if batching is None:
            self._start(self._finish(member))
            return
        for batch in self._lanes.add(member, batching, self._loop.time()):
            self._start(self._carry(batch))
        if self._timer is None:
            self._timer = self._loop.call_later(LINGER, self._look)

    def _look(self) -> None:
        """Send what has waited long enough for others to go with."""
        for batch in self._lanes.due(self._loop.time()):
            self._start(self._carry(batch))
        again = bool(self._lanes)
        self._timer = self._loop.call_later(LINGER, self._look) if again else None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # In a task

    async def _once(
        self, index: int, message: Message, end: asyncio.Future[Result]
    ) -> None:
        """Send a message that has a key."""
        async with self._free:
            try:
                receipt = await self._mailer.asend(message)
            except MailError as error:
                _set(end, Result(index, message, error=error))
            except BaseException as error:
                _fail(end, error)
                raise
            else:
                _set(end, Result(index, message, receipt))

    async def _finish(self, member: Member) -> None:
        """Send a message by itself, or what its batch left to do."""
        index, message = member.index, member.message
        async with self._free:
            try:
                receipt = await self._mailer.afinish(member.job, member.step)
            except DeliveryError as error:
                _set(member.end, Result(index, message, error=error))
            except BaseException as error:
                _fail(member.end, error)
                raise
            else:
                _set(member.end, Result(index, message, receipt))

    async def _carry(self, batch: Batch) -> None:
        """Send messages together, and each that is not done yet by itself."""
        async with self._free:
            try:
                answers = await self._answers(batch)
            except BaseException as error:
                for member in batch.members:
                    _fail(member.end, error)
                raise
        for member, answer in zip(batch.members, answers, strict=True):
            result = self._handling.advance(member, answer)
            if result is None:
                self._start(self._finish(member))
            else:
                _set(member.end, result)

    async def _answers(self, batch: Batch) -> list[Answer]:
        given = self._handling.call(batch)
        if isinstance(given, DeliveryError):
            return self._handling.answers(batch, given)
        try:
            if given.delay:
                await self._mailer.timing.asleep(given.delay)
        except asyncio.CancelledError:
            self._mailer.traffic.undo(given)
            raise
        timeout = batch.timeout - given.delay
        calling = batch.batching.asend_batch(batch.mails, timeout=timeout)
        call = self._loop.create_task(_all(calling))
        detached = self._mailer.under_way.detached  # closing the mailer waits for these
        detached.add(call)
        call.add_done_callback(detached.discard)
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            call.add_done_callback(partial(self._report, batch, given))
            call.cancel()
            raise
        return self._heard(batch, given, call)

    def _heard(
        self, batch: Batch, given: Pass, call: asyncio.Future[Sequence[Answer]]
    ) -> list[Answer]:
        """Learn from a call that is over."""
        found: Sequence[Answer] | DeliveryError
        try:
            found = call.result()
        except asyncio.CancelledError:
            found = TransientError("cancelled by its caller", phase="cancelled")
        except DeliveryError as error:
            found = error
        except BaseException:
            self._mailer.traffic.undo(given)
            raise
        self._handling.called(given, found)
        return self._handling.answers(batch, found)

    def _report(
        self, batch: Batch, given: Pass, call: asyncio.Future[Sequence[Answer]]
    ) -> None:
        """Tell what a call came to whose messages nobody waits for any more."""
        answers = self._heard(batch, given, call)
        for member, answer in zip(batch.members, answers, strict=True):
            member.job.leave(answer)


async def _all(calling: Awaitable[Sequence[Answer]]) -> Sequence[Answer]:
    return await calling


def _set(end: Any, result: Result) -> None:
    if not end.done():
        end.set_result(result)


def _fail(end: Any, error: BaseException) -> None:
    if end.done():
        return
    if isinstance(error, asyncio.CancelledError):
        end.cancel()
    else:
        end.set_exception(error)
