"""Finished MIME in a call, and who it goes to.

What lives here: SES's rules on what a call's parameters replace in a raw message. What
must not: MIME itself; ``Message.from_mime`` takes it apart.

Source: SES API reference, SendRawEmail and (v2) RawMessage; developer guide, "Sending raw
email" (2026-11). SES always writes its own envelope sender: a v1 ``Source`` and a
Return-Path header only say where it forwards bounces to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mailbalance.dropin.calls import addresses, tags
from mailbalance.dropin.calls.content import as_bytes
from mailbalance.dropin.calls.draft import Draft
from mailbalance.envelope import unchecked
from mailbalance.errors import MessageError
from mailbalance.message import Message
from mailbalance.mime import raw as raw_form
from mailbalance.mime import reader
from mailbalance.mime.transfer import crlf
from mailbalance.rules import encoded_words

_RETURN_PATH, _TAGS = b"return-path", b"x-ses-message-tags"
#: How django-anymail writes tags for SES: one header for each.
_X_TAG = b"x-tag"
_TAKEN_OUT = re.compile(
    rb"^(?:return-path|x-ses-message-tags|x-tag)[ \t]*:", re.I | re.M
)

_END = re.compile(rb"\r?\n\r?\n")

#: SES reads To, Cc and Bcc alone, and who else a message may go to it must judge itself.
_RESENT = "it has Resent headers, which SES does not read"


def read_raw(draft: Draft, data: bytes | bytearray | str, place: str) -> None:
    """Read a finished message; the rest of the call changes it afterwards."""
    for name in ("from_", "to", "cc", "bcc", "reply_to", "raw"):
        draft.places.setdefault(name, place)
    source, taken = _without(as_bytes(data), draft.x_tags)
    try:
        read = reader.parse(source)
        draft.base = Message(
            **read.fields, raw=read.raw, unrepresented=read.unrepresented
        )
    except MessageError as error:
        draft.keep(place, f"{error} (the message as a whole)")
        draft.wordless = True
        return
    draft.unclear = (*read.faults, *([_RESENT] if read.resent else ()))
    if draft.base.ses.model_fields_set:
        given = draft.base.ses.model_dump(exclude_unset=True)
        draft.fields["ses"] = given
        draft.places |= {f"ses.{name}": place for name in given}
    _read_taken(draft, taken, place)


def read_recipients(
    draft: Draft, groups: Iterable[tuple[Iterable[str], str]], place: str
) -> None:
    """Read the recipients of the call; without any, those of the headers count."""
    found = [
        address
        for texts, where in groups
        for address in addresses.read_all(draft, texts, where)
    ]
    base = draft.base
    if base is None or draft.unread:
        draft.unread += [address.email for address in found]
        return
    if found:
        seen = {_key(each.email): each.email for each in reversed(found)}
        ordered = dict.fromkeys(seen[_key(each.email)] for each in found)
        sender = draft.fields.get("from_") or base.from_
        if sender is None:
            draft.keep(place, "it has no From")
        draft.envelope = unchecked(sender.email if sender else "", tuple(ordered))
    for fault in draft.unclear:
        # Recipients of the call replace those of the header.
        if not (found and fault.startswith(("To:", "Cc:", "Bcc:"))):
            draft.keep(place, fault)


def read_v1_source(draft: Draft, text: str | None) -> None:
    """Read ``Source``: where bounces go, and From for a message that has none."""
    if draft.base is None or draft.base.from_ is None:
        addresses.read_sender(draft, text, "Source")
    elif text:
        address = addresses.read(text)
        if address is None:
            draft.keep("Source", addresses.UNREADABLE)
        elif address.email != draft.base.from_.email:
            draft.option("feedback_address", address.email, "Source")


def read_v2_authors(draft: Draft, params: Mapping[str, Any]) -> None:
    """Read From and Reply-To, which in v2 replace those of the message."""
    addresses.read_sender(draft, params.get("FromEmailAddress"), "FromEmailAddress")
    addresses.read_replies(draft, params)
    for name in ("from_", "reply_to"):
        said = getattr(draft.base, name, None)
        if name in draft.fields and draft.fields[name] == said:
            del draft.fields[name]


def _without(data: bytes, x_tags: list[str]) -> tuple[bytes, dict[bytes, str]]:
    """Take out the headers that SES reads and does not send; give the first of each.

    Of several ``X-Tag`` headers, the first stays; all are added to ``x_tags``.
    """
    end = _END.search(data)
    if not _TAKEN_OUT.search(data[: end.start()] if end else data):
        return data, {}
    fields, body = raw_form.split(crlf(raw_form.without_envelope_line(data)))
    taken: dict[bytes, str] = {}
    kept: list[bytes] = []
    for field in fields:
        name = raw_form.name_of(field)
        if name in (_RETURN_PATH, _TAGS):
            value = field.partition(b":")[2].decode("ascii", "replace")
            taken.setdefault(name, " ".join(value.split()))
            continue
        if name == _X_TAG:
            value = field.partition(b":")[2].decode("utf-8", "replace")
            x_tags.append(encoded_words.decode(" ".join(value.split()))[0])
        if name != _X_TAG or len(x_tags) == 1:
            kept.append(field)
    return b"".join([*kept, b"\r\n", body]), taken


def _read_taken(draft: Draft, taken: Mapping[bytes, str], place: str) -> None:
    path = taken.get(_RETURN_PATH, "").strip("<> ")
    if path and (address := addresses.read(path)) is not None:
        draft.option("feedback_address", address.email, place)
    pairs = [pair.partition("=") for pair in taken.get(_TAGS, "").split(",")]
    read = {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
    if read:
        draft.places |= {"metadata": place, "category": place}
        tags.take(draft, read)


def _key(email: str) -> tuple[str, str]:
    local, _, domain = email.rpartition("@")
    return local, domain.lower()
