"""Which mailer carries the calls of an attached client that was given none."""

from __future__ import annotations

from mailbalance import default
from mailbalance.dropin.errors import NotConfiguredError
from mailbalance.errors import ConfigError
from mailbalance.mailer import Mailer


def mailer_for_clients() -> Mailer:
    """Return the default mailer, or one that needs no settings of SES.

    Raises:
        NotConfiguredError: When the split, or a backend other than SES, is not configured.
    """
    try:
        return default.mailer_for_clients()
    except ConfigError as error:
        raise NotConfiguredError(error.problems) from None
