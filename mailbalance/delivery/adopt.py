"""An async attempt may outlive its caller, whose cancelling recalls no mail.

The cancellation is first thrown into the attempt in its caller's own task: before the
commit point the wire stops and lets it through. Only an attempt that waits again is past
that point; a new task then adopts it and waits for the reply, and the outcome goes to the
observers, since nobody else is left to get it. That is for our own wires, whose waits are
plain futures. A user's backend may hold scopes that cannot change task
(``asyncio.timeout``), so its attempts run in a task of their own from the start.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mailbalance.backend import Receipt
from mailbalance.errors import DeliveryError, TransientError
from mailbalance.events import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from mailbalance.backend import Answer, Backend
    from mailbalance.delivery.attempt import Delivery
    from mailbalance.routing.admission import Permit


class Held:
    """Drives an attempt by hand in its caller's task, and keeps it when that is cancelled.

    Args:
        sending: The attempt.

    Attributes:
        waiting: What it waits for past its commit point, once its caller was cancelled.
    """

    __slots__ = ("_sending", "waiting")

    def __init__(self, sending: Coroutine[Any, Any, Receipt]) -> None:
        self._sending = sending
        self.waiting: Any = None

    def __await__(self) -> Generator[Any, Any, Receipt]:
        sending = self._sending
        try:
            waiting = sending.send(None)
            while True:
                try:
                    got = yield waiting
                except BaseException as error:
                    waiting = sending.throw(error)
                    if isinstance(error, asyncio.CancelledError):
                        self.waiting = waiting
                        raise
                else:
                    waiting = sending.send(got)
        except StopIteration as end:
            receipt: Receipt = end.value
            return receipt

    async def rest(self) -> Answer:
        """Wait for the reply in a task of its own."""
        return await answered(_Rest(self._sending, self.waiting))


class _Rest:
    """The rest of an attempt, from what it waits for."""

    __slots__ = ("_sending", "_waiting")

    def __init__(self, sending: Coroutine[Any, Any, Receipt], waiting: Any) -> None:
        self._sending = sending
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, Receipt]:
        sending, waiting = self._sending, self._waiting
        try:
            while True:
                try:
                    got = yield waiting
                except BaseException as error:  # noqa: BLE001 - the attempt raises it
                    waiting = sending.throw(error)
                else:
                    waiting = sending.send(got)
        except StopIteration as end:
            receipt: Receipt = end.value
            return receipt


async def outliving(
    attempt: Callable[[], Coroutine[Any, Any, Receipt]],
    backend: Backend,
    permit: Permit,
    delivery: Callable[[], Delivery],
    detached: set[asyncio.Task[Any]],
) -> Answer:
    """Wait for an attempt that goes on when its caller is cancelled past its commit point.

    Args:
        attempt: Begins the attempt.
        backend: By which.
        permit: The right to it; whoever gets the answer ends it.
        delivery: Makes what judges the answer when the caller has gone.
        detached: Where an attempt without a caller is noted.
    """
    loop = asyncio.get_running_loop()
    if getattr(backend, "adopts", False):
        held = Held(attempt())
        try:
            return await held
        except DeliveryError as error:
            return error
        except asyncio.CancelledError:
            if held.waiting is None:
                delivery().leave(_cancelled(backend.name))
            else:
                rest = loop.create_task(held.rest())
                _detach(rest, backend.name, permit, delivery, detached)
            raise
    over = loop.create_future()
    task = loop.create_task(_answer(attempt, over))
    task.add_done_callback(lambda _: _tell(over))  # cancelled before it has begun
    try:
        await over  # not the task: cancelling its caller must not cancel it
        return task.result()
    except asyncio.CancelledError:
        _detach(task, backend.name, permit, delivery, detached)
        task.cancel()
        raise


async def answered(sending: Any) -> Answer:
    """Return what an attempt comes to; a loop that ends logs what its tasks raise."""
    try:
        receipt: Receipt = await sending
    except DeliveryError as error:
        return error
    return receipt


async def _answer(
    attempt: Callable[[], Coroutine[Any, Any, Receipt]], over: asyncio.Future[None]
) -> Answer:
    """Return what an attempt comes to, and say when it is over.

    ``asyncio.shield`` says so, too, but a turn of the loop later.
    """
    try:
        return await answered(attempt())
    finally:
        _tell(over)


def _detach(
    task: asyncio.Task[Answer],
    backend: str,
    permit: Permit,
    delivery: Callable[[], Delivery],
    detached: set[asyncio.Task[Any]],
) -> None:
    """Let an attempt end without its caller; whatever it comes to is told."""

    def report(ended: asyncio.Task[Answer]) -> None:
        detached.discard(ended)
        try:
            answer = _answer_of(ended, backend)
            if answer is not None:
                delivery().leave(answer)
            elif permit.on_end is not None:
                permit.on_end(None)
        finally:
            permit.over = True

    permit.adopted = True
    if task.done():  # it ended while its caller was being cancelled
        report(task)
        return
    detached.add(task)
    task.add_done_callback(report)


def _tell(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def _cancelled(backend: str) -> TransientError:
    return TransientError("cancelled by its caller", backend=backend, phase="cancelled")


def _answer_of(ended: asyncio.Task[Answer], backend: str) -> Answer | None:
    """Return what a detached attempt came to; ``None`` for a fault of ours, logged."""
    if ended.cancelled():
        return _cancelled(backend)
    error = ended.exception()
    if error is None:
        return ended.result()
    logger.error("a detached attempt failed", exc_info=error)
    return None
