"""What both drivers of many messages do the same way, short of waiting.

What lives here: beginning a message, joining its end to a ``Result``, and the bookkeeping
around a batch. What must not: threads, tasks, sleeping.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from mailbalance.backend import Receipt, Try
from mailbalance.batch import Batching
from mailbalance.bulk.lanes import Member
from mailbalance.bulk.result import Result
from mailbalance.errors import (
    DeliveryError,
    MailError,
    ThrottledError,
    TransientError,
)
from mailbalance.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.backend import Answer
    from mailbalance.bulk.lanes import Batch
    from mailbalance.intake import Sendable
    from mailbalance.mailer import Mailer
    from mailbalance.routing.gate import Pass

#: Bytes of messages that are held at once, whatever their number.
HELD = 64 * 1024 * 1024
#: Messages that are held at once: two of the largest batches.
MOST_HELD = 1000


class Handling:
    """Begins and ends messages for a mailer."""

    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer

    def begin(self, index: int, given: Sendable) -> Member | Result | Message:
        """Begin a message that was given.

        Returns:
            A member; its result when it could not begin; or the message itself when it
            has a key, which is sent by itself, once for each key.

        Raises:
            ClosedError: When the mailer was closed.
        """
        message = None
        try:
            message = self.mailer.take(given)
            if message.key is not None:
                return message
            job = self.mailer.begin(message, together=True)
        except MailError as error:
            self.mailer.under_way.must_be_open()
            return Result(index, message, error=error)
        try:
            return Member(index, message, job, cast("Try", next(job.steps)))
        except DeliveryError as error:
            job.failed(error)
            return Result(index, message, error=error)

    @staticmethod
    def batching(member: Member) -> Batching | None:
        """Give what can take the message together with others, if anything can."""
        step = member.step
        if step.delay or step.probe != "no":
            return None
        backend = step.backend
        if not isinstance(backend, Batching) or backend.lane(member.message) is None:
            return None
        return backend

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

    def called(self, given: Pass, found: Sequence[Answer] | DeliveryError) -> None:
        """Learn from a call, as from one try: what came of the best of its messages."""
        if isinstance(found, DeliveryError):
            told: Answer = found
        else:
            told = next((each for each in found if isinstance(each, Receipt)), found[0])
        self.mailer.traffic.end(given, told, self.mailer.timing.clock())

    @staticmethod
    def answers(batch: Batch, found: Sequence[Answer] | DeliveryError) -> list[Answer]:
        """Give the answer to each message of a batch."""
        number = len(batch.members)
        if isinstance(found, DeliveryError):
            return [copy.copy(found) for _ in range(number)]
        if len(found) != number:  # pragma: no cover - a backend's bug
            raise AssertionError("a batch was not answered one for one")
        return list(found)

    @staticmethod
    def advance(member: Member, answer: Answer) -> Result | None:
        """Hand an answer to a message's plan; give its result, if that was the end."""
        try:
            step = member.job.advance(answer)
        except DeliveryError as error:
            member.job.failed(error)
            return Result(member.index, member.message, error=error)
        if isinstance(step, Try):
            member.step = step
            return None
        member.job.accepted(step)
        return Result(member.index, member.message, step)
