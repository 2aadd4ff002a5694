"""One send() for Amazon SES and Mailtrap, by API or SMTP, split exactly by weight.

The public names, loaded when they are first used: a bare ``import mailbalance`` costs
next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbalance.backend import (
        Attempt,
        Backend,
        Limits,
        Probing,
        Rate,
        Receipt,
        Refusal,
    )
    from mailbalance.backends.console import ConsoleBackend
    from mailbalance.backends.mailtrap import MailtrapBackend
    from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
    from mailbalance.backends.memory import MemoryBackend
    from mailbalance.backends.ses import SesBackend
    from mailbalance.backends.ses_smtp import SesSmtpBackend
    from mailbalance.batch import Batching, Load
    from mailbalance.default import asend, send
    from mailbalance.delivery.key_store import KeyStore, MemoryKeys
    from mailbalance.delivery.order import Result
    from mailbalance.delivery.retry import RetryPolicy
    from mailbalance.delivery.shutdown import Stopping, stop_on
    from mailbalance.errors import (
        ClosedError,
        ConfigError,
        DeliveryError,
        KeyConflictError,
        MailError,
        MessageError,
        RejectedError,
        ThrottledError,
        TransientError,
        UnavailableError,
        UnknownOutcomeError,
        UnsuitableError,
    )
    from mailbalance.events import (
        Accepted,
        Attempted,
        AttemptStarted,
        Event,
        GaveUp,
        HealthChanged,
        MessageStarted,
        Observer,
    )
    from mailbalance.mailer import Mailer
    from mailbalance.message import Address, Attachment, Envelope, Message
    from mailbalance.routing import BackendStatus, RateStatus, Route, Share

__version__ = "0.1.0"

_HOMES = {
    "mailbalance.backend": (
        "Attempt",
        "Backend",
        "Limits",
        "Probing",
        "Rate",
        "Receipt",
        "Refusal",
    ),
    "mailbalance.backends.console": ("ConsoleBackend",),
    "mailbalance.backends.mailtrap": ("MailtrapBackend",),
    "mailbalance.backends.mailtrap_smtp": ("MailtrapSmtpBackend",),
    "mailbalance.backends.memory": ("MemoryBackend",),
    "mailbalance.backends.ses": ("SesBackend",),
    "mailbalance.backends.ses_smtp": ("SesSmtpBackend",),
    "mailbalance.default": ("asend", "send"),
    "mailbalance.delivery.retry": ("RetryPolicy",),
    "mailbalance.errors": (
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
    ),
    "mailbalance.batch": ("Batching", "Load"),
    "mailbalance.delivery.order": ("Result",),
    "mailbalance.events": (
        "Accepted",
        "Attempted",
        "Event",
        "GaveUp",
        "HealthChanged",
        "Observer",
        "AttemptStarted",
        "MessageStarted",
    ),
    "mailbalance.delivery.key_store": ("KeyStore", "MemoryKeys"),
    "mailbalance.mailer": ("Mailer",),
    "mailbalance.message": ("Address", "Attachment", "Envelope", "Message"),
    "mailbalance.routing": ("BackendStatus", "RateStatus", "Route", "Share"),
    "mailbalance.delivery.shutdown": ("Stopping", "stop_on"),
}
#: Modules that people reach as attributes.
_MODULES = frozenset({"dropin", "sandbox", "testing"})
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Accepted",
    "Address",
    "Attachment",
    "Attempt",
    "AttemptStarted",
    "Attempted",
    "Backend",
    "BackendStatus",
    "Batching",
    "ClosedError",
    "ConfigError",
    "ConsoleBackend",
    "DeliveryError",
    "Envelope",
    "Event",
    "GaveUp",
    "HealthChanged",
    "KeyConflictError",
    "KeyStore",
    "Limits",
    "Load",
    "MailError",
    "Mailer",
    "MailtrapBackend",
    "MailtrapSmtpBackend",
    "MemoryBackend",
    "MemoryKeys",
    "Message",
    "MessageError",
    "MessageStarted",
    "Observer",
    "Probing",
    "Rate",
    "RateStatus",
    "Receipt",
    "Refusal",
    "RejectedError",
    "Result",
    "RetryPolicy",
    "Route",
    "SesBackend",
    "SesSmtpBackend",
    "Share",
    "Stopping",
    "ThrottledError",
    "TransientError",
    "UnavailableError",
    "UnknownOutcomeError",
    "UnsuitableError",
    "asend",
    "send",
    "stop_on",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562)."""
    if name not in _MODULES and name not in _HOME:
        raise AttributeError(f"module 'mailbalance' has no attribute {name!r}")
    from mailbalance.fork_lock import IMPORTING

    with IMPORTING:
        if name in _MODULES:
            return import_module(f"mailbalance.{name}")
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
