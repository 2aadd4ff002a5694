"""Content that is given in fields: subject, text, HTML, headers, files.

What lives here: v1's ``Message`` and v2's ``Simple``, and the extras that v2 allows beside
a template too. What must not: templates themselves, raw MIME.

``Charset`` needs no translation: botocore takes text as Unicode, the charset only says how
SES shall write it, and what is written here is UTF-8, which holds every character.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mailbalance.dropin.calls.draft import Draft
from mailbalance.rules import encoded_words, header_rules

_BODIES = {"Text": "text", "Html": "html"}


def read_simple(draft: Draft, content: Mapping[str, Any], place: str) -> None:
    """Read a subject and bodies, with headers and files if there are any."""
    subject = (content.get("Subject") or {}).get("Data", "")
    draft.put("subject", _decoded(subject), f"{place}.Subject.Data")
    body = content.get("Body") or {}
    draft.places["text"] = draft.places["html"] = f"{place}.Body"
    for name, field in _BODIES.items():
        if text := (body.get(name) or {}).get("Data"):
            draft.put(field, text, f"{place}.Body.{name}.Data")
    read_extras(draft, content, place)


def read_extras(draft: Draft, content: Mapping[str, Any], place: str) -> None:
    """Read the headers and files beside a simple message or a template."""
    if headers := content.get("Headers"):
        read_headers(draft, headers, f"{place}.Headers")
    if files := content.get("Attachments"):
        where = f"{place}.Attachments"
        found = [_file(draft, each, f"{where}[{at}]") for at, each in enumerate(files)]
        draft.put("attachments", tuple(found), where)


def read_headers(
    draft: Draft, headers: Iterable[Mapping[str, str]], place: str
) -> None:
    """Add headers; one that is there already, in any case of letters, is replaced."""
    merged: dict[str, str] = dict(draft.fields.get("headers", {}))
    added: set[str] = set()
    for at, header in enumerate(headers):
        name, value = header.get("Name", ""), header.get("Value", "")
        if name.lower() == "x-tag":
            draft.x_tags.append(_decoded(value))
        if name.lower() in added and name.lower() == "x-tag":
            continue
        if name.lower() in added:
            draft.keep(
                f"{place}[{at}]", "the header is there twice, and fields hold one"
            )
        added.add(name.lower())
        merged = {k: v for k, v in merged.items() if k.lower() != name.lower()}
        merged[name] = value if header_rules.is_structured(name) else _decoded(value)
    if merged:
        draft.put("headers", merged, place)


def _file(draft: Draft, file: Mapping[str, Any], place: str) -> dict[str, Any]:
    if file.get("ContentDescription"):
        draft.notes.append(f"{place}.ContentDescription")
    fields = {
        "content": as_bytes(file.get("RawContent", b"")),
        "filename": file.get("FileName", ""),
        "inline": file.get("ContentDisposition") == "INLINE",
        "content_id": _bare(file.get("ContentId")),
        "content_type": file.get("ContentType") or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def as_bytes(data: bytes | bytearray | str) -> bytes:
    """Give a blob as botocore sends it: text as UTF-8."""
    return data.encode() if isinstance(data, str) else bytes(data)


def _bare(content_id: str | None) -> str | None:
    return (content_id or "").strip().removeprefix("<").removesuffix(">") or None


def _decoded(text: str) -> str:
    """Undo encoded words: SES passes ASCII on as it is, and readers see what they mean."""
    decoded, exact = encoded_words.decode(text)
    return decoded if exact else text
