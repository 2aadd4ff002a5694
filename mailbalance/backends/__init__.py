"""One file for each way into a provider: a pure mapping of request and reply.

What lives here: the table of kinds. Each class is imported when it is first needed, so
that nobody waits for a library they do not use. What must not: which backend a message
goes to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from mailbalance.fork_lock import IMPORTING

if TYPE_CHECKING:
    from mailbalance.backend import Backend
    from mailbalance.config import BackendSettings

#: Kind to module and class.
KINDS = {
    "ses+api": ("mailbalance.backends.ses", "SesBackend"),
    "ses+smtp": ("mailbalance.backends.ses_smtp", "SesSmtpBackend"),
    "mailtrap+api": ("mailbalance.backends.mailtrap", "MailtrapBackend"),
    "mailtrap+smtp": ("mailbalance.backends.mailtrap_smtp", "MailtrapSmtpBackend"),
    "memory": ("mailbalance.backends.memory", "MemoryBackend"),
    "console": ("mailbalance.backends.console", "ConsoleBackend"),
}


def make_backend(settings: BackendSettings) -> Backend:
    """Make the backend that the settings describe.

    Raises:
        ConfigError: With every problem in the settings.
    """
    module, name = KINDS[settings.kind]
    with IMPORTING:
        kind = getattr(import_module(module), name)
    return cast("Backend", kind.from_settings(settings))
