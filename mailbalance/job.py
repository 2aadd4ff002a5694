"""One message being sent: its attempts as the plan says, and everybody who is told.

What lives here: ``Job``. What must not: waiting between attempts (``driver``), or a
decision; the plan makes them all.

An async attempt runs in a task of its own. When its caller is cancelled, the attempt is
asked to stop: before the commit point the wire does, after it the wire goes on waiting for
the reply, and the outcome goes to the observers, since nobody else is left to hear it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from mailbalance import events
from mailbalance.backend import Attempt, Backend, Probing, Receipt, Try
from mailbalance.delivery import Alone, CallerGone, plan
from mailbalance.errors import (
    DeliveryError,
    MailError,
    TransientError,
    UnknownOutcomeError,
)
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Container, Sequence

    from mailbalance.backend import Answer
    from mailbalance.message import Envelope, Message
    from mailbalance.retry import RetryPolicy
    from mailbalance.routing import Route, Router
    from mailbalance.routing.traffic import Traffic
    from mailbalance.under_way import UnderWay
else:
    asyncio = Later("asyncio", globals())

#: Seconds for a probe that decides whether a message is spent on a backend, and for one
#: that only asks for limits; a message waits for either.
PROBE = {"must": 5.0, "may": 2.0}


class Job:
    """One message on its way, with everybody who must be told of it."""

    __slots__ = (
        "_attempts", "_clock", "_envelope", "_message", "_observers", "_router",
        "_silent", "_traffic", "_under_way", "over", "route", "steps",
    )  # fmt: skip

    def __init__(
        self,
        message: Message,
        envelope: Envelope,
        route: Route,
        *,
        policy: RetryPolicy,
        router: Router,
        traffic: Traffic,
        observers: Sequence[events.Observer],
        under_way: UnderWay,
        clock: Callable[[], float],
        together: Container[str] = (),
    ) -> None:
        self._message = message
        self._envelope = envelope
        self._router = router
        self._traffic = traffic
        self._clock = clock
        self._observers = observers
        self._silent = events.in_vain(observers, logging.DEBUG)
        self._attempts: list[Attempt] = []
        self._under_way = under_way
        #: Called with what became of it, also when its caller has gone by then; with
        #: ``None`` when a fault of ours hides that.
        self.over: Callable[[Answer | None], object] | None = None
        self.route = route
        self.steps = plan(
            route,
            envelope.recipients,
            policy,
            clock=clock,
            can_carry=self._can_carry,
            record=self._attempts,
            traffic=traffic,
            sender=envelope.domain,
            together=together,
        )

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Every attempt judged so far; grows as they are made."""
        return self._attempts

    def advance(self, answer: Answer) -> Try | Receipt:
        """Hand an answer to the plan, tell the observers, and give the next step."""
        try:
            return self.steps.send(answer)
        finally:
            self._note(answer, detached=False)

    def alone(self) -> Try:
        """Give the first try anew, by itself: it was not made together after all.

        Raises:
            DeliveryError: When no backend may be tried in time.
        """
        return cast("Try", self.steps.send(Alone()))

    def leave(self, answer: Answer | None = None) -> Answer:
        """Make no further try, tell what is known, and give it.

        Args:
            answer: What the try under way came to; ``None`` between two tries.
        """
        end: Answer
        if answer is None and not self._attempts:
            self.steps.close()
            end = TransientError("cancelled before a try", phase="cancelled")
        else:
            try:
                end = cast("Receipt", self.steps.send(CallerGone(answer)))
            except DeliveryError as error:
                end = error
        if answer is not None:
            self._note(answer, detached=True)
        if isinstance(end, Receipt):
            self.accepted(end)
        else:
            self.failed(end)
        return end

    def envelope(self, recipients: tuple[str, ...]) -> Envelope:
        """Give the envelope for these recipients."""
        if recipients == self._envelope.recipients:
            return self._envelope
        return self._envelope.only(recipients)

    def trying(self, step: Try) -> None:
        """Tell that a message is about to be handed to a backend."""
        message_id = self._message.stamp().message_id
        told = events.Trying(self._message.key, message_id, step.backend.name)
        events.tell(self._observers, told)

    def send(self, step: Try) -> Answer:
        """Make one attempt and wait for it."""
        envelope, left = self.envelope(step.recipients), step.timeout
        try:
            if step.probe != "no":
                ends = self._clock() + left
                self._probe(step)
                left = ends - self._clock()
            if not self._silent:
                self.trying(step)
            return step.backend.send(self._message, envelope, timeout=left)
        except DeliveryError as error:
            return error

    async def asend(self, step: Try) -> Answer:
        """Make one attempt in a task that outlives its caller where it must."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        task = loop.create_task(self._attempt(step, over))
        task.add_done_callback(lambda _: _tell(over))  # cancelled before it has begun
        try:
            await over  # not the task: cancelling its caller must not cancel it
            return task.result()
        except asyncio.CancelledError:
            self._detach(task, step)
            raise

    async def _attempt(self, step: Try, over: asyncio.Future[None]) -> Answer:
        """Make one attempt, and say when it is over.

        ``asyncio.shield`` says so, too, but a turn of the loop later. An error is given,
        not raised: a loop that ends logs what its tasks raise, and this one is told.
        """
        envelope, left = self.envelope(step.recipients), step.timeout
        try:
            if step.probe != "no":
                ends = self._clock() + left
                await self._aprobe(step)
                left = ends - self._clock()
            if not self._silent:
                self.trying(step)
            return await step.backend.asend(self._message, envelope, timeout=left)
        except DeliveryError as error:
            return error
        finally:
            _tell(over)

    def _probe(self, step: Try) -> None:
        """Ask the backend whether it is there, and what its limits are."""
        try:
            rates = cast("Probing", step.backend).probe(timeout=_patience(step))
        except DeliveryError:
            if step.probe == "must":
                raise
        else:
            self._traffic.learn(step.backend, rates, self._clock())

    async def _aprobe(self, step: Try) -> None:
        """Do as ``_probe`` does, without blocking the event loop."""
        try:
            rates = await cast("Probing", step.backend).aprobe(timeout=_patience(step))
        except DeliveryError:
            if step.probe == "must":
                raise
        else:
            self._traffic.learn(step.backend, rates, self._clock())

    def accepted(self, receipt: Receipt) -> None:
        """Tell of a message that was accepted."""
        if self.over is not None:
            self.over(receipt)
        if not events.in_vain(self._observers, logging.INFO):
            events.tell(self._observers, events.Accepted(self._message.key, receipt))

    def failed(self, error: DeliveryError) -> None:
        """Tell of a message that was not accepted, or nobody can know."""
        stamp = self._message.stamp()
        message_id = error.message_id = stamp.message_id
        error.mailbalance_id = stamp.id
        if self.over is not None:
            self.over(error)
        told = events.GaveUp(self._message.key, message_id, error)
        events.tell(self._observers, told)

    def broken_off(self, error: BaseException) -> None:
        """Tell of a message whose send something from outside has ended.

        A signal's handler may raise in the middle of it. Only a mistake of ours or the
        caller's, found before anything was handed over, leaves the outcome known.
        """
        outcomes = [attempt.outcome for attempt in self._attempts]
        known = isinstance(error, MailError) and "unknown" not in outcomes
        if known or outcomes[-1:] == ["accepted"]:
            return
        why = f"broken off by {type(error).__name__}"
        attempts = tuple(self._attempts)
        self.failed(UnknownOutcomeError(why, phase="send", attempts=attempts))

    def _can_carry(self, backend: Backend, recipients: tuple[str, ...]) -> bool:
        return backend.refuses(self._message, self.envelope(recipients)) is None

    def _note(self, answer: Answer, *, detached: bool) -> None:
        """Count what the attempt that was just judged carried, and tell of it."""
        attempt = self._attempts[-1]
        if isinstance(answer, Receipt):
            self._router.carried(attempt.backend, len(answer.accepted))
            fine = attempt.outcome == "accepted" and not detached
            if fine and self._silent:
                return
        message_id = self._message.stamp().message_id
        told = events.Attempted(self._message.key, message_id, attempt, detached)
        events.tell(self._observers, told)

    def _detach(self, task: asyncio.Task[Answer], step: Try) -> None:
        """Let an attempt end without its caller; whatever it comes to is told."""
        detached = self._under_way.detached

        def report(ended: asyncio.Task[Answer]) -> None:
            detached.discard(ended)
            answer = _answer_of(ended, step.backend.name)
            if answer is None:
                self.steps.close()
                if self.over is not None:
                    self.over(None)
            else:
                self.leave(answer)

        if task.done():  # it ended while its caller was being cancelled
            report(task)
            return
        detached.add(task)
        task.add_done_callback(report)
        task.cancel()


def _tell(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def _answer_of(ended: asyncio.Task[Answer], backend: str) -> Answer | None:
    """Give what a detached attempt came to; ``None`` for a fault of ours, logged."""
    if ended.cancelled():
        why = "cancelled by its caller"
        return TransientError(why, backend=backend, phase="cancelled")
    error = ended.exception()
    if error is None:
        return ended.result()
    events.logger.error("a detached attempt failed", exc_info=error)
    return None


def _patience(step: Try) -> float:
    return min(PROBE[step.probe], step.timeout / 3)
