"""The straight way of a message: assigned, sent once, settled.

While the first attempt is accepted whole, nothing else runs: no plan, no retry state, no
task. Anything else enters the plan with the first answer. ``Mailer``, idempotency keys,
many messages and the drop-in all send through here.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from mailbalance.backend import Receipt
from mailbalance.delivery.attempt import Delivery, Reports
from mailbalance.errors import (
    ClosedError,
    DeliveryError,
    MailError,
    TransientError,
    UnknownOutcomeError,
)
from mailbalance.events import logger
from mailbalance.later import Later
from mailbalance.routing.admission import NO_OWNER, Owner, Permit
from mailbalance.routing.eligibility import NOBODY

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Container, Sequence

    from mailbalance.backend import Answer, Attempt, Backend, Try
    from mailbalance.delivery import adopt
    from mailbalance.delivery.in_flight import InFlight
    from mailbalance.delivery.retry import RetryPolicy, Timing
    from mailbalance.events import Observer
    from mailbalance.message import Envelope, Message
    from mailbalance.routing.dispatcher import Dispatcher
    from mailbalance.routing.eligibility import StandIns
else:
    asyncio = Later("asyncio", globals())
    adopt = Later("mailbalance.delivery.adopt", globals())

#: Seconds for a message whose time was gone before it began: enough to be refused.
LEAST = 1e-6


class Sender:
    """Sends one message at a time for any number of threads and tasks.

    Args:
        dispatcher: Who carries what.
        policy: When to try again and when to give up.
        observers: Who is told of each event.
        timing: The clock and the sleeps.
        in_flight: Knows what is in flight.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        policy: RetryPolicy,
        observers: Sequence[Observer],
        timing: Timing,
        in_flight: InFlight,
    ) -> None:
        self.dispatcher = dispatcher
        self.policy = policy
        self.reports = Reports(observers)
        self.timing = timing
        self.in_flight = in_flight
        self._clock = timing.clock
        self._patience = policy.timeout - policy.reserve
        self._listening = self.reports.listening
        self._latest = in_flight.latest

    def run(  # noqa: C901 - kept in one piece, so that a way is read as it goes
        self,
        message: Message,
        envelope: Envelope | None = None,
        *,
        via: str | None = None,
        stand_ins: StandIns = NOBODY,
        waited: float = 0.0,
        on_end: Callable[[Answer | None], object] | None = None,
        record: list[Attempt] | None = None,
    ) -> Receipt:
        """Send a message, and wait.

        Args:
            message: What to send.
            envelope: Sender and recipients, when they are not those of the headers.
            via: Name of the one backend to use, leaving the split aside.
            stand_ins: Backends that act for this message in place of those of that name.
            waited: Seconds of its time-out that are gone already.
            on_end: Called with the end as soon as it is known.
            record: Where attempts of a message in trouble are written down.

        Raises:
            MailError: What ``Mailer.send`` raises.
        """
        permit = Permit()
        try:
            policy = self.policy if waited <= 0 else self._policy_after(waited)
            permit.on_end = on_end
            permit.record = record
            backend = self.begin(permit, message, envelope, policy, via, stand_ins)
            receipt: Receipt | None = None
            answer: Answer | None = None
            if backend is not None:
                permit.sending = True
                if self._listening:
                    self._tell_attempt(permit, message, backend)
                try:
                    answer = permit.answer = backend.send(
                        message, permit.envelope, timeout=policy.timeout
                    )
                except DeliveryError as error:
                    answer = permit.answer = error
                recipients = len(permit.envelope.recipients)
                receipt = self.dispatcher.settle(
                    permit, answer, recipients, self._clock()
                )
            if receipt is None:
                receipt = self.delivery(permit, message, policy).run(answer)
            if self._listening or on_end or logger.isEnabledFor(logging.INFO):
                self._tell_accepted(permit, message, receipt)
            self.dispatcher.state.live.discard(permit)
            self._latest.append((monotonic(), permit.thread))
        except BaseException as error:
            try:
                self.broken_off(permit, message, error)
            except BaseException:  # struck there: it goes on once more
                self.broken_off(permit, message, error)
                raise
            raise
        else:
            return receipt
        finally:
            permit.over = True

    async def arun(  # noqa: C901 - as straight as ``run``, with waits
        self,
        message: Message,
        envelope: Envelope | None = None,
        *,
        via: str | None = None,
        stand_ins: StandIns = NOBODY,
        waited: float = 0.0,
        on_end: Callable[[Answer | None], object] | None = None,
        record: list[Attempt] | None = None,
    ) -> Receipt:
        """Async version of ``run``.

        Cancelled before the message was handed over, it stops. Cancelled later, it cannot
        recall it: the attempt finishes on its own and observers are told.
        """
        permit = Permit()
        try:
            policy = self.policy if waited <= 0 else self._policy_after(waited)
            permit.on_end = on_end
            permit.record = record
            permit.loop = asyncio.get_running_loop()
            backend = self.begin(permit, message, envelope, policy, via, stand_ins)
            receipt = None
            answer = None
            if backend is not None:
                permit.sending = True
                if self._listening:
                    self._tell_attempt(permit, message, backend)
                answer = permit.answer = await adopt.outliving(
                    partial(
                        backend.asend,
                        message,
                        permit.envelope,
                        timeout=policy.timeout,
                    ),
                    backend,
                    permit,
                    lambda: self._begun(permit, message, policy),
                    self.in_flight.detached,
                )
                recipients = len(permit.envelope.recipients)
                receipt = self.dispatcher.settle(
                    permit, answer, recipients, self._clock()
                )
            if receipt is None:
                receipt = await self.delivery(permit, message, policy).arun(answer)
            if self._listening or on_end or logger.isEnabledFor(logging.INFO):
                self._tell_accepted(permit, message, receipt)
            self.dispatcher.state.live.discard(permit)
            if self.in_flight.watched:
                self.in_flight.ended()
        except asyncio.CancelledError:
            raise  # told when it is known what became of the attempt
        except BaseException as error:
            try:
                self.broken_off(permit, message, error)
            except BaseException:  # struck there: it goes on once more
                self.broken_off(permit, message, error)
                raise
            raise
        else:
            return receipt
        finally:
            # One that was adopted is ended by whoever waits for the reply.
            permit.over = not permit.adopted

    def begin(
        self,
        permit: Permit,
        message: Message,
        envelope: Envelope | None,
        policy: RetryPolicy,
        via: str | None = None,
        stand_ins: StandIns = NOBODY,
        together: Container[str] = (),
    ) -> Backend | None:
        """Choose the backends for a message, and let it in if the first may go at once.

        Args:
            permit: Filled; its owner ends it.
            message: What to send.
            envelope: Sender and recipients, when they are not those of the headers.
            policy: How long it may take.
            via: Name of the one backend to use.
            stand_ins: Backends that act for this message in place of those of that name.
            together: Names of the backends by which it may go with other messages.

        Returns:
            Who is asked now; ``None`` when its delivery must see who may go.

        Raises:
            ClosedError: When the mailer was closed.
            MessageError: When no backend can carry it.
            ConfigError: When ``via`` names no backend.
        """
        if self.in_flight.wary:
            self.in_flight.must_be_open()
        permit.thread = get_ident()
        if envelope is None:
            envelope = message.envelope()
        permit.envelope = envelope
        now = self._clock()
        own = policy is self.policy
        latest = now + (self._patience if own else policy.timeout - policy.reserve)
        backend = self.dispatcher.assign(
            permit,
            message,
            envelope,
            now,
            latest,
            via=via,
            stand_ins=stand_ins,
            together=together,
        )
        # Whoever closes sees it among the live ones now, or it sees that it was closed.
        if self.in_flight.wary:
            self._must_still_be_open(permit)
        if self._listening:
            permit.started = True
            self.reports.started(permit, message)
        return backend

    def open(
        self,
        message: Message,
        *,
        together: Container[str] = (),
        owner: Owner = NO_OWNER,
    ) -> Delivery:
        """Begin a message whose attempts somebody else makes; ``finish`` it, or drop it.

        Args:
            message: What to send.
            together: Names of the backends by which it may go with other messages.
            owner: Ends it, too, until its turn comes.

        Raises:
            MailError: As ``begin`` does.
        """
        permit = Permit()
        permit.owner = owner
        try:
            self.begin(permit, message, None, self.policy, together=together)
            return self.delivery(permit, message, self.policy, together)
        except BaseException as error:
            permit.over = True
            try:
                self.broken_off(permit, message, error)
            except BaseException:  # struck there: it goes on once more
                self.broken_off(permit, message, error)
                raise
            raise

    def routed(
        self,
        message: Message,
        envelope: Envelope,
        stand_ins: StandIns,
        owner: Owner = NO_OWNER,
    ) -> Delivery:
        """Choose the backends for a message, and count the choice, without beginning it.

        Args:
            message: What to send.
            envelope: Sender and recipients.
            stand_ins: Backends that act for this message in place of those of that name.
            owner: Ends it, too, where ``finish`` is not called.

        Raises:
            MailError: As ``begin`` does.
        """
        self.in_flight.must_be_open()
        permit = Permit()
        permit.owner, permit.envelope = owner, envelope
        permit.route = self.dispatcher.route(message, envelope, stand_ins=stand_ins)
        return self.delivery(permit, message, self.policy)

    def finish(
        self,
        delivery: Delivery,
        step: Try | None = None,
        *,
        sleep: Callable[[float], None] | None = None,
    ) -> Receipt:
        """Send what was opened, and wait; raises what ``run`` raises.

        Args:
            delivery: What was opened.
            step: The step that its plan has given already, if it has.
            sleep: Waits in place of this sender's own.
        """
        permit = delivery.permit
        permit.thread, permit.owner = get_ident(), NO_OWNER
        try:
            self.dispatcher.state.live.add(permit)
            if self.in_flight.wary and (known := self._may_not_go_on(delivery)):
                return known
            receipt = delivery.run(step=step, sleep=sleep)
            self.reports.ended(permit, delivery.message, receipt)
            self.dispatcher.state.live.discard(permit)
            self._latest.append((monotonic(), permit.thread))
        except BaseException as error:
            try:
                self.broken_off(permit, delivery.message, error)
            except BaseException:  # struck there: it goes on once more
                self.broken_off(permit, delivery.message, error)
                raise
            raise
        else:
            return receipt
        finally:
            permit.over = True

    async def afinish(self, delivery: Delivery, step: Try | None = None) -> Receipt:
        """Async version of ``finish``."""
        permit = delivery.permit
        permit.loop, permit.owner = asyncio.get_running_loop(), NO_OWNER
        try:
            if self.in_flight.wary and (known := self._may_not_go_on(delivery)):
                return known
            receipt = await delivery.arun(step=step)
            self.reports.ended(permit, delivery.message, receipt)
            self.dispatcher.state.live.discard(permit)
            if self.in_flight.watched:
                self.in_flight.ended()
        except asyncio.CancelledError:
            raise  # told when it is known what became of the attempt
        except BaseException as error:
            try:
                self.broken_off(permit, delivery.message, error)
            except BaseException:  # struck there: it goes on once more
                self.broken_off(permit, delivery.message, error)
                raise
            raise
        else:
            return receipt
        finally:
            permit.over = not permit.adopted

    def _may_not_go_on(self, delivery: Delivery) -> Receipt | None:
        """Return what is known of a message that may not be tried any more.

        ``None`` when it may.

        Raises:
            ClosedError: When there was no attempt.
            DeliveryError: When no backend accepted it.
        """
        try:
            self.in_flight.must_be_open()
        except ClosedError:
            if not delivery.attempts:
                self.dispatcher.give_back(delivery.permit)
                raise
            end = delivery.leave()
            if isinstance(end, DeliveryError):
                raise end from None
            return end
        return None

    def delivery(
        self,
        permit: Permit,
        message: Message,
        policy: RetryPolicy,
        together: Container[str] = (),
    ) -> Delivery:
        """Make the delivery of a message that does not go the straight way."""
        permit.delivery = delivery = Delivery(
            permit,
            message,
            policy,
            dispatcher=self.dispatcher,
            reports=self.reports,
            timing=self.timing,
            detached=self.in_flight.detached,
            together=together,
        )
        return delivery

    def broken_off(
        self, permit: Permit, message: Message, error: BaseException
    ) -> None:
        """Tell the end of a message whose send raised, unless it was told.

        A signal handler may raise anywhere in the send, here too: called once more, the
        telling goes on with the observer that was struck.
        """
        self._tell_end(permit, message, error)
        self.dispatcher.state.live.discard(permit)

    def _tell_end(self, permit: Permit, message: Message, error: BaseException) -> None:
        reports, answer = self.reports, permit.answer
        if reports.is_told(permit):
            return
        if permit.delivery is not None:
            permit.delivery.broken_off(error)
        elif answer is not None and permit.receipt is None:
            self._judge(permit, message, answer)
        elif permit.receipt is not None:
            reports.ended(permit, message, permit.receipt)
        elif not isinstance(error, MailError) and (permit.sending or permit.started):
            why = f"broken off by {type(error).__name__}"
            unsent = TransientError(f"{why} before an attempt", phase="cancelled")
            lost = UnknownOutcomeError(why, phase="send")
            reports.failed(permit, message, lost if permit.sending else unsent)

    def _judge(self, permit: Permit, message: Message, answer: Answer) -> None:
        """End a message that was broken off between the answer and its counting."""
        recipients = len(permit.envelope.recipients)
        if (
            not isinstance(answer, Receipt)
            or answer.refused
            or len(answer.accepted) < recipients
        ):
            self._begun(permit, message, self.policy).leave(answer)
            return
        now = self._clock()
        took, name = max(0.0, now - permit.began), permit.route.order[0].name
        self.dispatcher.learn(permit, answer, now)  # nothing when it was counted
        receipt = self.dispatcher.receipt(permit, name, answer, recipients, took)
        self.reports.ended(permit, message, receipt)

    def _begun(self, permit: Permit, message: Message, policy: RetryPolicy) -> Delivery:
        """Return the delivery of a message whose first attempt was begun."""
        delivery = self.delivery(permit, message, policy)
        delivery.start()
        return delivery

    def _must_still_be_open(self, permit: Permit) -> None:
        try:
            self.in_flight.must_be_open()
        except ClosedError:
            self.dispatcher.give_back(permit)
            raise

    def _tell_attempt(self, permit: Permit, message: Message, backend: Backend) -> None:
        recipients = len(permit.envelope.recipients)
        self.reports.attempt_started(message, backend.name, recipients)

    def _tell_accepted(
        self, permit: Permit, message: Message, receipt: Receipt
    ) -> None:
        if permit.delivery is None:
            self.reports.attempted(message, receipt.attempts[0])
        self.reports.ended(permit, message, receipt)

    def _policy_after(self, waited: float) -> RetryPolicy:
        left = max(self.policy.timeout - waited, LEAST)
        return replace(self.policy, timeout=left)
