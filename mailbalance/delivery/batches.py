"""Which messages travel together, and how each of them begins and ends.

Time is passed in; threads, tasks and sleeping are the drivers'. Each message has its own
route, plan and end, as if it were sent alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbalance.backend import Receipt, Try
from mailbalance.batch import ApartError, Batching
from mailbalance.delivery.order import Held, Result, held_size
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
    from collections.abc import Hashable, Mapping, Sequence

    from mailbalance.backend import Answer, Backend
    from mailbalance.batch import Load, Mail
    from mailbalance.delivery.attempt import Delivery
    from mailbalance.mailer import Mailer, Sendable
    from mailbalance.message import Message
    from mailbalance.routing.admission import Owner, Permit

#: Seconds without another message after which a batch goes as it is, and the seconds
#: after which it goes in any case.
LINGER, LONGEST = 0.05, 1.0


@dataclass(slots=True, eq=False)
class Member(Held):
    """One message that is under way.

    Attributes:
        message: The message.
        delivery: Its own plan, and who is told.
        lanes: Of the backends that take it together with others, by name: with which.
        step: What the plan says to do next.
        due: When that may be done, if it has a delay.
    """

    message: Message
    delivery: Delivery
    lanes: Mapping[str, Hashable]
    step: Try
    due: float = field(default=0.0, init=False)


@dataclass(slots=True, eq=False)
class Batch:
    """Messages that go together.

    Attributes:
        backend: Who takes them.
        batching: The same, as one that takes batches.
        since: When the first came.
        timeout: Seconds that the attempt may take: the least that any of them has.
        latest: When the last came.
        members: Whose messages they are.
        size: Their bytes, at most.
    """

    backend: Backend
    batching: Batching
    since: float
    timeout: float
    latest: float = field(init=False)
    members: list[Member] = field(default_factory=list)
    size: int = 0

    @property
    def mails(self) -> list[Mail]:
        """The messages with their envelopes."""
        return [
            (each.message, each.delivery.envelope(each.step.recipients))
            for each in self.members
        ]

    def add(self, member: Member, size: int, now: float) -> None:
        """Take a message in, of so many bytes at most."""
        self.members.append(member)
        self.size += size
        self.latest = now
        if member.step.timeout < self.timeout:
            self.timeout = member.step.timeout

    def is_due(self, now: float) -> bool:
        """Whether it has waited long enough for more."""
        return now - self.latest >= LINGER or now - self.since >= LONGEST

    def close(self) -> None:
        """Give it up before it went: its messages were never begun."""
        for member in self.members:
            member.delivery.drop()


class Lanes:
    """Gathers messages that may go together.

    Args:
        batching: Who takes several, by name.
    """

    def __init__(self, batching: Mapping[str, Batching]) -> None:
        self._batching = batching
        self._lanes: dict[Hashable, Batch] = {}

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, member: Member, now: float) -> list[Batch]:
        """Take a message in; give the batches that it made full, or did not fit into."""
        step, full = member.step, []
        name = step.backend.name
        batching, key = self._batching[name], (name, member.lanes[name])
        load = batching.load
        size = _counted(member.message, load)
        batch = self._lanes.get(key)
        if batch is not None and batch.size + size > load.size:
            full.append(self._lanes.pop(key))
            batch = None
        if batch is None:
            batch = Batch(step.backend, batching, now, step.timeout)
            self._lanes[key] = batch
        batch.add(member, size, now)
        if len(batch.members) >= load.messages or batch.size >= load.size:
            full.append(self._lanes.pop(key))
        return full

    def due(self, now: float) -> list[Batch]:
        """Give the batches that have waited long enough."""
        keys = [key for key, batch in self._lanes.items() if batch.is_due(now)]
        return [self._lanes.pop(key) for key in keys]

    def flush(self) -> list[Batch]:
        """Give all that is left."""
        left = list(self._lanes.values())
        self._lanes.clear()
        return left


def _counted(message: Message, load: Load) -> int:
    """Give the bytes of a message, at most.

    One that is surely within its share of the load counts as that, unmeasured: as many of
    these as go together fit, and measuring takes longer than all else here.
    """
    share = load.size // load.messages
    return message.size() if message.may_exceed(share) else share


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

    def __init__(self, mailer: Mailer, owner: Owner) -> None:
        self.mailer = mailer
        self.sender = mailer.sender
        self._owner = owner
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
            delivery = self.sender.open(message, together=lanes, owner=self._owner)
        except MailError as error:
            self.sender.in_flight.must_be_open()
            return _ended(index, message, error)
        try:
            try:
                step = delivery.start()
            except DeliveryError as error:
                delivery.failed(error)
                self._close(delivery)
                return _ended(index, message, error)
            member = Member(index, held_size(message), message, delivery, lanes, step)
            if step.delay:
                self._delay(member)
        except BaseException as error:
            # Ended now: what it holds is wanted by others.
            delivery.permit.over = True
            try:
                self.sender.broken_off(delivery.permit, message, error)
            except BaseException:  # struck there: it goes on once more
                self.sender.broken_off(delivery.permit, message, error)
                raise
            raise
        return member

    def drop_waiting(self) -> None:
        """Give up every message that waits for its turn, and tell what is known."""
        for permit in list(self.sender.dispatcher.state.live):
            if permit.owner is self._owner and permit.delivery is not None:
                permit.delivery.drop()

    def _close(self, delivery: Delivery) -> None:
        delivery.permit.over = True
        self.sender.dispatcher.state.live.discard(delivery.permit)

    def step(self, member: Member) -> Try:
        """Give the step that a message is at, with what is left of its delay."""
        step = member.step
        if not step.delay:
            return step
        left = max(0.0, member.due - self.mailer.timing.clock())
        return replace(step, delay=left)

    @staticmethod
    def drop(member: Member) -> None:
        """Give up a message that waited for its next attempt, and tell what is known."""
        member.delivery.drop()

    def call(self, permit: Permit, batch: Batch) -> DeliveryError | None:
        """Fill the permit for the one call that carries a batch, or say why not."""
        now, dispatcher = self.mailer.timing.clock(), self.sender.dispatcher
        facts: dict[str, Any] = {"backend": batch.backend.name, "phase": "pool"}
        permit.thread = get_ident()
        if not dispatcher.call(permit, batch.backend, now):
            return TransientError("it began to cool before their turn came", **facts)
        if permit.delay + self.sender.policy.reserve <= batch.timeout:
            return None
        dispatcher.give_back(permit)
        why = "no room for another call before the time-out"
        return ThrottledError(why, retry_after=permit.delay, **facts)

    def trying(self, batch: Batch) -> None:
        """Tell that the messages of a batch are about to be handed to its backend."""
        for member in batch.members:
            member.delivery.trying(member.step)

    @staticmethod
    def refused(batch: Batch, error: DeliveryError) -> list[Answer | None]:
        """Give one answer to each message of a batch."""
        return [copy.copy(error) for _ in batch.members]

    def answers(
        self, batch: Batch, permit: Permit, found: Found
    ) -> list[Answer | None]:
        """Learn from a call; give the answer to each message, ``None`` if it has none.

        Health and limits learn as from one try, by what says most of the backend.
        """
        dispatcher, now = self.sender.dispatcher, self.mailer.timing.clock()
        # A refusal of one message alone means it.
        several = isinstance(found, RejectedError) and len(batch.members) > 1
        if several or isinstance(found, MessageError | ApartError):
            dispatcher.give_back(
                permit
            )  # each goes alone, where it learns whether it is meant
            return [None] * len(batch.members)
        if not isinstance(found, DeliveryError) and len(found) != len(batch.members):
            why = f"{len(batch.members)} messages got {len(found)} answers"
            facts: dict[str, Any] = {"backend": batch.backend.name, "phase": "reply"}
            found = UnknownOutcomeError(why, **facts)
        if isinstance(found, DeliveryError):
            dispatcher.learn(permit, found, now)
            return self.refused(batch, found)
        dispatcher.learn(permit, _telling(found), now)
        return list(found)

    def broken_off(self, batch: Batch, error: BaseException) -> None:
        """End messages whose batch something from outside has ended."""
        for member in batch.members:
            member.delivery.permit.sending = True
            member.delivery.broken_off(error)
            self._close(member.delivery)
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
                member.delivery.failed(error)
                self._close(member.delivery)
                member.result = _failed(member, error)
            except BaseException as error:  # noqa: BLE001 - raised where it is asked
                self._close(member.delivery)
                member.result = error
        return [member for member in batch.members if member.result is None]

    def _advance(self, member: Member, answer: Answer | None) -> None:
        delivery = member.delivery
        step = delivery.alone() if answer is None else delivery.advance(answer)
        if isinstance(step, Try):
            member.step = step
            self._delay(member)
            return
        delivery.accepted(step)
        self._close(delivery)
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
