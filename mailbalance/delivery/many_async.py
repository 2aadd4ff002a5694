"""Many messages in an event loop: the async driver of ``asend_many``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbalance.batch import ApartError
from mailbalance.delivery.batches import LINGER, Handling, Keyed, Lanes, Member
from mailbalance.delivery.in_flight import without_asyncio
from mailbalance.delivery.order import Order, Result, Source, check
from mailbalance.errors import (
    DeliveryError,
    MailError,
    MessageError,
    TransientError,
)
from mailbalance.routing.admission import NO_OWNER, Owner, Permit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from mailbalance.backend import Answer
    from mailbalance.delivery.batches import Batch, Found
    from mailbalance.delivery.order import Held
    from mailbalance.mailer import Mailer, Sendable

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
    done, held, token = 0, mailer.in_flight.held, object()
    try:
        # A signal must not cut off the results of what was begun.
        held[token] = threading.get_ident()
        async with aclosing(results):
            async for result in results:
                done += 1
                if progress is not None:
                    progress(done)
                yield result
    finally:
        sending.over = True
        try:
            sending.leave()
        except BaseException:  # a signal handler may raise in it: once more
            sending.leave()
            raise
        finally:
            held.pop(token, None)


async def _of_plain(
    sending: Sending, messages: Iterable[Sendable]
) -> AsyncGenerator[Result, None]:
    source, order = Source(sending.handling.begin), sending.order
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
    source, order = Source(sending.handling.begin), sending.order
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


class Sending(Owner):
    """What is in flight, or waits for its turn.

    Attributes:
        over: Whether what waits for its turn has ended with it.
    """

    def __init__(self, mailer: Mailer, concurrency: int) -> None:
        self.over = False
        if asyncio._get_running_loop() is None:
            raise without_asyncio("asend_many")
        self.handling = Handling(mailer, self)
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
        self._lanes.flush()
        self.handling.drop_waiting()
        detached = self._mailer.in_flight.detached
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
            receipt = await self._mailer.sender.afinish(member.delivery, step)
        except MailError as error:
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
        sender, permit = self._mailer.sender, Permit()
        permit.loop = self._loop
        try:
            if sender.in_flight.wary:
                sender.in_flight.must_be_open()
            for member in batch.members:
                member.delivery.permit.owner = NO_OWNER
                member.delivery.permit.loop = self._loop
            if refused := self.handling.call(permit, batch):
                return self.handling.refused(batch, refused)
            try:
                if permit.delay:
                    await self._mailer.timing.asleep(permit.delay)
            except asyncio.CancelledError:
                sender.dispatcher.give_back(permit)
                batch.close()
                raise
            timeout = batch.timeout - permit.delay
            self.handling.trying(batch)
            calling = batch.batching.asend_batch(batch.mails, timeout=timeout)
            call = self._loop.create_task(_all(calling))
            detached = sender.in_flight.detached  # closing the mailer waits for these
            detached.add(call)
            call.add_done_callback(detached.discard)
            try:
                await asyncio.wait([call])
            except asyncio.CancelledError:
                permit.adopted = True
                call.add_done_callback(partial(self._report, batch, permit))
                call.cancel()
                raise
            return self._heard(batch, permit, call)
        finally:
            permit.over = not permit.adopted

    def _heard(
        self, batch: Batch, permit: Permit, call: asyncio.Future[Sequence[Answer]]
    ) -> list[Answer | None]:
        """Learn from a call that is over."""
        found: Found
        try:
            found = call.result()
        except asyncio.CancelledError:
            found = TransientError("cancelled by its caller", phase="cancelled")
        except (DeliveryError, MessageError, ApartError) as error:
            found = error
        return self.handling.answers(batch, permit, found)

    def _report(
        self, batch: Batch, permit: Permit, call: asyncio.Future[Sequence[Answer]]
    ) -> None:
        """Tell what a call came to whose messages nobody waits for any more."""
        try:
            answers = self._heard(batch, permit, call)
            for member, answer in zip(batch.members, answers, strict=True):
                member.delivery.leave(answer)
                member.delivery.permit.over = True
        finally:
            permit.over = True


async def _all(calling: Awaitable[Sequence[Answer]]) -> Sequence[Answer]:
    return await calling


def _raise_if_cancelled(error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        raise error
