"""The exceptions of the drop-in that neither botocore nor SES has.

Both are a ``BotoCoreError``, which code written for boto3 catches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from botocore.exceptions import BotoCoreError

from mailbalance.errors import ConfigError, DeliveryError, UnknownOutcomeError


class UnknownSendError(BotoCoreError, UnknownOutcomeError):
    """The message may or may not have been accepted: a lost reply, a 500, a 200 without id.

    Handlers of ``BotoCoreError`` catch it, and so do those of ``UnknownOutcomeError``. It
    is none of the classes and has none of the codes that lists of "safe to retry" name, as
    sending again could put a second copy into the mailbox. What botocore itself raised, if
    anything, is its ``__cause__``'s ``__cause__``.
    """

    fmt = "{detail}"

    def __init__(self, detail: str = "", **facts: Any) -> None:
        UnknownOutcomeError.__init__(self, detail, **facts)
        self.kwargs = {"detail": detail}

    @classmethod
    def of(cls, error: UnknownOutcomeError) -> Self:
        """Say the same as another error does."""
        made = cls(error.detail)
        made.__dict__.update(error.__dict__)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return DeliveryError.__reduce__(self)


class NotConfiguredError(BotoCoreError, ConfigError):
    """The split cannot be read, so there is no mailer to send by; nothing was sent."""

    def __init__(self, problems: Iterable[str] | str) -> None:
        ConfigError.__init__(self, problems)
        self.kwargs = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return ConfigError.__reduce__(self)
