"""Who a message goes to and comes from, apart from its headers.

What lives here: ``Envelope``. What must not: headers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbalance.errors import MessageError
from mailbalance.later import Later
from mailbalance.swift import swift

if TYPE_CHECKING:
    from mailbalance.message import Message
    from mailbalance.rules import address_rules
else:
    address_rules = Later("mailbalance.rules.address_rules", globals())

_NOBODY = "to: has no recipient, nor have cc and bcc; give one"


@swift
@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message goes to and comes from, apart from its headers.

    Attributes:
        sender: The addr-spec that bounces go to; may be ``""``, the empty sender.
        recipients: The addr-specs, each once, at least one.

    Raises:
        MessageError: On construction, when one is not exactly one address.
    """

    sender: str
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.recipients, str):
            raise MessageError("recipients: is text; give a list of addresses")
        faults: list[str] = []
        checked = [
            _checked(each, f"recipients[{at}]", faults)
            for at, each in enumerate(self.recipients)
        ]
        sender = self.sender and _checked(self.sender, "sender", faults)
        if faults:
            raise MessageError(faults)
        if not checked:
            raise MessageError(_NOBODY)
        object.__setattr__(self, "sender", sender)
        object.__setattr__(self, "recipients", _each_once(checked))

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
            return unchecked(message.from_.email, (addresses[0].email,))
        emails = [address.email for address in addresses]
        return unchecked(message.from_.email, _each_once(emails))

    @property
    def domain(self) -> str:
        """The domain of the sender, in lower case; ``""`` for the empty sender."""
        return self.sender.rpartition("@")[2].lower()

    def only(self, recipients: Iterable[str]) -> Envelope:
        """Give the same envelope for some of its recipients."""
        return unchecked(self.sender, tuple(recipients))


def unchecked(sender: str, recipients: tuple[str, ...]) -> Envelope:
    """Make an envelope of what was checked before, or what only SES shall judge.

    Raises:
        MessageError: When there is no recipient.
    """
    if not recipients:
        raise MessageError(_NOBODY)
    made = object.__new__(Envelope)
    object.__setattr__(made, "sender", sender)
    object.__setattr__(made, "recipients", recipients)
    return made


def _checked(value: object, place: str, faults: list[str]) -> str:
    if not isinstance(value, str):
        faults.append(f"{place}: must be text (str)")
        return ""
    try:
        return address_rules.check_email(value)
    except ValueError as error:
        faults.append(f"{place}: {error}")
        return ""


def _each_once(emails: Iterable[str]) -> tuple[str, ...]:
    """Keep one of each mailbox: domains are the same in upper and lower case."""
    seen: dict[tuple[str, str], str] = {}
    for email in emails:
        local, _, domain = email.rpartition("@")
        seen.setdefault((local, domain.lower()), email)
    return tuple(seen.values())
