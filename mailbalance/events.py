"""Facts about sending, told to observers as they happen.

What lives here: the frozen facts, the ``Observer`` protocol, and the observer that writes
them to the log. What must not: anything that changes the course; observers are told, never
asked.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.backend import Attempt, Receipt
    from mailbalance.errors import DeliveryError, Scope

logger = logging.getLogger("mailbalance")

#: Whether a record of ours is being handled, in this thread or task or one that it began.
_handled: ContextVar[bool] = ContextVar("mailbalance_record_handled", default=False)


@dataclass(slots=True)
class MessageStarted:
    """A delivery begins: its backends are chosen, and none of them was asked yet.

    Attributes:
        key: The message's key, or ``None``.
        message_id: The message's Message-ID header.
        mailbalance_id: Our own id of the message.
        recipients: How many it is for.
    """

    key: str | None
    message_id: str
    mailbalance_id: str
    recipients: int


@dataclass(slots=True)
class AttemptStarted:
    """One attempt begins: from here on the backend may accept the message.

    A record of what may have been sent must be made now, before it is known.

    Attributes:
        key: The message's key, or ``None``.
        message_id: The message's Message-ID header.
        backend: Name of the backend that gets it.
        mailbalance_id: Our own id of the message.
        recipients: How many the attempt is for.
    """

    key: str | None
    message_id: str
    backend: str
    mailbalance_id: str
    recipients: int


@dataclass(slots=True)
class Attempted:
    """One attempt ended.

    Attributes:
        key: The message's key, or ``None``.
        message_id: The message's Message-ID header.
        attempt: What came of it.
        detached: Whether the caller had gone (was cancelled) before it ended.
    """

    key: str | None
    message_id: str
    attempt: Attempt
    detached: bool = False


@dataclass(slots=True)
class Accepted:
    """A message was accepted, for all or some of its recipients."""

    key: str | None
    receipt: Receipt


@dataclass(slots=True)
class GaveUp:
    """A message was not accepted, or nobody can know.

    ``error`` is what the caller got, or would have got had it not been cancelled.
    """

    key: str | None
    message_id: str
    error: DeliveryError


@dataclass(slots=True)
class HealthChanged:
    """A backend, an account or a sender became fit or unfit to carry mail.

    Attributes:
        scope: What changed: a backend, all backends of an account, or the messages of one
            sender's domain on one backend.
        name: Its name; for a sender, the backend's name and the domain.
        state: ``"cooling"``: out until its rest is over; ``"probing"``: one message at a
            time finds out whether it is well; ``"healthy"``: back at its share.
        reason: Why, in words; ``""`` when it is healthy.
        code: The provider's own code for it, or ``""``.
        rest: Seconds until it is probed; 0 unless it is cooling.
    """

    scope: Scope
    name: str
    state: Literal["healthy", "cooling", "probing"]
    reason: str = ""
    code: str = ""
    rest: float = 0.0


Event: TypeAlias = (
    MessageStarted | AttemptStarted | Attempted | Accepted | GaveUp | HealthChanged
)


class Observer(Protocol):
    """Anything that can be called with an event.

    It is called in the thread or task that sends, so it should be quick. What it raises is
    logged and goes no further: a broken metric must not lose a message.
    """

    def __call__(self, event: Event, /) -> None:
        """Take note of one event."""
        ...


def tell(observers: Sequence[Observer], event: Event) -> None:
    """Tell every observer, whatever some of them raise."""
    for observer in observers:
        try:
            observer(event)
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            name = type(event).__name__
            write(logging.ERROR, "an observer failed on %s", name, failed=True)


def write(level: int, text: str, *args: object, failed: bool = False) -> None:
    """Write a record, unless one is just being handled.

    A handler may mail what it is given (Django's AdminEmailHandler does). Were that mail's
    own trouble logged, it would be mailed again, for ever while the provider is down.

    Args:
        level: Of the record.
        text: With places for ``args``.
        args: What goes there.
        failed: Whether the exception at hand belongs to it.
    """
    if not logger.isEnabledFor(level) or _handled.get():
        return
    # A copy needs no undoing, which an exception of a signal's handler could prevent.
    context = copy_context()
    context.run(_handled.set, True)
    context.run(logger.log, level, text, *args, exc_info=failed, stacklevel=2)


def log(event: Event) -> None:
    """Write an event to the ``mailbalance`` logger: ids and counts, never addresses.

    An attempt that failed or ended unknown, a message nobody accepted, and a backend that
    begins to cool are warnings. An attempt is written down when it has ended. What a
    handler of such a record sends itself is not written.
    """
    if isinstance(event, MessageStarted | AttemptStarted):
        return
    if isinstance(event, HealthChanged):
        _log_health(event)
    elif isinstance(event, Attempted):
        attempt = event.attempt
        fine = attempt.outcome == "accepted" and not event.detached
        level = logging.DEBUG if fine else logging.WARNING
        if not logger.isEnabledFor(level):
            return
        write(
            level,
            "%s by %s in %.3f s: message %s, phase %s, code %s%s",
            attempt.outcome, attempt.backend, attempt.duration, event.message_id,
            attempt.phase or "-", attempt.code or "-",
            ", its caller had gone" if event.detached else "",
        )  # fmt: skip
    elif isinstance(event, Accepted):
        if not logger.isEnabledFor(logging.INFO):
            return
        receipt = event.receipt
        write(
            logging.INFO,
            "message %s %s by %s after %d attempts, %d recipients refused",
            receipt.message_id, receipt.outcome, receipt.backend,
            len(receipt.attempts), len(receipt.refused),
        )  # fmt: skip
    else:
        write(
            logging.WARNING,
            "message %s: %s after %d attempts, last by %s (code %s)",
            event.message_id, event.error.outcome, len(event.error.attempts),
            event.error.backend or "-", event.error.code or "-",
        )  # fmt: skip


def _log_health(event: HealthChanged) -> None:
    where = f"{event.scope} {event.name}"
    if event.state == "cooling":
        write(
            logging.WARNING,
            "%s is left alone for %.0f s: %s (code %s)",
            where, event.rest, event.reason, event.code or "-",
        )  # fmt: skip
    elif event.state == "probing":
        write(logging.INFO, "%s is probed: %s", where, event.reason)
    else:
        write(logging.INFO, "%s is healthy again", where)
