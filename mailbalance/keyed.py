"""The two drivers of ``Claiming``: they send a message that has a key, once for each key.

What lives here: ``send``, ``asend``, and how an async send goes on without its caller. What
must not: a decision; ``claiming`` makes them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbalance.claiming import Claiming, Hands
from mailbalance.errors import DeliveryError
from mailbalance.later import Later
from mailbalance.message import Envelope

if TYPE_CHECKING:
    import asyncio

    from mailbalance.backend import Answer, Receipt
    from mailbalance.job import Job
    from mailbalance.mailer import Mailer
    from mailbalance.message import Message
else:
    asyncio = Later("asyncio", globals())


def send(
    mailer: Mailer, message: Message, via: str | None, envelope: Envelope | None
) -> Receipt:
    """Send a message that has a key; returns and raises what ``Mailer.send`` does."""
    sending = _Sending(mailer, message, via, envelope)
    steps = sending.claiming.steps()
    hands = sending.hands()
    try:
        act = next(steps)
        while True:
            try:
                act = steps.send(act(hands))
            except (StopIteration, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - the steps raise it again
                act = steps.throw(error)
    except StopIteration as end:
        receipt: Receipt = end.value
        return receipt


async def asend(
    mailer: Mailer, message: Message, via: str | None, envelope: Envelope | None
) -> Receipt:
    """Do as ``send`` does, in a task that outlives its caller until the key is settled."""
    sending = _Sending(mailer, message, via, envelope)
    task = asyncio.ensure_future(_end_of(sending))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        sending.leave(task)
        raise
    end = task.result()
    if isinstance(end, Exception):
        raise end
    return end


async def _end_of(sending: _Sending) -> Receipt | Exception:
    """Give what it comes to, not raised: a loop that ends logs what its tasks raise."""
    try:
        return await _drive(sending)
    except Exception as error:  # noqa: BLE001 - raised where somebody waits for it
        return error


async def _drive(sending: _Sending) -> Receipt:
    steps = sending.claiming.steps()
    hands = sending.async_hands()
    try:
        act = next(steps)
        while True:
            try:
                act = steps.send(await act(hands))
            except (StopIteration, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - the steps raise it again
                act = steps.throw(error)
    except StopIteration as end:
        receipt: Receipt = end.value
        return receipt


class _Sending:
    """One send of a message with a key, and what is needed to do its steps."""

    def __init__(
        self,
        mailer: Mailer,
        message: Message,
        via: str | None,
        envelope: Envelope | None,
    ) -> None:
        mailer.under_way.must_be_open()
        envelope = envelope or message.envelope()
        self._mailer = mailer
        self._since = mailer.timing.clock()
        self._message = message
        self._via = via
        self._gone = self._may_stop = False
        self._over: asyncio.Future[None] | None = None
        self.claiming = Claiming(message, envelope, mailer.policy, mailer.timing.clock)

    def hands(self) -> Hands:
        """Give what does the steps in this thread."""
        keys, timing = self._mailer.keys, self._mailer.timing
        return Hands(keys.claim, keys.settle, keys.release, timing.sleep, self._deliver)

    def async_hands(self) -> Hands:
        """Give what does them in this task."""
        keys = self._mailer.keys
        return Hands(
            keys.aclaim, keys.asettle, keys.arelease, self._await, self._adeliver
        )

    def leave(self, task: asyncio.Task[Receipt | Exception]) -> None:
        """Stop where that is possible, and let the rest end without a caller.

        A question to the store is never broken off: nobody would know its answer.
        """
        self._gone = True
        self._mailer.under_way.detached.add(task)
        task.add_done_callback(self._mailer.under_way.detached.discard)
        if self._may_stop:
            task.cancel()

    def _begin(self, envelope: Envelope) -> Job:
        waited = self._mailer.timing.clock() - self._since
        job = self._mailer.begin(
            self._message, via=self._via, envelope=envelope, waited=waited
        )
        self.claiming.attempts = job.attempts
        job.over = self._hear
        return job

    def _hear(self, end: Answer | None) -> None:
        self.claiming.heard = self.claiming.heard or end  # the first word counts
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _deliver(self, envelope: Envelope) -> Receipt:
        return self._mailer.finish(self._begin(envelope))

    async def _adeliver(self, envelope: Envelope) -> Receipt:
        """Send it; when that is stopped, wait for the attempt under way to end."""
        self._must_be_wanted()
        job = self._begin(envelope)
        self._over = asyncio.get_running_loop().create_future()
        self._may_stop = True
        try:
            return await self._mailer.afinish(job)
        except asyncio.CancelledError:
            return await self._end_of_attempt(self._over)
        finally:
            self._may_stop = False

    async def _await(self, pause: float) -> None:
        self._must_be_wanted()
        self._may_stop = True
        try:
            await self._mailer.timing.asleep(pause)
        finally:
            self._may_stop = False

    def _must_be_wanted(self) -> None:
        if self._gone:
            raise asyncio.CancelledError

    async def _end_of_attempt(self, over: asyncio.Future[None]) -> Receipt:
        """Wait for it, also while the event loop is ending and cancels every task."""
        self._may_stop = False
        clock, left = self._mailer.timing.clock, self._mailer.policy.timeout
        ends = clock() + left
        while not over.done() and left > 0:
            try:
                await asyncio.wait([over], timeout=left)
            except asyncio.CancelledError:
                left = ends - clock()
            else:
                break
        end = self.claiming.heard
        if end is None:
            raise self.claiming.unknown("the attempt never told its end", "send")
        if isinstance(end, DeliveryError):
            raise end
        return end
