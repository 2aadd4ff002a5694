"""The words in which a message's journey is told: Backend, Try, Attempt, Receipt, Limits.

What lives here: the ``Backend`` protocol and the frozen values that pass between mailer,
plan and backends. What must not: any provider's knowledge, any decision, any I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from mailbalance.errors import DeliveryError
from mailbalance.frozen import FrozenDict
from mailbalance.swift import swift

if TYPE_CHECKING:
    from datetime import date

    from mailbalance.message import Envelope, Message

#: What a rate counts.
Unit = Literal["messages", "recipients", "requests"]
#: How an attempt, or a whole send, ended (DESIGN: outcomes).
Outcome = Literal["accepted", "partial", "not_accepted", "unknown"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider's reply to one recipient that it did not accept.

    Attributes:
        code: The SMTP reply code, or 0 where the provider gives none.
        text: The rest of the reply, enhanced status code included.
        passing: Whether it is known to be about something else than the recipient,
            whatever its code says: how fast we send, or the sender.
    """

    code: int
    text: str
    passing: bool = field(default=False, repr=False)

    @property
    def temporary(self) -> bool:
        """Whether the same recipient may be accepted later (RFC 5321 section 4.2.1)."""
        return self.passing or 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code else self.text


@swift
@dataclass(frozen=True, slots=True)
class Attempt:
    """The record of one try.

    Attributes:
        backend: Name of the backend that was asked.
        outcome: How it ended.
        phase: How far it came: ``"reply"`` when the provider answered in full.
        code: The provider's own code, or ``""``.
        detail: What happened, in words; ``""`` when accepted.
        duration: Seconds it took.
        recipients: How many recipients it was for.
    """

    backend: str
    outcome: Outcome
    phase: str
    code: str
    detail: str
    duration: float
    recipients: int

    @classmethod
    def of(
        cls, backend: str, answer: Receipt | DeliveryError, recipients: int, took: float
    ) -> Attempt:
        """Record what a backend answered after ``took`` seconds."""
        if isinstance(answer, DeliveryError):
            phase, code, detail = answer.phase, answer.code, answer.detail
            return cls(backend, answer.outcome, phase, code, detail, took, recipients)
        return cls(backend, answer.outcome, "reply", "", "", took, recipients)


@swift
@dataclass(frozen=True, slots=True)
class Receipt:
    """What the caller gets for a message that a provider accepted.

    Accepted means that the provider took responsibility for it, not that it was delivered.

    Attributes:
        outcome: ``"accepted"``, or ``"partial"`` when some recipients were refused.
        backend: Name of the backend that carried it (the last one, if several did).
        provider_ids: The provider's ids: one for SES, one for each recipient for
            Mailtrap's API, possibly none over SMTP.
        message_id: The Message-ID header we gave it, with angle brackets. SES replaces it.
        accepted: Recipients that were accepted.
        refused: Recipients that were not, each with the reply.
        attempts: Every attempt, in order.
        assigned: Name of the backend that the split chose.
        forced: Whether the split had less than its full choice for this message.
        possible_duplicate: Whether an earlier attempt had an unknown outcome.
    """

    outcome: Literal["accepted", "partial"]
    backend: str
    provider_ids: tuple[str, ...] = ()
    message_id: str = ""
    accepted: tuple[str, ...] = ()
    refused: Mapping[str, Refusal] = FrozenDict()
    attempts: tuple[Attempt, ...] = ()
    assigned: str = ""
    forced: bool = False
    possible_duplicate: bool = False


#: What one attempt came to.
Answer: TypeAlias = Receipt | DeliveryError


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages, recipients or requests in any stretch of so many seconds.

    Attributes:
        count: How many.
        period: The stretch, in seconds.
        unit: What is counted. A message sent by itself is one request; several that go
            together are one request too.
        shared: Whether the backend alone has it, or all backends of its account together.
        used: How many were spent in the stretch up to now when the provider told it, by
            whomever; 0 for a limit that is configured or published.
    """

    count: int
    period: float
    unit: Unit = "messages"
    shared: Literal["backend", "account"] = "backend"
    used: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a backend can carry: a provider's published limits, with where and when read.

    Attributes:
        size: Bytes of the whole message, as the provider counts them.
        recipients: Recipients in one message.
        source: The provider's page the figures come from.
        checked: The day they were read.
        rates: How fast this process may send: published for the provider's own host, or
            configured; divided by the number of processes that share them.
        concurrency: Messages at once in this process, or ``None`` for no limit.
    """

    size: int
    recipients: int
    source: str
    checked: date
    rates: tuple[Rate, ...] = ()
    concurrency: int | None = None


@runtime_checkable
class Backend(Protocol):
    """One configured way to send.

    ``send`` and ``asend`` are thin: build the request (pure), hand it to the wire, judge
    the reply (pure). They return a ``Receipt`` or raise a ``DeliveryError``; anything else
    that escapes is a bug. Both may be called from many threads and tasks at once.
    """

    @property
    def name(self) -> str:
        """Its name in the split, in receipts and in errors."""
        ...

    @property
    def account(self) -> str:
        """Quotas and pauses belong to an account; two backends may share one."""
        ...

    @property
    def limits(self) -> Limits:
        """What it can carry."""
        ...

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Say why this backend cannot carry the message, or ``None`` when it can.

        Pure and cheap: called before every pick.
        """
        ...

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Show the exact request it would send, with secrets masked and nothing sent."""
        ...

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Make one attempt, and no more, for the recipients of ``envelope``.

        Args:
            message: What to send.
            envelope: Who it goes to in this try, and who it comes from.
            timeout: Seconds for the whole attempt.

        Raises:
            DeliveryError: When the provider did not accept it, or may not have.
        """
        ...

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Do as ``send`` does, without blocking the event loop."""
        ...

    def close(self) -> None:
        """Close what sync sends opened."""
        ...

    async def aclose(self) -> None:
        """Close what async sends opened in the running event loop."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A backend that can ask its provider something without sending anything.

    Optional: without it, a backend that failed is tried again with a message.

    Attributes:
        learns: Whether a probe tells limits, and is wanted for that (``rate=auto``).
    """

    learns: bool

    def probe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Find out whether the provider answers, and what it says of our limits.

        Args:
            timeout: Seconds for all of it.

        Raises:
            DeliveryError: When it cannot be reached or refuses our credentials; never an
                ``UnknownOutcomeError``, since nothing was sent.
        """
        ...

    async def aprobe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Do as ``probe`` does, without blocking the event loop."""
        ...


@swift
@dataclass(frozen=True, slots=True)
class Try:
    """The plan's instruction: ask this backend, for these recipients, after this delay.

    Attributes:
        backend: Which backend to ask.
        recipients: Who this try is for.
        delay: Seconds to wait before it.
        timeout: Seconds that the attempt itself may take.
        probe: Whether to probe it first, and what a probe that fails means: ``"must"``
            ends the try before the message is spent on a host that does not answer,
            ``"may"`` is only for the limits it could tell.
        together: Whether it may go in one call with other messages.
    """

    backend: Backend
    recipients: tuple[str, ...]
    delay: float
    timeout: float
    probe: Literal["no", "must", "may"] = "no"
    together: bool = False
