"""What Mailtrap's sending API refuses, in its words.

What lives here: pure checks of one message's JSON. What must not: HTTP or storing.

Source: Mailtrap's OpenAPI files (2026-06) and recorded replies; texts marked so in the
tests were recorded, the others follow their form.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

MAX_ADDRESSES = 1000
MAX_CATEGORY = 255
#: Custom variables over this are dropped in silence (help page "Custom variables").
MAX_VARIABLES = 1000

_NOT = r"\s\x00-\x1f\x7f@<>,;"
_ADDRESS = re.compile(rf"[^{_NOT}]+@[^{_NOT}.]+(?:\.[^{_NOT}.]+)*")
#: Headers that have fields of their own. Mailtrap publishes no list; this is the one of
#: its own local tool (2026-07), without Reply-To, which django-anymail sends with success.
_RESERVED = """
from to cc bcc subject date message-id mime-version content-type received return-path
dkim-signature category x-mt-category
"""


def problems(request: Json) -> list[str]:
    """Everything that is wrong with one message; empty if it is accepted."""
    return [text for check in _CHECKS for text in check(request)]


def recipients(request: Json) -> tuple[str, ...]:
    """All addresses, in the order of the ids in the reply: To, Cc, Bcc."""
    groups = (request.get(name) or () for name in ("to", "cc", "bcc"))
    return tuple(address["email"] for group in groups for address in group)


def _sender(request: Json) -> Iterator[str]:
    if not request.get("from"):
        yield "'from' is required"
    elif not _is_address(request["from"]):
        yield "'from' address is invalid"


def _destinations(request: Json) -> Iterator[str]:
    names = [name for name in ("to", "cc", "bcc") if request.get(name)]
    if not names:
        yield "'to', 'cc' or 'bcc' address is required"
    for name in names:
        group = request[name]
        if not isinstance(group, list) or not all(map(_is_address, group)):
            yield f"'{name}' address is invalid"
        elif len(group) > MAX_ADDRESSES:
            yield f"'{name}' must have at most {MAX_ADDRESSES} addresses"
    if request.get("reply_to") and not _is_address(request["reply_to"]):
        yield "'reply_to' address is invalid"


def _content(request: Json) -> Iterator[str]:
    names = ("subject", "text", "html", "category")
    if "template_uuid" in request:
        forbidden = (name for name in names if name in request)
        yield from (f"'{n}' is not allowed with 'template_uuid'" for n in forbidden)
        return
    if not request.get("subject"):
        yield "'subject' is required"
    if not request.get("text") and not request.get("html"):
        yield "must specify either text or html body"
    wrong = (name for name in names if not isinstance(request.get(name) or "", str))
    yield from (f"'{name}' must be a string" for name in wrong)
    if len(str(request.get("category", ""))) > MAX_CATEGORY:
        yield f"'category' must be at most {MAX_CATEGORY} characters"


def _mappings(request: Json) -> Iterator[str]:
    for name in ("headers", "custom_variables", "template_variables"):
        if not isinstance(request.get(name) or {}, dict):
            yield f"'{name}' must be an object"
    headers = request.get("headers")
    for name, value in (headers if isinstance(headers, dict) else {}).items():
        if not isinstance(value, str):
            yield f"'headers' value of '{name}' must be a string"
        if name.lower() in _RESERVED.split():
            yield f"'headers' must not contain reserved header '{name}'"


def _attachments(request: Json) -> Iterator[str]:
    attachments = request.get("attachments") or []
    if not isinstance(attachments, list):
        yield "'attachments' must be an array"
        return
    for number, attachment in enumerate(attachments):
        where = f"attachments[{number}]"
        if not isinstance(attachment, dict) or not attachment.get("filename"):
            yield f"'{where}.filename' is required"
        elif not _is_base64(attachment.get("content")):
            yield f"'{where}.content' must be base64 encoded"
        elif attachment.get("disposition", "attachment") not in {
            "attachment",
            "inline",
        }:
            yield f"'{where}.disposition' is invalid"


_CHECKS: tuple[Callable[[Json], Iterator[str]], ...] = (
    _sender,
    _destinations,
    _content,
    _mappings,
    _attachments,
)


def _is_address(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("email"), str):
        return False
    email = value["email"]
    named = isinstance(value.get("name") or "", str)
    return named and email.isascii() and _ADDRESS.fullmatch(email) is not None


def _is_base64(value: object) -> bool:
    if not isinstance(value, str) or not value:
        return False
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
