"""What SES would refuse of a message's content.

What lives here: bodies, headers, files, templates and raw MIME as wholes. What must not:
codes and order (``faults``), rules for single values (``fault_words``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailbalance.dropin.calls import fault_words, templates
from mailbalance.dropin.calls.content import as_bytes
from mailbalance.errors import MessageError
from mailbalance.message import Message

Content = Mapping[str, Any]

#: Bytes of a message after base64. Source: SES developer guide, "Service quotas" (2026-11).
MOST_V1, MOST_V2 = 10 * 1024 * 1024, 40 * 1024 * 1024

#: Headers beside simple content or a template. Source: as above.
MOST_HEADERS = 15

#: Characters of a file's name, type, id and description. Source: botocore's model (1.44).
_LONGEST = {
    "FileName": 255,
    "ContentType": 78,
    "ContentId": 78,
    "ContentDescription": 1000,
}

_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WAYS = ("TemplateName", "TemplateArn", "TemplateContent")

#: Finds any file name that may be forbidden, before a message is taken apart for it.
_SUSPECT = re.compile(
    rb"name[^\n]{0,300}\.(?:%s)\b"
    % b"|".join(sorted(ending.encode() for ending in fault_words.FORBIDDEN_ENDINGS)),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A fault: SES's words, and its code when it is not the one for bad parameters."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a raw message's header must say because the call does not.

    Attributes:
        sender: From.
        recipients: To, Cc or Bcc.
    """

    sender: bool
    recipients: bool


def is_set_name(name: str | None) -> bool:
    """Whether a configuration set may have the name; none and an empty one are fine."""
    return not name or _SET_NAME.fullmatch(name) is not None


def simple(content: Content, most: int) -> Iterator[Found]:
    """Check v1's Message or v2's Simple."""
    body = content.get("Body") or {}
    if not any(name in body for name in ("Text", "Html")):
        yield Found("The message body must have Text or Html.")
    texts = [(content.get("Subject") or {}).get("Data", "")]
    texts += [(part or {}).get("Data", "") for part in body.values()]
    yield from extras(content)
    files = content.get("Attachments") or ()
    attached = sum(len(as_bytes(file.get("RawContent", b""))) for file in files)
    yield from _size(
        sum(len(text.encode("utf-8", "replace")) for text in texts) + attached * 4 // 3,
        most,
    )


def extras(content: Content) -> Iterator[Found]:
    """Check the headers and files beside simple content or a template."""
    yield from headers(content.get("Headers") or ())
    for file in content.get("Attachments") or ():
        yield from _file(file)


def headers(given: Sequence[Mapping[str, str]]) -> Iterator[Found]:
    """Check extra headers."""
    if len(given) > MOST_HEADERS:
        yield Found(f"Number of headers exceeds {MOST_HEADERS}.")
    yield from _each(fault_words.in_header, given)


def template(content: Content) -> Iterator[Found]:
    """Check v2's Template."""
    if sum(bool(content.get(name)) for name in _WAYS) != 1:
        yield Found("Exactly one of TemplateName, TemplateArn or TemplateContent.")
    yield from data(content.get("TemplateData"))
    yield from extras(content)


def data(text: str | None) -> Iterator[Found]:
    """Check template data."""
    if len(text or "") > templates.LONGEST_DATA or templates.data_of(text) is None:
        yield Found(
            f"TemplateData must be a JSON object of at most {templates.LONGEST_DATA} "
            "characters."
        )


def raw(given: bytes | bytearray | str, needs: Needs, most: int) -> Iterator[Found]:
    """Check a finished message as far as SES does."""
    source = as_bytes(given)
    if not source:
        yield Found("Raw message is empty.")
        return
    yield from _size(len(source), most)
    suspect = _SUSPECT.search(source) is not None
    if needs.sender or needs.recipients or suspect:
        yield from _raw_parts(source, needs)


def _raw_parts(source: bytes, needs: Needs) -> Iterator[Found]:
    try:
        message = Message.from_mime(source)
    except MessageError:
        return
    if needs.sender and message.from_ is None:
        yield Found("Missing required header 'From'.")
    if needs.recipients and not (message.to or message.cc or message.bcc):
        yield Found("Missing required header 'To'.")
    names = [file.filename for file in message.attachments]
    yield from _each(fault_words.in_file_name, names)


def _file(file: Content) -> Iterator[Found]:
    name = file.get("FileName") or ""
    if not name:
        yield Found("Attachment FileName must have 1 to 255 characters.")
    for member, most in _LONGEST.items():
        if len(file.get(member) or "") > most:
            yield Found(f"Attachment {member} must have at most {most} characters.")
    if (text := fault_words.in_file_name(name)) is not None:
        yield Found(text)


def _size(size: int, most: int) -> Iterator[Found]:
    if size > most:
        yield Found(f"Message length is more than {most} bytes long: '{size}'.")


def _each(check: Callable[[Any], str | None], values: Sequence[Any]) -> Iterator[Found]:
    for value in values:
        if (text := check(value)) is not None:
            yield Found(text)
