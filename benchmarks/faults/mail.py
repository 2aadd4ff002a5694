"""One message of a case, and where a client may send it.

What lives here: the values that cases hand to clients.
"""

from __future__ import annotations

from dataclasses import dataclass

FROM = "sender@example.com"
SUBJECT = "Your receipt"


@dataclass(frozen=True)
class Mail:
    """What to send.

    Attributes:
        recipients: Addresses that no other message has.
        text: Its text.
    """

    recipients: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Place:
    """Where the servers of a case are.

    Attributes:
        ca: The authority behind their certificates.
        first: Port of the server that has the fault.
        second: Port of the one that has none, for clients that can use two.
    """

    ca: str
    first: int
    second: int
