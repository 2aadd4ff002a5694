"""A part that is a file: its name, its type, its id, and whether the HTML shows it.

What lives here: one leaf to what an ``Attachment`` says. What must not: which leaf is a
file (``reader``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from mailbalance.mime.structure import Part
from mailbalance.rules import file_rules

_ENDINGS = {
    "message/rfc822": "eml",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "text/plain": "txt",
    "application/octet-stream": "bin",
}

#: Not files but where to find one, or a piece of one (RFC 2046 sections 5.2.2, 5.2.3).
_STAND_INS = ("message/external-body", "message/partial")
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]+"
)
_CID = re.compile(r"""cid:([^\s"'<>()]{1,300})""", re.IGNORECASE)

#: Stands where bytes of a name were no text.
_REPLACED = "\ufffd"


@dataclass(slots=True)
class _File:
    """One file, until all of the message is known."""

    fields: dict[str, Any]
    shown: str
    related: bool
    location: bool


@dataclass(slots=True)
class Files:
    """Collects the files of a message.

    Attributes:
        notes: What they cannot say of the original.
    """

    notes: list[str]
    _files: list[_File] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    def add(self, part: Part, name: str, *, shown: str, related: bool) -> None:
        """Take a part that is a file.

        Args:
            part: The part.
            name: What it calls itself.
            shown: Its disposition, ``""`` for none.
            related: Whether it stands beside an HTML that may show it.
        """
        content, sound = part.decoded()
        if not sound:
            self.notes.append("It has a file whose encoding is broken.")
        if part.content_type in _STAND_INS:
            self.notes.append(f"It has a part of type {part.content_type}.")
        content_type = self._content_type(part)
        default = f"part-{len(self._files) + 1}.{_ending(content_type)}"
        fields = {
            "content": content,
            "filename": self._filename(name, default),
            "content_type": content_type,
            "inline": False,
            "content_id": self._content_id(part),
        }
        location = bool(part.get("content-location"))
        self._files.append(_File(fields, shown, related, location))

    def result(self, html: str | None) -> tuple[dict[str, Any], ...]:
        """Return what an ``Attachment`` is made of, for each."""
        named = {unquote(found) for found in _CID.findall(html or "")} & self._ids
        for number, file in enumerate(self._files, 1):
            content_id = file.fields["content_id"]
            file.fields["inline"] = _is_inline(file, named)
            if file.fields["inline"] and content_id is None:
                file.fields["content_id"] = self._new_id(file, number)
            if file.location and content_id not in named:
                # An HTML may call it by that (RFC 2557), for which there is no field.
                self.notes.append("It has a file with a Content-Location.")
        return tuple([file.fields for file in self._files])

    def _content_type(self, part: Part) -> str:
        kept = {k: v for k, v in part.params.items() if k not in ("name", "boundary")}
        full = "".join(
            [part.content_type, *(f"; {k}={_quoted(v)}" for k, v in kept.items())]
        )
        for content_type in (full, part.content_type):
            if file_rules.fault_in_content_type(content_type) is None:
                if content_type != full:
                    self.notes.append(
                        "It has a file with parameters of its type that we cannot write."
                    )
                return content_type
        self.notes.append("It has a file of a type that we cannot write.")
        return "application/octet-stream"

    def _filename(self, name: str, default: str) -> str:
        clean = _UNFIT.sub("", re.split(r"[/\\]", name)[-1]).strip()
        octets = clean.encode()
        if len(octets) > file_rules.LONGEST_FILENAME:
            kept = octets[-file_rules.LONGEST_FILENAME :]  # with its ending
            clean = kept.decode("utf-8", "ignore").strip()
        if _REPLACED in name:
            self.notes.append("It has a file name that cannot be read.")
        elif name and clean != name:
            self.notes.append(
                "It has a file name that we cannot write; it was shortened."
            )
        return clean if file_rules.fault_in_filename(clean) is None else default

    def _content_id(self, part: Part) -> str | None:
        given = part.get("content-id").strip().removeprefix("<").removesuffix(">")
        if not given:
            return None
        if given in self._ids or file_rules.fault_in_content_id(given):
            self.notes.append("It has a file whose Content-ID is used twice or no id.")
            return None
        self._ids.add(given)
        return given

    def _new_id(self, file: _File, number: int) -> str:
        """Make an id for a file that is inline without one (RFC 2183 section 2.1)."""
        found: str = file.fields["filename"]
        if found in self._ids or file_rules.fault_in_content_id(found):
            found = f"part-{number}.{_ending(file.fields['content_type'])}"
        while found in self._ids:
            found = f"{found}.{number}"
        self._ids.add(found)
        return found


def _is_inline(file: _File, named: set[str]) -> bool:
    """Whether a reader is to show it in its place.

    Many writers give an image of the HTML an id and no disposition.
    """
    if file.shown == "inline":
        return True
    content_id = file.fields["content_id"]
    if content_id is None:
        return False
    image = file.fields["content_type"].startswith("image/")
    return file.related or (not file.shown and (image or content_id in named))


def name_of(part: Part, disposition: dict[str, str]) -> str:
    """Return what a part calls itself, by the better of its two names."""
    first, second = disposition.get("filename", ""), part.params.get("name", "")
    if _REPLACED in first and second and _REPLACED not in second:
        return second
    return first or second


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9._-]+", value) else f'"{value}"'


def _ending(content_type: str) -> str:
    kind = content_type.partition(";")[0].lower()
    return (
        _ENDINGS.get(kind)
        or re.sub("[^a-z0-9]", "", kind.partition("/")[2])[:8]
        or "bin"
    )
