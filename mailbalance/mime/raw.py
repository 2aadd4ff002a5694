"""Raw messages: bytes that came finished, made safe to send and otherwise untouched.

What lives here: line ends, and the few headers that are dropped or added. What must not:
any reading of what the message says (``reader``).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping

from mailbalance.mime.transfer import crlf
from mailbalance.rules.characters import fault_in_line

#: Headers that must not leave: hidden recipients, and instructions to one provider, which
#: ``from_mime`` has read into the options so that each backend can say them its own way.
_DROPPED = re.compile(rb"bcc|resent-bcc|x-ses-.*|x-mt-.*", re.DOTALL)
_HEADER_END = re.compile(rb"(?:\r\n?|\n)(?:\r\n?|\n)")
_OLD_FROM = re.compile(rb"From[ \t]+:")
_FIELD = re.compile(rb"[^\r\n]*(?:\r\n[ \t][^\r\n]*)*(?:\r\n|\Z)")


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Give the header fields, each with its line end, and the body."""
    fields: list[bytes] = []
    at = 0
    while at < len(data) and not data.startswith(b"\r\n", at):
        found = _FIELD.match(data, at)
        if found is None:  # pragma: no cover - the pattern matches anywhere
            break
        # the last field of a message that ends in its header may lack the line end
        fields.append(found[0] if found[0].endswith(b"\r\n") else found[0] + b"\r\n")
        at = found.end()
    return fields, data[at + 2 :]


def render(source: bytes, known: Mapping[str, Callable[[], str]]) -> bytes:
    """Give a raw message with CRLF line ends, without what must not leave.

    What it says itself stays, also a Message-ID or Date that is none: other mail refers to
    it, and signatures cover it (RFC 6376 section 5.4).

    Args:
        source: The original bytes.
        known: How to write the value of each field to add where the message has none, or
            one that says nothing.
    """
    fields, body = split(crlf(without_envelope_line(source)))
    if fields and fields[0].startswith((b" ", b"\t")):
        del fields[0]  # it would go on with the last field that is added before it
    named = [(name_of(field), field) for field in fields]
    there = {name for name, field in named if field.partition(b":")[2].strip()}
    added = [
        (name.lower().encode(), f"{name}: {value}\r\n".encode("ascii"))
        for name, encode in known.items()
        if name.lower().encode() not in there and (value := encode())
    ]
    blank = {name for name, _ in added}
    kept = [
        field
        for name, field in named
        if name not in blank and not _DROPPED.fullmatch(name)
    ]
    return b"".join([*(field for _, field in added), *kept, b"\r\n", body])


def message_id_of(source: bytes) -> str:
    """Give what a message says as its Message-ID, whatever its form, or ``""``."""
    end = _HEADER_END.search(source)
    fields, _ = split(crlf(without_envelope_line(source[: end.end() if end else None])))
    field = next((each for each in fields if name_of(each) == b"message-id"), b"")
    value = " ".join(field.partition(b":")[2].decode("ascii", "replace").split())
    return "" if fault_in_line(value) else value


def name_of(field: bytes) -> bytes:
    """Give a field's name in lower case; of a line without a colon, all of it."""
    return field.partition(b":")[0].strip(b" \t\r\n").lower()


def without_envelope_line(data: bytes) -> bytes:
    """Drop a byte order mark, and the line of mbox files before a message (RFC 4155)."""
    data = data.removeprefix(codecs.BOM_UTF8)
    # An old form has white space before the colon of a field (RFC 5322 section 4.5).
    if data.startswith((b"From ", b">From ")) and not _OLD_FROM.match(data):
        return re.split(rb"\r\n?|\n", data, maxsplit=1)[-1]
    return data
