"""Bytes to a tree of parts; forgiving, linear, and never deeper than a bound.

What lives here: header fields, bodies, multiparts (RFC 2046 section 5.1). What must not:
what any of it means (``reader``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mailbalance.errors import MessageError
from mailbalance.mime import parameters, raw, transfer

#: Containers in containers; real mail has under ten (reliability: 50 is the bound).
DEEPEST = 50

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
#: Says who a message goes to or comes from, but for what stands around its name.
_STRAY = re.compile(
    rb"[\x00-\x20\x7f-\xff]*((?:resent-)?(?:from|to|cc|bcc))"
    rb"(?:[\x00-\x20\x7f-\xff]*:|[ \t]*\r\n[ \t])",
    re.IGNORECASE,
)
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_ONE_MEANING = frozenset(
    {"content-type", "content-transfer-encoding", "content-disposition", "content-id"}
)
_TYPE = re.compile(r"[!#-'*+.0-9A-Z^_`a-z{|}~-]+/[!#-'*+.0-9A-Z^_`a-z{|}~-]+")


@dataclass(frozen=True, slots=True)
class Part:
    """One part, or the whole message.

    Attributes:
        fields: Header fields in order: name in lower case, unfolded value, raw text.
        body: The bytes between its header and the next boundary, still encoded.
        content_type: In lower case, without parameters.
        params: Parameters of the content type.
        parts: What a multipart contains.
        notes: What is wrong with its form.
        strays: Names of fields with people in them, from lines that are no field.
    """

    fields: tuple[tuple[str, str], ...]
    body: bytes
    content_type: str
    params: dict[str, str]
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = field(default=())
    strays: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        """Give a field's first value, or ``""``."""
        return next((value for key, value in self.fields if key == name), "")

    def decoded(self) -> tuple[bytes, bool]:
        """Give the body without its transfer encoding, and whether that was sound."""
        return transfer.decode(self.body, self.get("content-transfer-encoding"))


def read(data: bytes, *, default: str = "text/plain", depth: int = 0) -> Part:
    """Read a message or part with CRLF line ends.

    Raises:
        MessageError: When containers nest too deep.
    """
    if depth > DEEPEST:
        raise MessageError(
            f"the message nests more than {DEEPEST} containers; flatten it"
        )
    lines, body = raw.split(data)
    fields, notes = _fields(lines)
    notes += _repeated(fields)
    declared = next((v for k, v in fields if k == "content-type"), "")
    content_type, params, exact = parameters.read(declared)
    if not exact:
        notes.append("It has parameters of a Content-Type that cannot be read.")
    if not _TYPE.fullmatch(content_type):
        notes += ["It has a Content-Type that cannot be read."] if declared else []
        content_type = default
    strays = _strays(lines) if len(fields) < len(lines) else ()
    if not content_type.startswith("multipart/"):
        return Part(fields, body, content_type, params, (), tuple(notes), strays)
    pieces = [body[a:b] for a, b in spans(body, params.get("boundary", ""))]
    if not pieces:
        notes.append("It has a multipart container without its boundaries.")
        return Part(fields, body, "text/plain", {}, (), tuple(notes), strays)
    inner = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
    parts = tuple(read(piece, default=inner, depth=depth + 1) for piece in pieces)
    return Part(fields, b"", content_type, params, parts, tuple(notes), strays)


def _fields(lines: list[bytes]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    fields: list[tuple[str, str]] = []
    notes: list[str] = []
    for line in lines:
        found = _FIELD.match(line)
        if found is None:
            notes.append("It has a line in its header that is no header field.")
            continue
        value = _FOLD.sub(b"", found[2]).strip(b" \t\r\n")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("utf-8", "replace")
            notes.append("It has bytes in its header that are no text.")
        fields.append((found[1].decode("ascii").lower(), text))
    return tuple(fields), notes


def _strays(lines: list[bytes]) -> tuple[str, ...]:
    found = [_STRAY.match(line) for line in lines if not _FIELD.match(line)]
    return tuple([each[1].decode("ascii").title() for each in found if each])


def _repeated(fields: tuple[tuple[str, str], ...]) -> list[str]:
    """Say which field stands there twice with two meanings; readers take one each."""
    said: dict[str, set[str]] = {}
    for name, value in fields:
        if name in _ONE_MEANING:
            said.setdefault(name, set()).add(value)
    return [
        f"It has more than one {name.title()} in one part."
        for name, values in said.items()
        if len(values) > 1
    ]


def replaced(body: bytes, boundary: str, change: Callable[[bytes], bytes]) -> bytes:
    """Give the body of a multipart with each part changed."""
    written: list[bytes] = []
    at = 0
    for start, end in spans(body, boundary):
        written += [body[at:start], change(body[start:end])]
        at = end
    return b"".join([*written, body[at:]])


def spans(body: bytes, boundary: str) -> list[tuple[int, int]]:
    """Give where each part between the boundaries of a multipart begins and ends."""
    mark = boundary.rstrip(" ").encode("utf-8", "replace")
    if not mark:
        return []
    delimiter = re.compile(
        rb"(?:\A|\r\n)--" + re.escape(mark) + rb"(--)?[ \t]*(?=\r\n|\Z)"
    )
    found: list[tuple[int, int]] = []
    start: int | None = None
    for line in delimiter.finditer(body):
        if start is not None:
            found.append((start, max(start, line.start())))
        start = None if line[1] else line.end() + 2
        if line[1]:
            break
    if start is not None:
        found.append((start, len(body)))
    return found
