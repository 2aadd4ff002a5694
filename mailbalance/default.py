"""The default mailer behind ``mailbalance.send()`` and ``mailbalance.asend()``.

What lives here: the one global of the library, made lazily from the environment. What
must not: anything a ``Mailer`` of one's own could not do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from mailbalance.fork_lock import ForkLock
from mailbalance.mailer import Mailer
from mailbalance.message import Envelope, Fields

if TYPE_CHECKING:
    from mailbalance.backend import Receipt
    from mailbalance.intake import Sendable

_default: Mailer | None = None
_default_lock = ForkLock()


class Options(Fields, total=False):
    """What ``send`` takes beside the message: its fields, and how to send it."""

    via: str | None
    envelope: Envelope | None


def default_mailer() -> Mailer:
    """Give the mailer behind ``mailbalance.send``, made from the environment at first use.

    Raises:
        ConfigError: As ``Mailer.from_env`` does.
    """
    global _default  # noqa: PLW0603 - the one lazily made default of the library
    if _default is None:
        with _default_lock.held():
            if _default is None:
                _default = Mailer.from_env()
    return _default


def replace_default(mailer: Mailer | None) -> Mailer | None:
    """Put another default mailer in place, or none; give back the one before it."""
    global _default
    with _default_lock.held():
        before, _default = _default, mailer
    return before


def send(message: Sendable | None = None, /, **options: Unpack[Options]) -> Receipt:
    """Send one message through the default mailer; see ``Mailer.send``."""
    return default_mailer().send(message, **options)


async def asend(
    message: Sendable | None = None, /, **options: Unpack[Options]
) -> Receipt:
    """Send one message through the default mailer; see ``Mailer.asend``."""
    return await default_mailer().asend(message, **options)
