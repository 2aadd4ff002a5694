"""What became of one of many messages.

What lives here: ``Result``. What must not: how it came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.swift import swift

if TYPE_CHECKING:
    from mailbalance.backend import Receipt
    from mailbalance.errors import MailError
    from mailbalance.message import Message


@swift
@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message of many: it has a receipt or an error.

    Attributes:
        index: Its place among the messages given, from 0.
        message: The message; ``None`` when what was given made none.
        receipt: The receipt, if it was accepted for anybody.
        error: Why not: a ``DeliveryError``, a ``MessageError`` that concerns it alone, or a
            ``ClosedError`` when the mailer was closed before its turn.
    """

    index: int
    message: Message | None
    receipt: Receipt | None = None
    error: MailError | None = None

    @property
    def ok(self) -> bool:
        """Whether it was accepted, for some recipients at least."""
        return self.receipt is not None
