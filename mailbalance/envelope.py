"""Who a message goes to and comes from, apart from its headers.

What lives here: ``Envelope``. What must not: headers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.errors import MessageError
from mailbalance.swift import swift

if TYPE_CHECKING:
    from mailbalance.message import Message


@swift
@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message goes to and comes from, apart from its headers.

    Attributes:
        sender: The addr-spec that bounces go to.
        recipients: The addr-specs, each once, at least one.
    """

    sender: str
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.recipients:
            raise MessageError("to: has no recipient, nor have cc and bcc; give one")

    @classmethod
    def of(cls, message: Message) -> Envelope:
        """Read it off a message: To, Cc, Bcc in this order, each mailbox once.

        Raises:
            MessageError: When From is missing, or every recipient.
        """
        if message.from_ is None:
            raise MessageError("from_: is missing; give it, or set MAILBALANCE_FROM")
        addresses = (*message.to, *message.cc, *message.bcc)
        if len(addresses) == 1:
            return cls(message.from_.email, (addresses[0].email,))
        seen: dict[tuple[str, str], str] = {}
        for address in addresses:
            local, _, domain = address.email.rpartition("@")
            seen.setdefault((local, domain.lower()), address.email)
        return cls(message.from_.email, tuple(seen.values()))

    @property
    def domain(self) -> str:
        """The domain of the sender, in lower case; ``""`` for the empty sender."""
        return self.sender.rpartition("@")[2].lower()

    def only(self, recipients: Iterable[str]) -> Envelope:
        """Give the same envelope for some of its recipients."""
        return Envelope(self.sender, tuple(recipients))
