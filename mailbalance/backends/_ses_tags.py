"""Category, metadata and our own id as SES message tags, and back.

What lives here: the one encoding that both ways into SES share. What must not: how the
tags travel (``EmailTags`` by API, the ``X-SES-MESSAGE-TAGS`` header by SMTP).

A tag's name may hold ASCII letters, digits, ``_`` and ``-``; its value ``.`` and ``@`` too.
Every other byte of the UTF-8 text is written as ``_-`` and two hexadecimal digits:
``Größe 4`` becomes ``Gr_-C3_-B6_-C3_-9Fe_-204``. A ``_-`` of the text itself is written
``_-5F-``, and empty text as a lone ``_-``, so that ``decode`` always gives back what was
encoded. The two characters were chosen because keys such as ``user_id`` and ``order-no``
stay as they are.

Source: SES API reference, MessageTag (letters, digits, underscores, dashes; values also
dots and at signs; at most 256 characters); read 2026-11-23.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbalance.message import Message

#: The tag that carries ``Message.category``.
CATEGORY = "category"

#: The tag that carries ``Stamp.id``.
OWN_ID = "mailbalance-id"

#: Most tags of which ours may be one. No page gives a limit for SendEmail; 50 is what older
#: ones and other services of AWS name (2026-11-23).
MOST = 50

#: Longest name and value, one below the published limit: older pages say 255.
LONGEST = 255

_NAME = frozenset(string.ascii_letters + string.digits + "_-")
_VALUE = _NAME | frozenset(".@")
_EMPTY = "_-"
_ESCAPED = re.compile(r"_-([0-9A-F]{2})")


def tags(message: Message) -> tuple[tuple[str, str], ...]:
    """Give the message's category, metadata and own id as (name, value) pairs, encoded.

    The id comes last, and stays out where it would be one tag too many, or where the
    metadata has a key of that name.
    """
    own = OWN_ID, message.stamp().id
    if message.category is None and not message.metadata:
        return (own,)
    found = _said(message)
    if len(found) < MOST and OWN_ID not in message.metadata:
        found.append(own)
    return tuple(found)


def problem(message: Message) -> str | None:
    """Say why SES cannot hold the message's tags, or ``None`` when it can."""
    for name, value in _said(message):
        if max(len(name), len(value)) > LONGEST:
            return (
                f"{decode(name)!r} of its category and metadata is over SES's "
                f"{LONGEST} characters for a tag (as encoded)"
            )
    return None


def encode_name(text: str) -> str:
    """Write any text with the characters of a tag's name."""
    return _encode(text, _NAME)


def encode_value(text: str) -> str:
    """Write any text with the characters of a tag's value."""
    return _encode(text, _VALUE)


def decode(encoded: str) -> str:
    """Give back the text of an encoded name or value."""
    if encoded == _EMPTY:
        return ""
    as_bytes = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), encoded)
    return as_bytes.encode("latin-1").decode()


def _said(message: Message) -> list[tuple[str, str]]:
    """Give category and metadata, encoded.

    A metadata key ``category`` has its first letter escaped, so that it is never taken for
    the category itself.
    """
    found = []
    if (category := message.category) is not None:
        found.append((CATEGORY, encode_value(category)))
    if metadata := message.metadata:
        found += [(_name(key), encode_value(text)) for key, text in metadata.items()]
    return found


def _name(key: str) -> str:
    if key == CATEGORY:
        return f"_-{ord(key[0]):02X}{key[1:]}"
    return encode_name(key)


def _encode(text: str, allowed: frozenset[str]) -> str:
    if allowed.issuperset(text) and "_-" not in text:
        return text or _EMPTY
    return "_-5F-".join(
        "".join(each if each in allowed else _escape(each) for each in part)
        for part in text.split("_-")
    )


def _escape(each: str) -> str:
    return "".join(f"_-{byte:02X}" for byte in each.encode())
