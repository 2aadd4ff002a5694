"""What makes two messages the same content, however often an application builds them.

Message-ID and Date are left out, since they are new in each message that is built, and so
are the boundaries of MIME parts in raw bytes. Nothing else is: what an application draws
at random, such as a content id or a token in a link, makes another content.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbalance.message import Envelope, Message

#: The fields that say which sending it is, or how it came in, and not what is sent.
_NOT_CONTENT: dict[str, Any] = {
    "key": True,
    "message_id": True,
    "date": True,
    "raw": True,
    "unrepresented": True,
    "attachments": {"__all__": {"content"}},
}

_STAMPS = re.compile(rb"(?im)^(?:message-id|date)[ \t]*:.*\n?(?:[ \t].*\n?)*")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_BOUNDARY = re.compile(rb'(?i)\bboundary="?([^\s";]{8,70})')

#: Boundaries that are made alike; deeper nesting than this only makes messages differ.
_BOUNDARIES = 32


def fingerprint(message: Message, envelope: Envelope) -> str:
    """Give what two sends have in common when they send the same to the same people.

    The message's part is made once and kept on it; a gigabyte of attachments takes about
    a second.
    """
    content = message.once("_content_digest", lambda _: _digest(_content(message)))
    named = json.dumps([envelope.sender, *envelope.recipients]).encode()
    return _digest([content.encode(), named])


def _content(message: Message) -> Iterator[bytes]:
    fields = message.model_dump(
        mode="json", exclude=_NOT_CONTENT, exclude_defaults=True
    )
    yield json.dumps(fields, sort_keys=True).encode()
    if message.raw is not None and message.unrepresented:
        yield _lasting(message.raw)
        return
    for attachment in message.attachments:
        yield attachment.content


def _digest(parts: Iterator[bytes] | list[bytes]) -> str:
    """Hash the parts one by one, each with its length so that none can pass for two."""
    digest = blake2b(digest_size=20)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()


def _lasting(raw: bytes) -> bytes:
    """Give raw bytes without what is new each time an application writes them."""
    end = _HEADER_END.search(raw)
    cut = end.start() + 1 if end else len(raw)
    lasting = _STAMPS.sub(b"", raw[:cut]) + raw[cut:]
    found = (each.group(1) for each in _BOUNDARY.finditer(lasting))
    for number, boundary in enumerate(list(islice(dict.fromkeys(found), _BOUNDARIES))):
        lasting = lasting.replace(boundary, b"boundary %d" % number)
    return lasting
