"""The header of a parsed message: who, what, when, and what only the original says.

What lives here: header fields to the fields of a Message. What must not: bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mailbalance.address import Address
from mailbalance.mime import address_lists, control_headers
from mailbalance.mime.dates import read_date
from mailbalance.mime.structure import Part
from mailbalance.rules import address_rules, encoded_words, header_rules

_LISTS = {"to": "to", "cc": "cc", "bcc": "bcc", "reply-to": "reply_to"}
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

#: Read elsewhere, or without meaning for a message that is written anew.
_READ = frozenset(["from", *_LISTS, "subject", "date", "message-id", "mime-version"])
_OF_PARTS = re.compile(r"content-(?!language$)")


def read(part: Part) -> tuple[dict[str, Any], list[str]]:
    """Give a Message's header fields, and sentences on what they cannot say."""
    notes: list[str] = []
    fields = _people(part, notes)
    fields |= _subject_and_stamp(part, notes)
    fields["headers"] = _extra(part, notes)
    decoded = [(name, encoded_words.decode(value)[0]) for name, value in part.fields]
    controls = control_headers.read(decoded)
    fields["ses"], fields["metadata"] = controls.ses, controls.metadata
    fields["category"] = controls.category
    if controls.unread:
        notes.append(
            f"It has control headers we cannot read: {_names(controls.unread)}."
        )
    return fields, notes


def _people(part: Part, notes: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    senders = _addresses(part, "from", notes)
    fields["from_"] = senders[0] if senders else None
    if len(senders) > 1 and len(_values(part, "from")) == 1:
        notes.append("It has several addresses in From.")
    for name, key in _LISTS.items():
        fields[key] = tuple(_addresses(part, name, notes))
    return fields


def _addresses(part: Part, name: str, notes: list[str]) -> list[Address]:
    addresses: list[Address] = []
    for value in _values(part, name):
        found = address_lists.read(value)
        addresses += found.addresses
        if found.grouped and found.addresses:
            notes.append(f"It has a group of addresses in {_title(name)}.")
        if found.unreadable:
            notes.append(
                f"It has {found.unreadable} entries in {_title(name)} that are no address."
            )
    return addresses


def _subject_and_stamp(part: Part, notes: list[str]) -> dict[str, Any]:
    single = ("subject", "date", "message-id", "from")
    repeated = [name for name in single if len(_values(part, name)) > 1]
    notes += [f"It has more than one {_title(name)}." for name in repeated]
    subject, exact = encoded_words.decode(part.get("subject"))
    clean = _UNSAFE.sub(" ", subject.replace("\t", " "))
    if not exact or clean != subject.replace("\t", " "):
        notes.append("It has characters in Subject that are no text.")
    written_id, written_date = part.get("message-id"), part.get("date")
    date = read_date(written_date)
    message_id = written_id if header_rules.is_message_id(written_id) else None
    if written_id and message_id is None:
        notes.append("It has a Message-ID that is none; it gets a new one.")
    if written_date and date is None:
        notes.append("It has a Date that cannot be read; it gets a new one.")
    return {"subject": clean, "date": date, "message_id": message_id}


def _extra(part: Part, notes: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    lost: list[str] = []
    for name, value in part.fields:
        if name in _READ or _OF_PARTS.match(name) or control_headers.is_control(name):
            continue
        # In structured headers too: the stdlib writes a long URL as encoded words.
        text, exact = encoded_words.decode(value)
        if name in headers or not exact or header_fault(name, text) is not None:
            lost.append(name)
        else:
            headers[name] = text
    if lost:
        notes.append(f"It has headers that only the original carries: {_names(lost)}.")
    return {_title(name): value for name, value in headers.items()}


def header_fault(name: str, value: str) -> str | None:
    """Say why a message cannot carry this extra header, or ``None`` when it can."""
    fault = header_rules.fault_in_name(name) or header_rules.fault_in_value(name, value)
    if fault is None and header_rules.holds_addresses(name):
        return address_rules.fault_in(value)
    return fault


def _values(part: Part, name: str) -> list[str]:
    return [value for key, value in part.fields if key == name]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted({_title(name) for name in names}))


def _title(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))
