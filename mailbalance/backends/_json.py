"""A request's body as JSON in pieces: base64 is put in as it is, not scanned nor copied.

What lives here: ``Base64``, and the encoding of a body that may hold some. What must not:
what a body says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from mailbalance import mime, speed

if TYPE_CHECKING:
    from mailbalance.message import Message

#: Stands in the JSON for what is put in its place; nobody can know it and write it.
_PLACE = token_hex(16)


@dataclass(frozen=True, slots=True)
class Base64:
    """Content that a body says as a string of base64.

    Attributes:
        digits: The string, in ASCII.
    """

    digits: bytes = field(repr=False)


def attached(message: Message) -> tuple[Base64, ...]:
    """Give the content of each attachment, encoded once for all tries of a message."""
    return message.once(
        "_base64",
        lambda _: tuple(
            Base64(speed.base64(each.content)) for each in message.attachments
        ),
    )


def rendered(message: Message) -> Base64:
    """Give the whole message as MIME, encoded once for all tries."""
    return message.once(
        "_base64_of_all", lambda _: Base64(speed.base64(mime.render(message)))
    )


def encoded(body: Mapping[str, Any]) -> bytes | tuple[bytes, ...]:
    """Give a body as JSON, in pieces if it holds base64.

    Raises:
        TypeError: When it holds what JSON has no word for.
    """
    held: list[bytes] = []

    def put(value: Any) -> str:
        if not isinstance(value, Base64):
            raise TypeError(f"{type(value).__name__} is not for JSON")
        held.append(value.digits)
        return _PLACE

    text = speed.dumps(body, put)
    if not held:
        return text
    first, *others = text.split(_PLACE.encode())
    held = held[
        -len(others) :
    ]  # of a first encoder that gave up, some may stand before
    return (first, *(part for pair in zip(held, others, strict=True) for part in pair))


def whole(body: Mapping[str, Any]) -> bytes:
    """Give a body as JSON in one piece."""
    made = encoded(body)
    return made if isinstance(made, bytes) else b"".join(made)
