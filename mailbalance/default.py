"""The default mailer behind ``mailbalance.send()`` and ``mailbalance.asend()``.

What lives here: the one global of the library, made lazily from the environment. What
must not: anything a ``Mailer`` of one's own could not do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from mailbalance.errors import ConfigError
from mailbalance.fork_lock import IMPORTING, ForkLock
from mailbalance.mailer import Mailer
from mailbalance.message import Envelope, Fields
from mailbalance.secret import hidden, hushed

if TYPE_CHECKING:
    from mailbalance.backend import Receipt
    from mailbalance.mailer import Sendable

_default: Mailer | None = None
_for_clients: Mailer | None = None
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


def mailer_for_clients() -> Mailer:
    """Return the default mailer, or one like it that needs no settings of SES.

    For callers with an SES client of their own, which is the SES side. ``send`` goes on
    raising ``ConfigError`` where SES is not configured.

    Raises:
        ConfigError: As ``Mailer.from_env`` does, but for what SES's backends lack.
    """
    made = _default or _for_clients
    if made is not None:
        return made
    try:
        return default_mailer()
    except ConfigError:
        return _make_for_clients()


@hushed
def _make_for_clients() -> Mailer:
    global _for_clients  # noqa: PLW0603 - made lazily beside the default mailer
    with IMPORTING:
        from mailbalance import assembly
        from mailbalance.config import read_settings
    with _default_lock.held():
        if _for_clients is None:
            settings = read_settings(hidden(None))
            # They may lack a region, as those that carry nothing may.
            backends = (
                replace(each, idle=True) if each.kind.startswith("ses") else each
                for each in settings.backends
            )
            settings = replace(settings, backends=tuple(backends))
            _for_clients = assembly.make_mailer(Mailer, settings)
        return _for_clients


def replace_default(mailer: Mailer | None) -> Mailer | None:
    """Put another default mailer in place, or none; give back the one before it."""
    global _default, _for_clients
    with _default_lock.held():
        before, _default = _default, mailer
        ended, _for_clients = _for_clients, None
    if ended is not None:
        ended.close()
    return before


def send(message: Sendable | None = None, /, **options: Unpack[Options]) -> Receipt:
    """Send one message through the default mailer; see ``Mailer.send``."""
    return default_mailer().send(message, **options)


async def asend(
    message: Sendable | None = None, /, **options: Unpack[Options]
) -> Receipt:
    """Send one message through the default mailer; see ``Mailer.asend``."""
    return await default_mailer().asend(message, **options)
