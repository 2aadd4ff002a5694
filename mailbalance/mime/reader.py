"""A finished MIME message to the fields of a Message, and what those cannot say.

What lives here: which part is the text, which the HTML, which a file. What must not: the
form of bytes (``structure``), headers (``heading``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbalance.errors import MessageError
from mailbalance.later import Later
from mailbalance.mime import (
    files,
    flowed,
    heading,
    parameters,
    raw,
    structure,
    transfer,
)
from mailbalance.mime.structure import Part
from mailbalance.rules import charsets

if TYPE_CHECKING:
    from email.message import Message as StdlibMessage

    from mailbalance.mime import objects
else:
    objects = Later("mailbalance.mime.objects", globals())

_TOKEN = re.compile(r"[!#-'*+.0-9A-Z^_`a-z{|}~-]*")
_LINE_END = re.compile("\r\n?")

#: Headers of a part that are read, or say nothing of what it shows.
_READ = frozenset(
    {"content-type", "content-transfer-encoding", "content-disposition", "content-id"}
    | {"content-location", "content-md5", "content-length"}
)
_SLOTS = {"text/plain": "text", "text/html": "html"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a message says.

    Attributes:
        fields: Keyword arguments of ``Message``.
        raw: The original bytes, unless the fields say all there is to say of an object.
        unrepresented: What the fields cannot say, one sentence each.
        faults: Why it is unclear who the message goes to or comes from; such a message
            goes to nobody.
        resent: Whether the fields that say so are Resent-*.
    """

    fields: dict[str, Any]
    raw: bytes | None
    unrepresented: tuple[str, ...]
    faults: tuple[str, ...] = ()
    resent: bool = False


def parse(source: bytes | bytearray | memoryview | str | StdlibMessage) -> Parsed:
    """Take a message apart.

    Raises:
        MessageError: When it is none, or nests too deep.
    """
    original, lists = _taken(source)
    root = structure.read(transfer.crlf(raw.without_envelope_line(original)))
    if not root.fields:
        raise MessageError(
            "the message does not begin with header fields; give all of it"
        )
    head = heading.read(root, lists)
    content = _Content(head.notes, files.Files(head.notes))
    content.take(root, _Place(alone=True))
    fields = head.fields | content.result()
    unrepresented = tuple(dict.fromkeys(head.notes))
    said = bool(fields["text"] or fields["html"]) and not unrepresented
    whole = (
        said
        and lists is not None
        and not any(map(_would_change, fields["attachments"]))
    )
    raw_bytes = None if whole else original
    return Parsed(fields, raw_bytes, unrepresented, tuple(head.faults), head.resent)


def _would_change(file: dict[str, Any]) -> bool:
    """Whether an attached message would have to be written as another type."""
    content = file["content"]
    fits = content and transfer.is_seven_bit(transfer.crlf(content))
    return transfer.is_message(file["content_type"]) and not fits


def _taken(source: Any) -> tuple[bytes, heading.Lists | None]:
    """Give the bytes of a message, and what reads its addresses if not from those."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), None
    if isinstance(source, str):
        how = "surrogateescape" if _escaped(source) else "replace"
        return source.encode("utf-8", how), None
    if objects.is_object(source):
        return objects.as_bytes(source), partial(objects.mailboxes, source)
    kind = type(source).__name__
    raise MessageError(
        f"{kind} is no message; give a Message, bytes or an email.message object"
    )


def _escaped(text: str) -> bool:
    return all("\udc80" <= c <= "\udcff" for c in text if "\ud800" <= c <= "\udfff")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part stands: in which alternatives, beside an HTML, or as all there is."""

    alternatives: tuple[int, ...] = ()
    related: bool = False
    alone: bool = False


@dataclass(slots=True)
class _Content:
    """Collects text, HTML and files from a tree of parts."""

    notes: list[str]
    files: files.Files
    text: str | None = None
    html: str | None = None
    _where: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _choices: int = 0

    def take(self, part: Part, place: _Place) -> None:
        self.notes += part.notes
        kind, _, subtype = part.content_type.partition("/")
        if kind != "multipart" or not part.parts:
            self._leaf(part, place)
            return
        inner = _Place(place.alternatives, place.related)
        if subtype == "alternative":
            self._choices += 1
            inner = _Place((*place.alternatives, self._choices), place.related)
        elif subtype == "related":
            inner = _Place(place.alternatives, related=True)
        elif subtype != "mixed":
            self.notes.append(f"It is wrapped as {part.content_type}.")
        for child in part.parts:
            self.take(child, inner)

    def _leaf(self, part: Part, place: _Place) -> None:
        shown, named, exact = parameters.read(part.get("content-disposition"))
        if not exact or not _TOKEN.fullmatch(shown):
            self.notes.append(
                "It has a Content-Disposition that cannot be read in full."
            )
        name = files.name_of(part, named)
        self._note_headers(part, name, place)
        slot = _SLOTS.get(part.content_type)
        if slot is not None and shown != "attachment" and (place.alone or not name):
            if name:
                self.notes.append("It has a file name on its text.")
            self._body(part, slot, place)
            return
        if place.alternatives and not place.related and shown != "attachment":
            self.notes.append(f"It has an alternative of type {part.content_type}.")
            return
        self.files.add(part, name, shown=shown, related=place.related)

    def _note_headers(self, part: Part, name: str, place: _Place) -> None:
        """Note what a part's own header says and no field can."""
        for header, value in part.fields:
            if not header.startswith("content-") or header in _READ:
                continue
            if header == "content-language" and place.alone:
                continue  # which is one of the message
            if header != "content-description" or value != name:
                title = header.title()
                self.notes.append(f"It has a part with a header of its own: {title}.")

    def _body(self, part: Part, slot: str, place: _Place) -> None:
        if slot in self._where:
            self.notes.append(f"It has a second {part.content_type} part.")
            return
        data, sound = part.decoded()
        text, exact = charsets.decode(data, part.params.get("charset", ""))
        if not sound:
            self.notes.append(
                f"It has a {part.content_type} part whose encoding is broken."
            )
        if not exact:
            self.notes.append(
                f"It has bytes in its {part.content_type} part that are no text."
            )
        self._where[slot] = place.alternatives
        text = _LINE_END.sub("\n", text)
        if slot == "html":
            if part.get("content-location"):
                self.notes.append("It has an HTML with a Content-Location.")
            self.html = text
            return
        if part.params.get("format", "").lower() == "flowed":
            delsp = part.params.get("delsp", "").lower() == "yes"
            text = flowed.joined(text, delsp=delsp)
        self.text = text

    def result(self) -> dict[str, Any]:
        """Give the fields of a Message."""
        text, html = self._where.get("text"), self._where.get("html")
        if text is not None and html is not None and not set(text) & set(html):
            self.notes.append("It shows text and HTML one after the other.")
        attachments = self.files.result(self.html)
        return {"text": self.text, "html": self.html, "attachments": attachments}
