"""Raw messages: bytes that came finished, made safe to send and otherwise untouched.

What lives here: line ends, and the few headers that are dropped or added. What must not:
any reading of what the message says (``reader``).
"""

from __future__ import annotations

import re

from mailbalance.mime.transfer import crlf

#: Headers that must not leave: hidden recipients, and instructions to one provider, which
#: ``from_mime`` has read into the options so that each backend can say them its own way.
_DROPPED = re.compile(
    rb"(?:bcc|resent-bcc|x-ses-[^:]*|x-mt-[^:]*)[ \t]*:", re.IGNORECASE
)
_MESSAGE_ID = re.compile(rb"message-id[ \t]*:", re.IGNORECASE)
_DATE = re.compile(rb"date[ \t]*:", re.IGNORECASE)
_FIELD = re.compile(rb"[^\r\n]*(?:\r\n[ \t][^\r\n]*)*(?:\r\n|\Z)")


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Give the header fields, each with its line end, and the body."""
    fields: list[bytes] = []
    at = 0
    while at < len(data) and not data.startswith(b"\r\n", at):
        found = _FIELD.match(data, at)
        if found is None:  # pragma: no cover - the pattern matches anywhere
            break
        fields.append(found[0])
        at = found.end()
    return fields, data[at + 2 :]


def render(source: bytes, *, message_id: str, date: str) -> bytes:
    """Give a raw message with CRLF line ends, without what must not leave.

    Args:
        source: The original bytes.
        message_id: Added when the message has no Message-ID.
        date: Added when the message has no Date.
    """
    fields, body = split(crlf(source))
    kept = [field for field in fields if not _DROPPED.match(field)]
    if not any(map(_MESSAGE_ID.match, kept)):
        kept.insert(0, f"Message-ID: {message_id}\r\n".encode())
    if not any(map(_DATE.match, kept)):
        kept.insert(0, f"Date: {date}\r\n".encode())
    return b"".join([*kept, b"\r\n", body])
