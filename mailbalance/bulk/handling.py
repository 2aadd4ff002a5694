"""What both drivers of many messages do the same way, short of waiting.

What lives here: beginning a message, joining its end to a ``Result``, and the bookkeeping
around a batch. What must not: threads, tasks, sleeping.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mailbalance import events
from mailbalance.backend import Receipt, Try
from mailbalance.batch import ApartError, Batching
from mailbalance.bulk.lanes import Member
from mailbalance.bulk.order import Held, held_size
from mailbalance.bulk.result import Result
from mailbalance.errors import (
    DeliveryError,
    MailError,
    MessageError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from mailbalance.backend import Answer
    from mailbalance.bulk.lanes import Batch
    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer
    from mailbalance.message import Message
    from mailbalance.routing.gate import Pass

#: What came of a call: an answer to each message, or one to all of them.
Found: TypeAlias = "Sequence[Answer] | DeliveryError | MessageError | ApartError"


@dataclass(slots=True, eq=False)
class Keyed(Held):
    """A message with a key, which is sent by itself, once for each key."""

    message: Message


class Handling:
    """Begins and ends messages for a mailer.

    Attributes:
        mailer: Whose.
        batching: Its backends that take several messages in one go, by name.
    """

    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer
        self.batching = {
            name: backend
            for name, backend in mailer.backends.items()
            if isinstance(backend, Batching)
        }

    def begin(self, index: int, given: Sendable) -> Held:
        """Begin a message that was given; it has its result if it ended at once.

        Raises:
            ClosedError: When the mailer was closed.
        """
        message = None
        try:
            message = self.mailer.take(given)
            if message.key is not None:
                return Keyed(index, held_size(message), message)
            lanes = self._lanes(message)
            job = self.mailer.begin(message, together=lanes)
        except MailError as error:
            self.mailer.under_way.must_be_open()
            return _ended(index, message, error)
        try:
            step = cast("Try", next(job.steps))
        except DeliveryError as error:
            job.failed(error)
            return _ended(index, message, error)
        member = Member(index, held_size(message), message, job, lanes, step)
        if step.delay:
            self._delay(member)
        return member

    def step(self, member: Member) -> Try:
        """Give the step that a message is at, with what is left of its delay."""
        step = member.step
        if not step.delay:
            return step
        left = max(0.0, member.due - self.mailer.timing.clock())
        return replace(step, delay=left)

    @staticmethod
    def drop(member: Member) -> None:
        """Give up a message that waited for its next try; what is known of it is told."""
        if member.job.attempts:
            member.job.leave()
        else:
            member.job.steps.close()

    def call(self, batch: Batch) -> Pass | DeliveryError:
        """Take the pass for the one call that carries a batch, or say why not."""
        now = self.mailer.timing.clock()
        given = self.mailer.traffic.call(batch.backend, now)
        facts: dict[str, Any] = {"backend": batch.backend.name, "phase": "pool"}
        if given is None:
            return TransientError("it began to cool before their turn came", **facts)
        if given.delay + self.mailer.policy.reserve <= batch.timeout:
            return given
        self.mailer.traffic.undo(given)
        why = "no room for another call before the time-out"
        return ThrottledError(why, retry_after=given.delay, **facts)

    def trying(self, batch: Batch) -> None:
        """Tell that the messages of a batch are about to be handed to its backend."""
        if not events.in_vain(self.mailer.observers, logging.DEBUG):
            for member in batch.members:
                member.job.trying(member.step)

    @staticmethod
    def refused(batch: Batch, error: DeliveryError) -> list[Answer | None]:
        """Give one answer to each message of a batch."""
        return [copy.copy(error) for _ in batch.members]

    def answers(self, batch: Batch, given: Pass, found: Found) -> list[Answer | None]:
        """Learn from a call; give the answer to each message, ``None`` if it has none.

        Health and limits learn as from one try, by what says most of the backend.
        """
        traffic, now = self.mailer.traffic, self.mailer.timing.clock()
        # A refusal of one message alone means it.
        several = isinstance(found, RejectedError) and len(batch.members) > 1
        if several or isinstance(found, MessageError | ApartError):
            traffic.undo(given)  # each goes alone, where it learns whether it is meant
            return [None] * len(batch.members)
        if not isinstance(found, DeliveryError) and len(found) != len(batch.members):
            why = f"{len(batch.members)} messages got {len(found)} answers"
            facts: dict[str, Any] = {"backend": batch.backend.name, "phase": "reply"}
            found = UnknownOutcomeError(why, **facts)
        if isinstance(found, DeliveryError):
            traffic.end(given, found, now)
            return self.refused(batch, found)
        traffic.end(given, _telling(found), now)
        return list(found)

    @staticmethod
    def broken_off(batch: Batch, error: BaseException) -> None:
        """End messages whose batch something from outside has ended."""
        for member in batch.members:
            member.job.broken_off(error)
            member.job.steps.close()
            if isinstance(error, MailError):
                member.result = _failed(member, error)
            else:
                member.result = error

    def advance(self, batch: Batch, answers: Sequence[Answer | None]) -> list[Member]:
        """Hand each answer to its message's plan; give the messages that go on.

        The others have their results then.
        """
        for member, answer in zip(batch.members, answers, strict=True):
            try:
                self._advance(member, answer)
            except DeliveryError as error:
                member.job.failed(error)
                member.result = _failed(member, error)
            except BaseException as error:  # noqa: BLE001 - raised where it is asked
                member.result = error
        return [member for member in batch.members if member.result is None]

    def _advance(self, member: Member, answer: Answer | None) -> None:
        job = member.job
        step = job.alone() if answer is None else job.advance(answer)
        if isinstance(step, Try):
            member.step = step
            self._delay(member)
            return
        job.accepted(step)
        member.result = Result(member.index, member.message, step)

    def _lanes(self, message: Message) -> dict[str, Hashable]:
        """Name the backends that take this message together with others: with which."""
        lanes = {}
        for name, backend in self.batching.items():
            lane = backend.lane(message)
            if lane is not None:
                lanes[name] = lane
        return lanes

    def _delay(self, member: Member) -> None:
        member.due = self.mailer.timing.clock() + member.step.delay


def _failed(member: Member, error: MailError) -> Result:
    return Result(member.index, member.message, error=error)


def _ended(index: int, message: Message | None, error: MailError) -> Held:
    held = Held(index, 0 if message is None else held_size(message))
    held.result = Result(index, message, error=error)
    return held


def _telling(answers: Sequence[Answer]) -> Answer:
    """Give the answer that says most of the backend.

    That is "slow down" or "the account is stopped", then "well done", then any other.
    """
    errors = [each for each in answers if isinstance(each, DeliveryError)]
    for error in errors:
        stopped = isinstance(error, UnavailableError) and error.scope == "account"
        if stopped or error.health == "slows":
            return error
    if len(errors) == len(answers):
        return errors[0]
    return next(each for each in answers if isinstance(each, Receipt))
