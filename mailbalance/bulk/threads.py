"""Many messages from threads.

What lives here: the sync driver of ``send_many``. What must not: anything but waiting and
handing on; ``handling`` does the rest.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from mailbalance.bulk.handling import HELD, MOST_HELD, Handling
from mailbalance.bulk.lanes import LINGER, Lanes
from mailbalance.bulk.result import Result
from mailbalance.errors import DeliveryError, MailError
from mailbalance.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from mailbalance.backend import Answer
    from mailbalance.bulk.lanes import Batch, Member
    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer


def send_many(
    mailer: Mailer,
    messages: Iterable[Sendable],
    *,
    concurrency: int,
    progress: Callable[[int], object] | None,
) -> Generator[Result, None, None]:
    """Do what ``Mailer.send_many`` says."""
    source = enumerate(messages)
    sending = _Sending(mailer, concurrency)
    try:
        for done, result in enumerate(_results(sending, source), 1):
            if progress is not None:
                progress(done)
            yield result
    finally:
        sending.stop()


def _results(
    sending: _Sending, source: Iterator[tuple[int, Sendable]]
) -> Iterator[Result]:
    more = True
    while more or sending.held:
        given = next(source, None) if more and sending.has_room else None
        if given is not None:
            sending.take(*given)
        else:
            more = more and not sending.has_room
            sending.flush()
            if sending.held:
                yield sending.first()
        while sending.held and sending.held[0].end.done():
            yield sending.first()


class _Held:
    """One message that is held until its result is given."""

    __slots__ = ("end", "size")

    def __init__(self, message: Message | None) -> None:
        self.end: Future[Result] = Future()
        self.size = 0 if message is None else message.size()


class _Sending:
    """What is under way, in the order it was given.

    What is dropped before a thread has touched it goes with its plan, which gives its pass
    back.
    """

    def __init__(self, mailer: Mailer, concurrency: int) -> None:
        self._handling = Handling(mailer)
        self._mailer = mailer
        self._lock = threading.Lock()
        self._lanes = Lanes()
        self._threads = ThreadPoolExecutor(concurrency, "mailbalance-many")
        self._timed = self._stopped = False
        self.held: deque[_Held] = deque()
        self._size = 0

    @property
    def has_room(self) -> bool:
        """Whether another message may be held."""
        return len(self.held) < MOST_HELD and self._size < HELD

    def take(self, index: int, given: Sendable) -> None:
        """Begin a message."""
        begun = self._handling.begin(index, given)
        message = begun if isinstance(begun, Message) else begun.message
        held = _Held(message)
        self.held.append(held)
        self._size += held.size
        if isinstance(begun, Result):
            held.end.set_result(begun)
        elif isinstance(begun, Message):
            self._threads.submit(self._once, index, begun, held.end)
        else:
            begun.end = held.end
            self._go(begun)

    def first(self) -> Result:
        """Give the result of the first message held, when it is there."""
        held = self.held.popleft()
        self._size -= held.size
        return held.end.result()

    def flush(self) -> None:
        """Send what still waits for others to go with."""
        with self._lock:
            batches = self._lanes.flush()
        for batch in batches:
            self._threads.submit(self._carry, batch)

    def stop(self) -> None:
        """Let what was begun end, and begin nothing more."""
        with self._lock:
            self._stopped = True
            for batch in self._lanes.flush():
                batch.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _go(self, member: Member) -> None:
        batching = self._handling.batching(member)
        if batching is None:
            self._threads.submit(self._finish, member)
            return
        with self._lock:
            full = self._lanes.add(member, batching, time.monotonic())
            if not self._timed:
                self._timed = True
                self._look_later()
        for batch in full:
            self._threads.submit(self._carry, batch)

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
            for batch in self._lanes.due(time.monotonic()):
                self._threads.submit(self._carry, batch)
            self._timed = bool(self._lanes)
            if self._timed:
                self._look_later()

    # In a thread

    def _once(self, index: int, message: Message, end: Future[Result]) -> None:
        """Send a message that has a key."""
        try:
            end.set_result(Result(index, message, self._mailer.send(message)))
        except MailError as error:
            end.set_result(Result(index, message, error=error))
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            end.set_exception(error)

    def _finish(self, member: Member) -> None:
        """Send a message by itself, or what its batch left to do."""
        index, message = member.index, member.message
        try:
            receipt = self._mailer.finish(member.job, member.step)
            member.end.set_result(Result(index, message, receipt))
        except DeliveryError as error:
            member.end.set_result(Result(index, message, error=error))
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            member.end.set_exception(error)

    def _carry(self, batch: Batch) -> None:
        """Send messages together, and each that is not done yet by itself."""
        try:
            answers = self._answers(batch)
        except BaseException as error:  # noqa: BLE001 - raised where its result is asked
            for member in batch.members:
                member.end.set_exception(error)
            return
        for member, answer in zip(batch.members, answers, strict=True):
            result = self._handling.advance(member, answer)
            if result is None:
                self._threads.submit(self._finish, member)
            else:
                member.end.set_result(result)

    def _answers(self, batch: Batch) -> list[Answer]:
        given = self._handling.call(batch)
        if isinstance(given, DeliveryError):
            return self._handling.answers(batch, given)
        self._mailer.under_way.begin(batch)
        found: Sequence[Answer] | DeliveryError | None = None
        try:
            if given.delay:
                self._mailer.timing.sleep(given.delay)
            timeout = batch.timeout - given.delay
            found = batch.batching.send_batch(batch.mails, timeout=timeout)
        except DeliveryError as error:
            found = error
        finally:
            self._mailer.under_way.end(batch)
            if found is None:
                self._mailer.traffic.undo(given)
        self._handling.called(given, found)
        return self._handling.answers(batch, found)
