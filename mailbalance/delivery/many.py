"""Many messages from threads: the sync driver of ``send_many``."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from mailbalance.batch import ApartError
from mailbalance.delivery.batches import LINGER, Handling, Keyed, Lanes, Member
from mailbalance.delivery.order import Order, Result, Source, check
from mailbalance.errors import DeliveryError, MailError, MessageError
from mailbalance.routing.admission import NO_OWNER, Owner, Permit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from mailbalance.backend import Answer
    from mailbalance.delivery.batches import Batch, Found
    from mailbalance.delivery.order import Held
    from mailbalance.mailer import Mailer, Sendable


def send_many(
    mailer: Mailer,
    messages: Iterable[Sendable],
    *,
    concurrency: int,
    progress: Callable[[int], object] | None,
) -> Generator[Result, None, None]:
    """Do what ``Mailer.send_many`` says."""
    check(messages, concurrency)
    return _send_many(mailer, messages, concurrency, progress)


def _send_many(
    mailer: Mailer,
    messages: Iterable[Sendable],
    concurrency: int,
    progress: Callable[[int], object] | None,
) -> Generator[Result, None, None]:
    sending = _Sending(mailer, concurrency)
    held, token = mailer.in_flight.held, object()
    try:
        # A signal must not cut off the results of what was begun.
        held[token] = threading.get_ident()
        for done, result in enumerate(_results(sending, messages), 1):
            if progress is not None:
                progress(done)
            yield result
    finally:
        sending.over = True
        try:
            sending.stop()
        except BaseException:  # a signal handler may raise in it: once more
            sending.stop()
            raise
        finally:
            held.pop(token, None)


def _results(sending: _Sending, messages: Iterable[Sendable]) -> Iterator[Result]:
    source, order = Source(sending.handling.begin), sending.order
    give = partial(next, iter(messages))
    while source.more or order:
        if source.more and order.has_room:
            held = source.begin(give)
            if held is not None:
                sending.take(held)
        else:
            sending.wait(more=source.more)
        while (result := order.first()) is not None:
            yield result
    source.end()


class _Sending(Owner):
    """What is in flight, or waits for its turn.

    Attributes:
        over: Whether what waits for its turn has ended with it.
    """

    def __init__(self, mailer: Mailer, concurrency: int) -> None:
        self.over = False
        self.handling = Handling(mailer, self)
        self._mailer = mailer
        # One that its own thread may take again: Python may find this forgotten, and
        # stop it, amid anything that holds the lock.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._lanes = Lanes(self.handling.batching)
        self._threads = ThreadPoolExecutor(concurrency, "mailbalance-many")
        self._timed = self._stopped = False
        self._process = os.getpid()
        self.order = Order(concurrency, mailer.timing.clock)

    def take(self, held: Held) -> None:
        """Send a message that was begun, unless it has ended already."""
        self.order.add(held)
        if isinstance(held, Member):
            if held.due:
                self.order.must_wait(held.due)
            self._go(held)
        elif isinstance(held, Keyed):
            self._submit(self._once, held)

    def wait(self, *, more: bool) -> None:
        """Wait for the first result, or for room if there is more to begin."""
        order = self.order
        if not more or order.is_full:
            with self._lock:
                batches = self._lanes.flush()
            self._send(batches)
        patience = (order.wait() or None) if more else None
        with self._lock:
            self._changed.wait_for(
                lambda: order.is_ready or (more and order.has_room), patience
            )

    def stop(self) -> None:
        """Let what was begun end, and begin nothing more."""
        if self._process != os.getpid():
            return  # a forked child has none of the threads
        with self._lock:
            self._stopped = True
        self._threads.shutdown(wait=True)
        # No thread works any more: whatever waits for its turn now has nobody else.
        self.handling.drop_waiting()

    def _go(self, member: Member) -> None:
        if not member.step.together:
            self._submit(self._finish, member)
            return
        with self._lock:
            full = self._lanes.add(member, time.monotonic())
            if not self._timed:
                self._timed = True
                self._look_later()
        if full:
            self._send(full)

    def _send(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            if not self._submit(self._carry, batch):
                batch.close()

    def _submit(self, work: Callable[..., None], *of: object) -> bool:
        """Let a thread do something; False when nothing more is begun."""
        with self._lock:
            if self._stopped:
                return False
            self.order.queued += 1
            self._threads.submit(self._begin, work, *of)
        return True

    def _look_later(self) -> None:
        # The source may take its time over the next message.
        timer = threading.Timer(LINGER, self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        """Send what has waited long enough for others to go with."""
        with self._lock:
            if self._stopped:
                return
            batches = self._lanes.due(time.monotonic())
            self._timed = bool(self._lanes)
            if self._timed:
                self._look_later()
        self._send(batches)

    # In a thread

    def _begin(self, work: Callable[..., None], *of: object) -> None:
        with self._lock:
            self.order.queued -= 1
            self._changed.notify()
        work(*of)

    def _end(self, held: Held, result: Result | BaseException) -> None:
        with self._lock:
            held.result = result
            self._changed.notify()

    def _once(self, keyed: Keyed) -> None:
        """Send a message that has a key."""
        if self._stopped:
            return
        index, message = keyed.index, keyed.message
        try:
            self._end(keyed, Result(index, message, self._mailer.send(message)))
        except MailError as error:
            self._end(keyed, Result(index, message, error=error))
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            self._end(keyed, error)

    def _finish(self, member: Member) -> None:
        """Send a message by itself, or what its batch left to do."""
        if self._stopped:
            self.handling.drop(member)
            return
        index, message, step = member.index, member.message, self.handling.step(member)
        try:
            receipt = self._mailer.sender.finish(member.delivery, step)
            self._end(member, Result(index, message, receipt))
        except MailError as error:
            self._end(member, Result(index, message, error=error))
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            self._end(member, error)

    def _carry(self, batch: Batch) -> None:
        """Send messages together, and each that is not done yet by itself."""
        if self._stopped:
            batch.close()
            return
        try:
            answers = self._answers(batch)
        except BaseException as error:  # noqa: BLE001 - raised where their results are asked
            self.handling.broken_off(batch, error)
            left = []
        else:
            left = self.handling.advance(batch, answers)
        with self._lock:
            self._changed.notify()
        for member in left:
            if not self._submit(self._finish, member):
                self.handling.drop(member)

    def _answers(self, batch: Batch) -> list[Answer | None]:
        sender, permit = self._mailer.sender, Permit()
        try:
            if sender.in_flight.wary:
                sender.in_flight.must_be_open()
            for member in batch.members:
                member.delivery.permit.owner = NO_OWNER
            if refused := self.handling.call(permit, batch):
                return self.handling.refused(batch, refused)
            found: Found
            try:
                if permit.delay:
                    self._mailer.timing.sleep(permit.delay)
                timeout = batch.timeout - permit.delay
                self.handling.trying(batch)
                found = batch.batching.send_batch(batch.mails, timeout=timeout)
            except (DeliveryError, MessageError, ApartError) as error:
                found = error
            return self.handling.answers(batch, permit, found)
        finally:
            permit.over = True
