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
from mailbalance.mime import heading, parameters, raw, structure, transfer
from mailbalance.mime.structure import Part
from mailbalance.rules import charsets, file_rules

if TYPE_CHECKING:
    from email.message import Message as StdlibMessage

    from mailbalance.mime import objects
else:
    objects = Later("mailbalance.mime.objects", globals())

_ENDINGS = {
    "message/rfc822": "eml",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "text/plain": "txt",
    "application/octet-stream": "bin",
}
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]+"
)
_LINE_END = re.compile("\r\n?")


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
    content = _Content(head.notes)
    content.take(root, _Place())
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
    """Where a part stands: in which alternatives, beside which HTML."""

    alternatives: tuple[int, ...] = ()
    related: bool = False


@dataclass(slots=True)
class _Content:
    """Collects text, HTML and files from a tree of parts."""

    notes: list[str]
    text: str | None = None
    html: str | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    _where: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _choices: int = 0

    def take(self, part: Part, place: _Place) -> None:
        self.notes += part.notes
        kind, _, subtype = part.content_type.partition("/")
        if kind != "multipart" or not part.parts:
            self._leaf(part, place)
            return
        inner = place
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
        shown, named = parameters.read(part.get("content-disposition"))
        name = named.get("filename") or part.params.get("name", "")
        slot = {"text/plain": "text", "text/html": "html"}.get(part.content_type)
        if slot is not None and shown != "attachment" and not name:
            self._body(part, slot, place)
            return
        if place.alternatives and not place.related and shown != "attachment":
            self.notes.append(f"It has an alternative of type {part.content_type}.")
            return
        self._file(part, name, inline=shown == "inline" or place.related)

    def _body(self, part: Part, slot: str, place: _Place) -> None:
        if slot in self._where:
            self.notes.append(f"It has a second {part.content_type} part.")
            return
        data, sound = part.decoded()
        text, exact = charsets.decode(data, part.params.get("charset", ""))
        if not (sound and exact):
            self.notes.append(
                f"It has bytes in its {part.content_type} part that are no text."
            )
        self._where[slot] = place.alternatives
        if slot == "text":
            self.text = _LINE_END.sub("\n", text)
        else:
            self.html = _LINE_END.sub("\n", text)

    def _file(self, part: Part, name: str, *, inline: bool) -> None:
        content, sound = part.decoded()
        if not sound:
            self.notes.append("It has a file whose encoding is broken.")
        content_type = self._content_type(part)
        number = len(self.files) + 1
        filename = self._filename(name, f"part-{number}.{_ending(content_type)}")
        content_id = part.get("content-id").strip().removeprefix("<").removesuffix(">")
        if content_id and not self._is_new_id(content_id):
            self.notes.append("It has a file whose Content-ID is used twice or no id.")
            content_id = ""
        self.files.append(
            {
                "content": content,
                "filename": filename,
                "content_type": content_type,
                "inline": inline and bool(content_id),
                "content_id": content_id or None,
            }
        )

    def _content_type(self, part: Part) -> str:
        kept = {k: v for k, v in part.params.items() if k not in ("name", "boundary")}
        full = "".join(
            [part.content_type, *(f"; {k}={_quoted(v)}" for k, v in kept.items())]
        )
        for content_type in (full, part.content_type):
            if file_rules.fault_in_content_type(content_type) is None:
                return content_type
        self.notes.append("It has a file of a type that we cannot write.")
        return "application/octet-stream"

    def _filename(self, name: str, default: str) -> str:
        clean = _UNFIT.sub("", re.split(r"[/\\]", name)[-1]).strip()
        while len(clean.encode()) > file_rules.LONGEST_FILENAME:
            clean = clean[1:]
        if name and clean != name:
            self.notes.append(
                "It has a file name that we cannot write; it was shortened."
            )
        return clean if file_rules.fault_in_filename(clean) is None else default

    def _is_new_id(self, content_id: str) -> bool:
        known = [file["content_id"] for file in self.files]
        return content_id not in known and not file_rules.fault_in_content_id(
            content_id
        )

    def result(self) -> dict[str, Any]:
        """Give the fields of a Message."""
        text, html = self._where.get("text"), self._where.get("html")
        if text is not None and html is not None and not set(text) & set(html):
            self.notes.append("It shows text and HTML one after the other.")
        return {"text": self.text, "html": self.html, "attachments": tuple(self.files)}


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9._-]+", value) else f'"{value}"'


def _ending(content_type: str) -> str:
    kind = content_type.partition(";")[0].lower()
    return (
        _ENDINGS.get(kind)
        or re.sub("[^a-z0-9]", "", kind.partition("/")[2])[:8]
        or "bin"
    )
