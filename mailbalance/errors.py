"""Everything that can go wrong, and what may be done about each.

What lives here: the error tree and its facts. ``delivery.plan()`` reads the facts, never
the class names, so a new error needs no new branch there. What must not: anything that
detects an error; that is the work of ``wire`` and ``backends``.

::

    MailError
    ├── ConfigError          the configuration is wrong; nothing was sent
    ├── ClosedError          the mailer takes no more messages; nothing was sent
    ├── MessageError         the message is wrong; nothing was sent
    │   └── KeyConflictError     its key was used for another message
    └── DeliveryError        an attempt was made
        ├── RejectedError        this message or recipient is refused
        │   └── UnsuitableError  here; another provider may carry it
        ├── ThrottledError       too fast; later is fine
        ├── TransientError       trouble on the way; not accepted
        ├── UnavailableError     this backend cannot be used now
        └── UnknownOutcomeError  it may or may not have been accepted
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailbalance.backend import Attempt, Refusal

__all__ = [
    "ClosedError",
    "ConfigError",
    "DeliveryError",
    "KeyConflictError",
    "MailError",
    "MessageError",
    "RejectedError",
    "ThrottledError",
    "TransientError",
    "UnavailableError",
    "UnknownOutcomeError",
    "UnsuitableError",
]

#: What an error says about the backend's health: nothing, "go slower", "one failure", or
#: "do not use this scope until it is mended".
Health = Literal["never", "slows", "counts", "opens"]

#: What an ``UnavailableError`` is about: this backend, every backend of the same account,
#: or only messages from this sender's domain on this backend.
Scope = Literal["backend", "account", "sender"]


class MailError(Exception):
    """Anything this library raises on purpose."""


class _ProblemsError(MailError):
    """An error that may report several problems at once."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        # The same thing may be wrong for several backends, and is told once.
        found = (
            (problems,) if isinstance(problems, str) else tuple(dict.fromkeys(problems))
        )
        lines = found if len(found) == 1 else [f"- {problem}" for problem in found]
        super().__init__("\n".join(lines))
        self.problems = found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,), self.__dict__


class ConfigError(_ProblemsError):
    """The configuration cannot work; raised before anything is sent.

    All problems found are reported at once, in ``problems``, one sentence each, naming the
    variable or option and the fix. Values are never shown: they may be secrets.
    """


class MessageError(_ProblemsError):
    """The message itself is wrong; raised before any I/O.

    ``problems`` holds one sentence for each fault, naming the field and the fix.
    """


class KeyConflictError(MessageError):
    """The message's key was used for a message with other content; raised before any I/O.

    As a ``MessageError`` it is a mistake of the program, and sending again will not help.
    """


class ClosedError(MailError):
    """The mailer was closed, or its process is stopping; nothing was sent.

    The message is still the caller's: put it back where it came from.
    """


class DeliveryError(MailError):
    """An attempt ended without the provider's acceptance.

    Attributes:
        detail: What happened, in one sentence; may quote the provider's own text.
        backend: Name of the backend that was tried, or ``""``.
        code: The provider's own code (``"550"``, ``"MessageRejected"``, ``"429"``).
        phase: How far the attempt came, for example ``"connect"`` or ``"rcpt"``.
        retry_after: Seconds the provider asked to wait, or ``None``.
        refused: Recipients refused for good, each with the reply to it.
        deferred: Recipients that may be accepted later, each with the last reply to it.
        attempts: Every attempt made for this message, in order; filled by the plan.
        accepted: Recipients that an earlier attempt got accepted: do not send to them
            again. Filled by the plan.
        message_id: The Message-ID header of the message, to look it up by. Filled by the
            mailer.
        mailbalance_id: Our own id of the message, which providers keep as a label beside
            it: SES as the message tag ``mailbalance-id``, Mailtrap as the custom variable
            ``mailbalance_id``. Filled by the mailer.
    """

    #: Empty for most; set where a reply was about recipients one by one.
    deferred: Mapping[str, Refusal] = MappingProxyType({})

    #: May the same backend be asked again for the same message?
    retry_here: ClassVar[bool]
    #: May the next backend be asked for the same message?
    try_next: ClassVar[bool]
    #: What does it say about the backend's health?
    health: ClassVar[Health]
    #: How the attempt ended for the message.
    outcome: ClassVar[Literal["not_accepted", "unknown"]] = "not_accepted"

    def __init__(
        self,
        detail: str,
        *,
        backend: str = "",
        code: str = "",
        phase: str = "",
        retry_after: float | None = None,
        refused: Mapping[str, Refusal] | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.backend = backend
        self.code = code
        self.phase = phase
        self.retry_after = retry_after
        self.refused = dict(refused or {})
        self.attempts = attempts
        self.accepted: tuple[str, ...] = ()
        self.message_id = ""
        self.mailbalance_id = ""

    def __str__(self) -> str:
        where = f"{self.backend}: " if self.backend else ""
        code = f" ({self.code})" if self.code and self.code not in self.detail else ""
        return f"{where}{self.detail}{code}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail), self.__dict__


class RejectedError(DeliveryError):
    """The provider refuses this message, or every recipient of it.

    No other try is made: the same message would be refused again, and a second provider's
    reputation is not there to find out.
    """

    retry_here = False
    try_next = False
    health = "never"


class UnsuitableError(RejectedError):
    """This provider's server cannot carry this message, whatever it says to others.

    Too big for the limit it announced, or in need of an extension it lacks: nothing is
    wrong with the message or the backend, they only do not fit. Another may carry it.
    """

    try_next = True


class ThrottledError(DeliveryError):
    """The provider asks us to slow down; the message was not accepted."""

    retry_here = True
    try_next = True
    health = "slows"


class TransientError(DeliveryError):
    """The message was provably not accepted, for a reason that may pass."""

    retry_here = True
    try_next = True
    health = "counts"


class UnavailableError(DeliveryError):
    """The backend cannot be used until somebody mends it or a quota is renewed.

    Attributes:
        scope: What is unavailable: the ``backend``, its whole ``account``, or this
            message's ``sender`` domain on this backend.
    """

    retry_here = False
    try_next = True
    health = "opens"

    def __init__(self, detail: str, *, scope: Scope = "backend", **rest: Any) -> None:
        super().__init__(detail, **rest)
        self.scope: Scope = scope


class UnknownOutcomeError(DeliveryError):
    """The provider may or may not have accepted the message.

    It is not tried again anywhere unless that was asked for (``unknown="retry"``), because
    a second try could put a second copy into the recipient's mailbox.

    Attributes:
        likely: Which way the evidence points, if any: ``"accepted"`` (a success reply that
            could not be read), ``"not_accepted"`` (a reused connection closed without a
            byte), or ``None``. It is a hint, never proof.
    """

    retry_here = False
    try_next = False
    health = "counts"
    outcome = "unknown"

    def __init__(
        self,
        detail: str,
        *,
        likely: Literal["accepted", "not_accepted"] | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(detail, **rest)
        self.likely = likely


def _rebuild(cls: type[DeliveryError], detail: str) -> DeliveryError:
    """Make an error again on the other side of a pickle; its state follows."""
    return cls(detail)
