"""The header of a parsed message: who, what, when, and what only the original says.

What lives here: header fields to the fields of a Message. What must not: bodies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mailbalance.address import Address
from mailbalance.mime import address_lists, control_headers
from mailbalance.mime.address_lists import Mailboxes
from mailbalance.mime.dates import read_date
from mailbalance.mime.structure import Part
from mailbalance.rules import address_rules, encoded_words, header_rules

_RECIPIENTS = ("to", "cc", "bcc")

#: Reads all fields of a name, in lower case, that hold addresses.
Lists = Callable[[str], list[Mailboxes]]
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

#: Read elsewhere, or without meaning for a message that is written anew.
_READ = frozenset(
    ["from", *_RECIPIENTS, "reply-to", "subject", "date", "message-id", "mime-version"]
)
_OF_PARTS = re.compile(r"content-(?!language$)")


@dataclass(slots=True)
class Heading:
    """What a header says.

    Attributes:
        fields: Keyword arguments of ``Message``.
        notes: Sentences on what those cannot say.
        faults: Why it is unclear who the message goes to or comes from.
        resent: Whether that is said by Resent-* fields.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    resent: bool = False


def read(part: Part, lists: Lists | None = None) -> Heading:
    """Read a message's header.

    Args:
        part: The message.
        lists: Reads address fields, if not by what the part says.
    """
    found = Heading()
    notes, fields = found.notes, found.fields
    _people(part, lists or _Lists(part), found)
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
    return found


@dataclass(frozen=True, slots=True)
class _Lists:
    """Reads the address fields of a part."""

    part: Part

    def __call__(self, name: str) -> list[Mailboxes]:
        return [address_lists.read(value) for value in _values(self.part, name)]


def _people(part: Part, lists: Lists, found: Heading) -> None:
    prefix = _prefix(part, found)
    found.faults += [
        f"{name}: stands in a line that is no header field; write it as {name}: value"
        for name in part.strays
    ]
    for name in _RECIPIENTS:
        found.fields[name] = tuple(_addresses(lists, prefix + name, found))
    found.fields["reply_to"] = tuple(_addresses(lists, "reply-to", found))
    author = f"{prefix}from" if _values(part, f"{prefix}from") else "from"
    senders = _addresses(lists, author, found)
    found.fields["from_"] = senders[0] if senders else None
    if not senders and "".join(_values(part, author)):
        found.faults.append(f"{_title(author)}: holds no address")
    if len(senders) > 1 and len(_values(part, author)) == 1:
        found.notes.append(f"It has several addresses in {_title(author)}.")


def _prefix(part: Part, found: Heading) -> str:
    """Give what stands before the names of the fields that count now.

    As ``smtplib.send_message`` takes it: Resent-Date begins a resending. Others take any
    Resent-To for one, so that without a date nobody knows.
    """
    dates = len(_values(part, "resent-date"))
    found.resent = any(_values(part, f"resent-{name}") for name in _RECIPIENTS)
    if dates > 1:
        found.faults.append("Resent-Date: is there twice; keep the newest Resent block")
    elif found.resent and not dates:
        found.faults.append(
            "Resent-Date: is missing, so that it is unclear whether the message goes to "
            "Resent-To or To; give it, or leave out the other Resent headers"
        )
    found.resent |= dates > 0
    return "resent-" if found.resent else ""


def _addresses(lists: Lists, name: str, found: Heading) -> list[Address]:
    addresses: list[Address] = []
    title = _title(name)
    for each in lists(name):
        addresses += each.addresses
        if each.grouped and each.addresses:
            found.notes.append(f"It has a group of addresses in {title}.")
        if each.unnamed:
            found.notes.append(f"It has a name in {title} that cannot be written.")
        if name == "reply-to" and each.faults:
            count = len(each.faults)
            found.notes.append(
                f"It has {count} entries in {title} that are no address."
            )
        else:
            found.faults += [f"{title}: {fault}" for fault in each.faults]
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
        notes.append("It has a Message-ID that is none.")
    if written_date and date is None:
        notes.append("It has a Date that cannot be read.")
    return {"subject": clean, "date": date, "message_id": message_id}


def _extra(part: Part, notes: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    lost: list[str] = []
    for name, value in part.fields:
        if name in _READ or _OF_PARTS.match(name) or control_headers.is_control(name):
            continue
        # In structured headers too: the stdlib writes a long URL as encoded words.
        text, exact = _extra_text(name, value)
        if name in headers or not exact or header_fault(name, text) is not None:
            lost.append(name)
        else:
            headers[name] = text
    if lost:
        notes.append(f"It has headers that only the original carries: {_names(lost)}.")
    return {_title(name): value for name, value in headers.items()}


def _extra_text(name: str, value: str) -> tuple[str, bool]:
    """Give a header's text, and whether all of it was read; a name is no address."""
    if not header_rules.holds_addresses(name):
        return encoded_words.decode(value)
    found = address_lists.read(value)
    exact = not (found.faults or found.grouped or found.unnamed)
    return ", ".join(map(str, found.addresses)), exact


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
