"""A request's body as JSON: what is ready is put in as it is, a large piece uncopied.

What lives here: strings that are ready, and the encoding of a body that may hold some. What
must not: what a body says.
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
_PLACE_BYTES = _PLACE.encode()


#: Characters of a text from which escaping it here is faster than encoding it.
_LONG = 1024

#: Bytes from which a piece of a body is not copied to be joined with others.
_LARGE = 65536


@dataclass(frozen=True, slots=True)
class Ready:
    """A string of a body, as JSON writes it.

    Attributes:
        inside: What stands between its quotes.
    """

    inside: bytes = field(repr=False)


class Base64(Ready):
    """Content as a string of base64."""

    __slots__ = ()


def text(value: str) -> str | Ready:
    """Give a text of a body in the form that is encoded fastest."""
    if len(value) < _LONG or speed.orjson is not None:
        return value
    escaped = speed.escaped(value)
    return value if escaped is None else Ready(escaped)


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
    """Give a body as JSON, in pieces if it holds large strings that were ready.

    Raises:
        TypeError: When it holds what JSON has no word for.
    """
    ready: list[bytes] = []

    def put(value: Any) -> str:
        if not isinstance(value, Ready):
            raise TypeError(f"{type(value).__name__} is not for JSON")
        ready.append(value.inside)
        return _PLACE

    written = speed.dumps(body, put)
    if not ready:
        return written
    first, *others = written.split(_PLACE_BYTES)
    # Of a first encoder that gave up, some may stand before.
    ready = ready[-len(others) :]
    pieces = [first]
    for inside, other in zip(ready, others, strict=True):
        pieces += inside, other
    return tuple(pieces) if max(map(len, ready)) >= _LARGE else b"".join(pieces)


def whole(body: Mapping[str, Any]) -> bytes:
    """Give a body as JSON in one piece."""
    made = encoded(body)
    return made if isinstance(made, bytes) else b"".join(made)
