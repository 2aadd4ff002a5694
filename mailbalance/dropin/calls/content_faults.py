"""What SES would refuse of a message's content.

What lives here: bodies, headers, files, templates and raw MIME as wholes. What must not:
codes and order (``faults``), rules for single values (``fault_words``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailbalance.backends._ses_form import FORBIDDEN_ENDINGS
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
    % b"|".join(sorted(ending.encode() for ending in FORBIDDEN_ENDINGS)),
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


def is_set_name(name: str) -> bool:
    """Whether a configuration set may have the name."""
    return _SET_NAME.fullmatch(name) is not None


def first(check: Callable[[Any], str | None], values: Iterable[Any]) -> Found | None:
    """Give the first fault that a check of single values finds."""
    for value in values:
        if (text := check(value)) is not None:
            return Found(text)
    return None


def simple(content: Content, most: int) -> Found | None:
    """Check v1's Message or v2's Simple."""
    body = content.get("Body") or {}
    if "Text" not in body and "Html" not in body:
        return Found("The message body must have Text or Html.")
    said = (content.get("Subject"), *body.values())
    texts = [part.get("Data", "") for part in said if part]
    files = content.get("Attachments")
    attached = _attached(files) if files else 0
    # No character takes more than four bytes: few texts are so long that all must count.
    if (size := attached + 4 * sum(map(len, texts))) > most:
        size = attached + sum(len(text.encode("utf-8", "replace")) for text in texts)
    return extras(content) or _size(size, most)


def _attached(files: Sequence[Content]) -> int:
    """Give the bytes of files after base64."""
    return sum(len(as_bytes(file.get("RawContent", b""))) for file in files) * 4 // 3


def extras(content: Content) -> Found | None:
    """Check the headers and files beside simple content or a template."""
    given, files = content.get("Headers"), content.get("Attachments")
    return (headers(given) if given else None) or (_files(files) if files else None)


def headers(given: Sequence[Mapping[str, str]]) -> Found | None:
    """Check extra headers."""
    if len(given) > MOST_HEADERS:
        return Found(f"Number of headers exceeds {MOST_HEADERS}.")
    return first(fault_words.in_header, given)


def template(content: Content) -> Found | None:
    """Check v2's Template."""
    if sum(bool(content.get(name)) for name in _WAYS) != 1:
        return Found("Exactly one of TemplateName, TemplateArn or TemplateContent.")
    return data(content.get("TemplateData")) or extras(content)


def data(text: str | None) -> Found | None:
    """Check template data."""
    if len(text or "") > templates.LONGEST_DATA or templates.data_of(text) is None:
        return Found(
            f"TemplateData must be a JSON object of at most {templates.LONGEST_DATA} "
            "characters."
        )
    return None


def raw(given: bytes | bytearray | str, needs: Needs, most: int) -> Found | None:
    """Check a finished message as far as SES does."""
    source = as_bytes(given)
    if not source:
        return None  # AWS takes it, as LocalStack's tests have recorded
    if (found := _size(len(source), most)) is not None:
        return found
    if needs.sender or needs.recipients or _SUSPECT.search(source) is not None:
        return _raw_parts(source, needs)
    return None


def _raw_parts(source: bytes, needs: Needs) -> Found | None:
    try:
        message = Message.from_mime(source)
    except MessageError:
        return None
    if needs.sender and message.from_ is None:
        return Found("Missing required header 'From'.")
    if needs.recipients and not (message.to or message.cc or message.bcc):
        return Found("Missing required header 'To'.")
    names = [file.filename for file in message.attachments]
    return first(fault_words.in_file_name, names)


def _files(files: Iterable[Content]) -> Found | None:
    return next(filter(None, map(_file, files)), None)


def _file(file: Content) -> Found | None:
    name = file.get("FileName") or ""
    if not name:
        return Found("Attachment FileName must have 1 to 255 characters.")
    for member, most in _LONGEST.items():
        if len(file.get(member) or "") > most:
            return Found(f"Attachment {member} must have at most {most} characters.")
    return first(fault_words.in_file_name, (name,))


def _size(size: int, most: int) -> Found | None:
    if size > most:
        return Found(f"Message length is more than {most} bytes long: '{size}'.")
    return None
