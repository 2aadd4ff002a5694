"""What both drivers of many messages do the same way, short of waiting.

What lives here: beginning a message, joining its end to a ``Result``, and the bookkeeping
around a batch. What must not: threads, tasks, sleeping.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mailbalance.backend import Receipt, Try
from mailbalance.batch import ApartError, Batching
from mailbalance.bulk.lanes import Member
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
from mailbalance.message import Message

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from mailbalance.backend import Answer
    from mailbalance.bulk.lanes import Batch
    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer
    from mailbalance.routing.gate import Pass

#: What was begun; its result, if it ended at once; or a message with a key, which is sent
#: by itself, once for each key.
Begun: TypeAlias = "Member | Result | Message"
#: What came of a call: an answer to each message, or one to all of them.
Found: TypeAlias = "Sequence[Answer] | DeliveryError | MessageError | ApartError"


class Handling:
    """Begins and ends messages for a mailer."""

    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer
        self._batching = {
            name: backend
            for name, backend in mailer.backends.items()
            if isinstance(backend, Batching)
        }

    def begin(self, index: int, given: Sendable) -> Begun:
        """Begin a message that was given.

        Raises:
            ClosedError: When the mailer was closed.
        """
        message = None
        try:
            message = self.mailer.take(given)
            if message.key is not None:
                return message
            job = self.mailer.begin(message, together=self._together(message))
        except MailError as error:
            self.mailer.under_way.must_be_open()
            return Result(index, message, error=error)
        member = Member(index, message, job)
        try:
            member.take(cast("Try", next(job.steps)), self.mailer.timing.clock())
        except DeliveryError as error:
            job.failed(error)
            return Result(index, message, error=error)
        return member

    def batching(self, member: Member) -> Batching | None:
        """Give what takes the message together with others, if it may go so."""
        step = member.step
        return self._batching[step.backend.name] if step.together else None

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

    @staticmethod
    def refused(batch: Batch, error: DeliveryError) -> list[Answer | None]:
        """Give one answer to each message of a batch."""
        return [copy.copy(error) for _ in batch.members]

    def answers(self, batch: Batch, given: Pass, found: Found) -> list[Answer | None]:
        """Learn from a call; give the answer to each message, ``None`` if it has none.

        Health and limits learn as from one try, by what says most of the backend.
        """
        traffic, now = self.mailer.traffic, self.mailer.timing.clock()
        if isinstance(found, MessageError | ApartError | RejectedError):
            traffic.undo(given)  # each goes alone, where it learns whether it is meant
            return [None] * len(batch.members)
        if not isinstance(found, DeliveryError) and len(found) != len(batch.members):
            why = f"{len(batch.members)} messages got {len(found)} answers"
            facts: dict[str, Any] = {"backend": batch.backend.name, "phase": "reply"}
            found = UnknownOutcomeError(why, **facts)
        if isinstance(found, DeliveryError):
            traffic.end(given, found, now)
            return self.refused(batch, found)
        traffic.end(given, min(found, key=_says_less), now)
        return list(found)

    @staticmethod
    def broken_off(member: Member, error: BaseException) -> Result | BaseException:
        """End a message whose batch something from outside has ended."""
        member.job.broken_off(error)
        member.job.steps.close()
        if isinstance(error, MailError):
            return Result(member.index, member.message, error=error)
        return error

    def advance(self, member: Member, answer: Answer | None) -> Result | None:
        """Hand an answer to a message's plan; give its result, if that was the end."""
        try:
            step = member.job.advance(answer) if answer else member.job.alone()
        except DeliveryError as error:
            member.job.failed(error)
            return Result(member.index, member.message, error=error)
        if isinstance(step, Try):
            member.take(step, self.mailer.timing.clock())
            return None
        member.job.accepted(step)
        return Result(member.index, member.message, step)

    def _together(self, message: Message) -> Container[str]:
        """Name the backends that take this message together with others."""
        return [
            name
            for name, backend in self._batching.items()
            if backend.lane(message) is not None
        ]


def _says_less(answer: Answer) -> int:
    """Rank the answers of one call: "slow down", then "well done", then the others."""
    if isinstance(answer, Receipt):
        return 1
    stopped = isinstance(answer, UnavailableError) and answer.scope == "account"
    return 0 if stopped or answer.health == "slows" else 2
