"""What makes a message one message, however often it is tried.

What lives here: ``Stamp``, and the making of one. What must not: where it is kept; that is
the message.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from mailbalance.later import Later
from mailbalance.swift import swift

if TYPE_CHECKING:
    from mailbalance import mime
    from mailbalance.message import Message
else:
    mime = Later("mailbalance.mime", globals())


@swift
@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes a message one message, however often it is tried.

    Attributes:
        message_id: The Message-ID, with angle brackets; of a raw message what it says,
            whatever its form.
        moment: The time of the Date header.
        id: A random token of hexadecimal digits, which every provider is given as a label
            of the message: by it a message is found again whose reply was lost. A
            Message-ID that is made here begins with it.
    """

    message_id: str
    moment: datetime
    id: str

    @property
    def date(self) -> str:
        """The Date header's value; an API that writes its own never asks for it."""
        return mime.date_value(self.moment)


def stamp_of(message: Message) -> Stamp:
    """Make the stamp of a message that has none yet."""
    token = os.urandom(16).hex()
    domain = message.from_.domain if message.from_ else "mailbalance.invalid"
    moment = (
        _second(int(time.time()))
        if message.date is None
        else message.date.replace(microsecond=0)
    )
    message_id = message.message_id
    if message_id is None and message.raw is not None:
        message_id = mime.message_id_of(message.raw)
    return Stamp(message_id or f"<{token}@{domain}>", moment, token)


@lru_cache(maxsize=2)
def _second(number: int) -> datetime:
    """Give a second of the clock; many messages are of the same."""
    return datetime.fromtimestamp(number, UTC)
