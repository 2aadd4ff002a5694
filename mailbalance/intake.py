"""Taking a message in, in whichever form it comes.

What lives here: ``take()``, which gives one ``Message`` for a ``Message``, the standard
library's, raw bytes or keywords, and fills in what a mailer has by default. What must not:
checks of fields; ``message`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbalance.errors import MessageError
from mailbalance.message import Message

if TYPE_CHECKING:
    from email.message import Message as MimeMessage

#: What ``send`` takes: ours, the standard library's, or raw bytes.
Sendable: TypeAlias = "Message | MimeMessage | bytes"


def take(
    message: Sendable | None, fields: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Message:
    """Give the message with what it lacks filled in.

    Args:
        message: What was given, or ``None`` for keywords alone.
        fields: The keywords.
        defaults: Fields for a message that has none of its own.

    Raises:
        MessageError: When it is wrong, or both a message and its fields are given.
    """
    if message is None:
        return Message(**{**defaults, **fields})
    if isinstance(message, Message):
        if fields:
            raise MessageError(
                f"{', '.join(fields)}: give a Message or its fields, not both"
            )
        return _complete(message, defaults)
    return _complete(Message.from_mime(message, **fields), defaults)


def _complete(message: Message, defaults: Mapping[str, Any]) -> Message:
    """Fill in what a message lacks; the same one for the same message every time."""
    lacks = {n: value for n, value in defaults.items() if not getattr(message, n)}
    if message.raw is not None:
        # Raw bytes go as they are; only a header From that is missing is added.
        lacks = {"from_": lacks["from_"]} if "from_" in lacks else {}
    if not lacks:
        return message
    # Another mailer may have other defaults, so they are part of what is kept.
    return message.once(f"_with {lacks}", lambda _: _completed(message, lacks))


def _completed(message: Message, lacks: Mapping[str, Any]) -> Message:
    """Give a copy that is the same message: with the same Message-ID and Date."""
    copy = message.model_copy(update=lacks)
    stamp = message.once("_stamp", lambda _: copy.stamp())
    copy.once("_stamp", lambda _: stamp)
    return copy
