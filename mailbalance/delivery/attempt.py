"""One message in trouble: its attempts as the plan says, and everybody who is told.

The plan is entered with the first answer, or before any when nobody may go at once.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mailbalance import events
from mailbalance.backend import Attempt, Probing, Receipt, Try
from mailbalance.delivery.plan import Alone, CallerGone, plan
from mailbalance.errors import (
    DeliveryError,
    MailError,
    TransientError,
    UnknownOutcomeError,
)
from mailbalance.events import logger
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Container, Sequence
    from typing import Any

    from mailbalance.backend import Answer, Backend
    from mailbalance.delivery import adopt
    from mailbalance.delivery.retry import RetryPolicy, Timing
    from mailbalance.message import Envelope, Message
    from mailbalance.routing.admission import Permit
    from mailbalance.routing.dispatcher import Dispatcher
else:
    asyncio = Later("asyncio", globals())
    adopt = Later("mailbalance.delivery.adopt", globals())

#: Seconds for a probe that decides whether a message is spent on a backend, and for one
#: that only asks for limits; a message waits for either.
PROBE = {"must": 5.0, "may": 2.0}


class Reports:
    """Tells observers what becomes of messages; of the end of each, once.

    Args:
        observers: Whom to tell.

    Attributes:
        listening: Whether anybody but the log is told.
    """

    __slots__ = ("listening", "observers")

    def __init__(self, observers: Sequence[events.Observer]) -> None:
        self.observers = tuple(observers)
        self.listening = len(self.observers) != 1 or self.observers[0] is not events.log

    def started(self, permit: Permit, message: Message) -> None:
        """Tell that a message begins."""
        stamp, recipients = message.stamp(), len(permit.envelope.recipients)
        events.tell(
            self.observers,
            events.MessageStarted(message.key, stamp.message_id, stamp.id, recipients),
        )

    def attempt_started(self, message: Message, backend: str, recipients: int) -> None:
        """Tell that a backend is about to get a message."""
        stamp = message.stamp()
        events.tell(
            self.observers,
            events.AttemptStarted(
                message.key, stamp.message_id, backend, stamp.id, recipients
            ),
        )

    def attempted(
        self, message: Message, attempt: Attempt, *, detached: bool = False
    ) -> None:
        """Tell what an attempt came to."""
        if (
            not self.listening
            and attempt.outcome == "accepted"
            and not detached
            and not logger.isEnabledFor(logging.DEBUG)
        ):
            return
        message_id = message.stamp().message_id
        told = events.Attempted(message.key, message_id, attempt, detached)
        events.tell(self.observers, told)

    def ended(self, permit: Permit, message: Message, receipt: Receipt) -> None:
        """Tell of a message that was accepted."""
        if permit.on_end is not None:
            permit.on_end(receipt)
        if self.listening or logger.isEnabledFor(logging.INFO):
            self._tell_end(permit, events.Accepted(message.key, receipt))
        permit.told = len(self.observers)

    def failed(self, permit: Permit, message: Message, error: DeliveryError) -> None:
        """Tell of a message that was not accepted, or nobody can know."""
        permit.error = error
        stamp = message.stamp()
        error.message_id, error.mailbalance_id = stamp.message_id, stamp.id
        if permit.on_end is not None:
            permit.on_end(error)
        told = events.GaveUp(message.key, stamp.message_id, error)
        self._tell_end(permit, told)

    def is_told(self, permit: Permit) -> bool:
        """Whether every observer knows the end."""
        return permit.told >= len(self.observers)

    def _tell_end(self, permit: Permit, event: events.Event) -> None:
        # Counted one by one: after an exception of a signal handler the telling goes on
        # with the observer that it struck.
        while permit.told < len(self.observers):
            events.tell(self.observers[permit.told : permit.told + 1], event)
            permit.told += 1


class Delivery:
    """One message on its way by the plan.

    Args:
        permit: Its right to each attempt in turn; it may hold the first already.
        message: What is sent.
        policy: When to try again.
        dispatcher: Who may be asked.
        reports: Tells of it.
        timing: The clock and the sleeps.
        detached: Where attempts are noted that go on without their callers.
        together: The backends by which its first attempt may go with other messages.

    Attributes:
        attempts: Every attempt judged so far; grows as they are made.
    """

    __slots__ = (
        "_before", "_detached", "_dispatcher", "_reports", "_timing", "attempts",
        "message", "permit", "steps",
    )  # fmt: skip

    def __init__(
        self,
        permit: Permit,
        message: Message,
        policy: RetryPolicy,
        *,
        dispatcher: Dispatcher,
        reports: Reports,
        timing: Timing,
        detached: set[asyncio.Task[Any]],
        together: Container[str] = (),
    ) -> None:
        self.permit = permit
        self.message = message
        self._dispatcher = dispatcher
        self._reports = reports
        self._timing = timing
        self._detached = detached
        self._before = 0
        self.attempts: list[Attempt] = [] if permit.record is None else permit.record
        envelope = permit.envelope
        self.steps = plan(
            permit,
            permit.route,
            envelope.recipients,
            policy,
            clock=timing.clock,
            dispatcher=dispatcher,
            can_carry=self._can_carry,
            record=self.attempts,
            sender=envelope.domain,
            together=together,
        )

    def run(
        self,
        answer: Answer | None = None,
        step: Try | None = None,
        *,
        sleep: Callable[[float], None] | None = None,
    ) -> Receipt:
        """Make attempts in this thread until the receipt, or raise the error.

        Args:
            answer: What the attempt came to that was begun before.
            step: The step that the plan has given already, if it has.
            sleep: Waits in place of the mailer's own.
        """
        now: Try | Receipt = next(self.steps) if step is None else step
        if answer is not None:
            now = self.advance(answer)
        while isinstance(now, Try):
            if now.delay:
                (sleep or self._timing.sleep)(now.delay)
            now = self.advance(self.send(now))
        return now

    async def arun(
        self, answer: Answer | None = None, step: Try | None = None
    ) -> Receipt:
        """Async version of ``run``."""
        now: Try | Receipt = next(self.steps) if step is None else step
        if answer is not None:
            now = self.advance(answer)
        while isinstance(now, Try):
            if now.delay:
                try:
                    await self._timing.asleep(now.delay)
                except asyncio.CancelledError:
                    self.leave()
                    raise
            answer = self.permit.answer = await self.asend(now)
            now = self.advance(answer)
        return now

    def start(self) -> Try:
        """Return the first step; raises what ``send`` raises when there is none."""
        return cast("Try", next(self.steps))

    def advance(self, answer: Answer) -> Try | Receipt:
        """Hand an answer to the plan, tell the observers, and return the next step."""
        permit = self.permit
        self._before = len(self.attempts)
        permit.answer, permit.sending = answer, False
        try:
            return self.steps.send(answer)
        finally:
            self._tell_attempt(detached=False)

    def alone(self) -> Try:
        """Return the first step again, by itself: it was not made together after all.

        Raises:
            DeliveryError: When no backend may be asked in time.
        """
        return cast("Try", self.steps.send(Alone()))

    def leave(self, answer: Answer | None = None) -> Answer:
        """Make no further attempt, tell what is known, and return it.

        Args:
            answer: What the attempt in flight came to; ``None`` between two attempts.
        """
        end: Answer
        if answer is None and not self.attempts:
            self._dispatcher.give_back(self.permit)
            self.steps.close()
            end = TransientError("cancelled before an attempt", phase="cancelled")
        else:
            self._before = len(self.attempts)
            try:
                end = cast("Receipt", self.steps.send(CallerGone(answer)))
            except DeliveryError as error:
                end = error
        if answer is not None:
            self._tell_attempt(detached=True)
        self._tell_end(end)
        return end

    def envelope(self, recipients: tuple[str, ...]) -> Envelope:
        """Return the envelope for these recipients."""
        whole = self.permit.envelope
        return whole if recipients == whole.recipients else whole.only(recipients)

    def send(self, step: Try) -> Answer:
        """Make one attempt and wait for it."""
        permit = self.permit
        self._before, permit.answer = len(self.attempts), None
        envelope, left = self.envelope(step.recipients), step.timeout
        try:
            if step.probe != "no":
                ends = self._timing.clock() + left
                self._probe(step)
                left = ends - self._timing.clock()
            permit.sending = True
            self.trying(step)
            # Kept before anything else: a signal handler may raise at the next call.
            permit.answer = step.backend.send(self.message, envelope, timeout=left)
        except DeliveryError as error:
            permit.answer = error
        return permit.answer

    async def asend(self, step: Try) -> Answer:
        """Make one attempt, which outlives its caller where it must."""
        return await adopt.outliving(
            lambda: self._attempt(step),
            step.backend,
            self.permit,
            lambda: self,
            self._detached,
        )

    async def _attempt(self, step: Try) -> Receipt:
        self._before, self.permit.answer = len(self.attempts), None
        envelope, left = self.envelope(step.recipients), step.timeout
        if step.probe != "no":
            ends = self._timing.clock() + left
            await self._aprobe(step)
            left = ends - self._timing.clock()
        self.permit.sending = True
        self.trying(step)
        return await step.backend.asend(self.message, envelope, timeout=left)

    def trying(self, step: Try) -> None:
        """Tell that a message is about to be handed to a backend."""
        if self._reports.listening:
            self._reports.attempt_started(
                self.message, step.backend.name, len(step.recipients)
            )

    def _probe(self, step: Try) -> None:
        """Ask the backend whether it is there, and what its limits are."""
        try:
            rates = cast("Probing", step.backend).probe(timeout=_patience(step))
        except DeliveryError:
            if step.probe == "must":
                raise
        else:
            now = self._timing.clock()
            self._dispatcher.report_rates(step.backend, rates, now)

    async def _aprobe(self, step: Try) -> None:
        """Async version of ``_probe``."""
        try:
            rates = await cast("Probing", step.backend).aprobe(timeout=_patience(step))
        except DeliveryError:
            if step.probe == "must":
                raise
        else:
            now = self._timing.clock()
            self._dispatcher.report_rates(step.backend, rates, now)

    def drop(self) -> None:
        """Give it up between two attempts; what is known of it is told."""
        permit = self.permit
        if not permit.over and not self._reports.is_told(permit):
            if self.attempts or permit.started:
                self.leave()
            else:
                self._dispatcher.give_back(permit)
                self.steps.close()
        permit.over = True
        self._dispatcher.state.live.discard(permit)

    def accepted(self, receipt: Receipt) -> None:
        """Tell that it was accepted."""
        self._reports.ended(self.permit, self.message, receipt)

    def failed(self, error: DeliveryError) -> None:
        """Tell that it was not accepted, or that nobody can know."""
        self._reports.failed(self.permit, self.message, error)

    def broken_off(self, error: BaseException) -> None:
        """End a message whose send something from outside has broken off.

        A signal handler may raise anywhere in it. What is known by then is its end; only a
        mistake of ours or the caller's, found before anything was handed over, is none.
        """
        permit, reports = self.permit, self._reports
        pending = permit.answer is not None and len(self.attempts) == self._before
        if reports.is_told(permit) or self._is_refuted(error):
            return
        end: Answer | None = permit.receipt or permit.error
        if end is None and isinstance(error, DeliveryError):
            end = error
        goes_on = inspect.getgeneratorstate(self.steps) != inspect.GEN_CLOSED
        between = bool(self.attempts) and not permit.sending
        if end is None and goes_on and (pending or between):
            self.leave(permit.answer if pending else None)
            return
        self._tell_end(end or self._what_is_known(error, pending=pending))

    def _is_refuted(self, error: BaseException) -> bool:
        """Whether it is a mistake found before anything was handed over."""
        if isinstance(error, DeliveryError) or not isinstance(error, MailError):
            return False
        return all(attempt.outcome != "unknown" for attempt in self.attempts)

    def _what_is_known(self, error: BaseException, *, pending: bool) -> Answer:
        """Judge a message without its plan, which the exception has ended."""
        answer, permit = self.permit.answer, self.permit
        if pending and answer is not None:
            now = self._timing.clock()
            took, asked = max(0.0, now - permit.began), len(permit.envelope.recipients)
            self._dispatcher.learn(permit, answer, now)
            backend = permit.route.order[permit.place].name
            self.attempts.append(Attempt.of(backend, answer, asked, took))
        if isinstance(answer, Receipt) and (pending or not answer.refused):
            return self._receipt(answer)
        outcomes = {attempt.outcome for attempt in self.attempts}
        attempts = tuple(self.attempts)
        why = f"broken off by {type(error).__name__}"
        if permit.sending or outcomes & {"unknown", "accepted", "partial"}:
            return UnknownOutcomeError(why, phase="send", attempts=attempts)
        return TransientError(why, phase="cancelled", attempts=attempts)

    def _receipt(self, answer: Receipt) -> Receipt:
        """Make the final receipt of a message whose plan was ended before it did."""
        route = self.permit.route
        return replace(
            answer,
            attempts=tuple(self.attempts),
            assigned=route.assigned,
            forced=route.forced,
            possible_duplicate=any(a.outcome == "unknown" for a in self.attempts),
        )

    def _tell_end(self, end: Answer) -> None:
        if isinstance(end, Receipt):
            self._reports.ended(self.permit, self.message, end)
        else:
            self._reports.failed(self.permit, self.message, end)

    def _can_carry(self, backend: Backend, recipients: tuple[str, ...]) -> bool:
        return backend.refuses(self.message, self.envelope(recipients)) is None

    def _tell_attempt(self, *, detached: bool) -> None:
        """Tell of the attempt that was just judged."""
        if len(self.attempts) > self._before:
            attempt = self.attempts[-1]
            self._reports.attempted(self.message, attempt, detached=detached)


def _patience(step: Try) -> float:
    return min(PROBE[step.probe], step.timeout / 3)
