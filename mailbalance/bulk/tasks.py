"""Many messages that are under way in tasks of an event loop.

What lives here: ``Sending``, the async side of sending many: its tasks and their ends. What
must not: where messages come from and results go (``looped``), or what ``handling`` does.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbalance.batch import ApartError
from mailbalance.bulk.handling import Handling, Keyed
from mailbalance.bulk.lanes import LINGER, Lanes, Member
from mailbalance.bulk.order import Order
from mailbalance.bulk.result import Result
from mailbalance.errors import (
    DeliveryError,
    MailError,
    MessageError,
    TransientError,
)
from mailbalance.under_way import without_asyncio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from mailbalance.backend import Answer
    from mailbalance.bulk.handling import Found
    from mailbalance.bulk.lanes import Batch
    from mailbalance.bulk.order import Held
    from mailbalance.mailer import Mailer
    from mailbalance.routing.gate import Pass


class Sending:
    """What is under way."""

    def __init__(self, mailer: Mailer, concurrency: int) -> None:
        if asyncio._get_running_loop() is None:
            raise without_asyncio("asend_many")
        self.handling = Handling(mailer)
        self._mailer = mailer
        self._lanes = Lanes(self.handling.batching)
        self._loop = asyncio.get_running_loop()
        self._free = asyncio.Semaphore(concurrency)
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = False
        self.order = Order(concurrency, mailer.timing.clock)

    def take(self, held: Held) -> None:
        """Send a message that was begun, unless it has ended already."""
        self.order.add(held)
        if isinstance(held, Member):
            if held.due:
                self.order.must_wait(held.due)
            self._go(held)
        elif isinstance(held, Keyed):
            self._start(self._once, held)

    async def wait(
        self, pulling: asyncio.Future[Any] | None = None, *, more: bool
    ) -> None:
        """Wait for the first result, the next message, or room for it."""
        if not more or self.order.is_full:
            self._send(self._lanes.flush())
        self._news.clear()
        if pulling is not None:
            pulling.add_done_callback(self._tell)
        elif more and (left := self.order.wait()):
            self._loop.call_later(left, self._news.set)
        try:
            await self._news.wait()
        finally:
            if pulling is not None:
                pulling.remove_done_callback(self._tell)

    def leave(self) -> None:
        """Begin nothing more; what was begun ends, and closing the mailer waits for it."""
        self._left = True
        if self._timer is not None:
            self._timer.cancel()
        for batch in self._lanes.flush():
            batch.close()
        detached = self._mailer.under_way.detached
        for task in self._tasks:
            detached.add(task)
            task.add_done_callback(detached.discard)

    def _go(self, member: Member) -> None:
        if not member.step.together:
            self._start(self._finish, member)
            return
        full = self._lanes.add(member, self._loop.time())
        if full:
            self._send(full)
        if self._timer is None:
            self._timer = self._loop.call_later(LINGER, self._look)

    def _send(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._start(self._carry, batch)

    def _look(self) -> None:
        """Send what has waited long enough for others to go with."""
        self._send(self._lanes.due(self._loop.time()))
        again = bool(self._lanes)
        self._timer = self._loop.call_later(LINGER, self._look) if again else None

    def _start(self, work: Callable[..., Awaitable[None]], *of: Any) -> None:
        self.order.queued += 1
        task = self._loop.create_task(self._begin(work, *of))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, _: object) -> None:
        self._news.set()

    # In a task

    async def _begin(self, work: Callable[..., Awaitable[None]], *of: Any) -> None:
        async with self._free:
            self.order.queued -= 1
            self._news.set()
            await work(*of)

    def _end(self, held: Held, result: Result | BaseException) -> None:
        held.result = result
        self._news.set()

    async def _once(self, keyed: Keyed) -> None:
        """Send a message that has a key."""
        if self._left:
            return
        index, message = keyed.index, keyed.message
        try:
            receipt = await self._mailer.asend(message)
        except MailError as error:
            self._end(keyed, Result(index, message, error=error))
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            self._end(keyed, error)
            _raise_if_cancelled(error)
        else:
            self._end(keyed, Result(index, message, receipt))

    async def _finish(self, member: Member) -> None:
        """Send a message by itself, or what its batch left to do."""
        if self._left:
            self.handling.drop(member)
            return
        index, message, step = member.index, member.message, self.handling.step(member)
        try:
            receipt = await self._mailer.afinish(member.job, step)
        except MailError as error:
            member.job.steps.close()  # it may not have begun
            self._end(member, Result(index, message, error=error))
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            self._end(member, error)
            _raise_if_cancelled(error)
        else:
            self._end(member, Result(index, message, receipt))

    async def _carry(self, batch: Batch) -> None:
        """Send messages together, and each that is not done yet by itself."""
        if self._left:
            batch.close()
            return
        try:
            answers = await self._answers(batch)
        except asyncio.CancelledError as error:
            for member in batch.members:
                self._end(member, error)  # and told when it is known
            raise
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            self.handling.broken_off(batch, error)
            left = []
        else:
            left = self.handling.advance(batch, answers)
        self._news.set()
        for member in left:
            if self._left:
                self.handling.drop(member)
            else:
                self._start(self._finish, member)

    async def _answers(self, batch: Batch) -> list[Answer | None]:
        self._mailer.under_way.must_be_open()
        given = self.handling.call(batch)
        if isinstance(given, DeliveryError):
            return self.handling.refused(batch, given)
        try:
            if given.delay:
                await self._mailer.timing.asleep(given.delay)
        except asyncio.CancelledError:
            self._mailer.traffic.undo(given)
            batch.close()
            raise
        timeout = batch.timeout - given.delay
        self.handling.trying(batch)
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
    ) -> list[Answer | None]:
        """Learn from a call that is over."""
        found: Found
        try:
            found = call.result()
        except asyncio.CancelledError:
            found = TransientError("cancelled by its caller", phase="cancelled")
        except (DeliveryError, MessageError, ApartError) as error:
            found = error
        except BaseException:
            self._mailer.traffic.undo(given)
            raise
        return self.handling.answers(batch, given, found)

    def _report(
        self, batch: Batch, given: Pass, call: asyncio.Future[Sequence[Answer]]
    ) -> None:
        """Tell what a call came to whose messages nobody waits for any more."""
        answers = self._heard(batch, given, call)
        for member, answer in zip(batch.members, answers, strict=True):
            member.job.leave(answer)


async def _all(calling: Awaitable[Sequence[Answer]]) -> Sequence[Answer]:
    return await calling


def _raise_if_cancelled(error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        raise error
