"""What a stored message says: its parts, whichever door it came through.

What lives here: reading for people and for tests, after the message was taken over; by
the standard library's ``email`` where it is MIME. What must not: judging a message; the
doors do that before they accept it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import quote
from typing import Any

from mailbalance.sandbox.header_addresses import address_in, mailboxes_in

Json = dict[str, Any]

_SPECIAL = re.compile(r'[()<>\[\]:;@\\,."]')


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment, without its content."""

    filename: str
    content_type: str
    size: int
    disposition: str
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The parts of a message as a mail reader would show them.

    Addresses are header forms, ``Ana <ana@example.com>``; ``bcc`` are, for MIME, the
    envelope's recipients that no header names. ``variables`` are SES message tags or
    Mailtrap custom variables. ``template`` is the id or name, if one was used.
    """

    sender: str
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[File, ...] = ()
    category: str | None = None
    variables: Mapping[str, str]
    configuration_set: str | None = None
    template: str | None = None


def read(door: str, raw: bytes, recipients: tuple[str, ...]) -> Parsed:
    """Read what came through a door."""
    if door.endswith("-smtp"):
        return read_mime(raw, recipients)
    request: Json = json.loads(raw)
    return _read_mailtrap(request) if door == "mailtrap" else _read_ses(request)


def read_mime(
    raw: bytes, recipients: Iterable[str], variables: Mapping[str, str] | None = None
) -> Parsed:
    """Read a MIME message; ``variables`` take the place of those in its headers.

    Rubbish gives empty parts, never an error; the raw bytes tell the rest.
    """
    try:
        return _read_mime(raw, recipients, variables)
    except Exception:  # noqa: BLE001 - on rubbish ``email`` raises IndexError and more
        return Parsed(sender="", variables=variables or {})


def _read_mime(
    raw: bytes, recipients: Iterable[str], variables: Mapping[str, str] | None
) -> Parsed:
    message = message_from_bytes(raw, policy=SMTP)
    to, cc = _addresses(message, "to"), _addresses(message, "cc")
    named = {address_in(a).lower() for a in (*to, *cc)}
    return Parsed(
        sender=", ".join(_addresses(message, "from")),
        to=to,
        cc=cc,
        bcc=tuple(r for r in recipients if r.lower() not in named),
        reply_to=_addresses(message, "reply-to"),
        subject=str(message.get("subject", "")),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        headers=tuple((name, str(value)) for name, value in message.items()),
        attachments=tuple(_file(part) for part in _files(message)),
        category=message.get("x-mt-category"),
        variables=mime_variables(message) if variables is None else variables,
        configuration_set=message.get("x-ses-configuration-set"),
    )


def mime_variables(message: Mapping[str, Any] | EmailMessage) -> dict[str, str]:
    """Custom variables or tags from the providers' control headers.

    Mailtrap ignores the whole header if it is over 1000 bytes or not a JSON object
    (help page "Custom variables", 2026-08).
    """
    found: dict[str, str] = {}
    packed = str(message.get("x-mt-custom-variables", ""))
    if packed and len(packed.encode()) <= 1000:
        try:
            loaded = json.loads(packed)
        except (ValueError, RecursionError):
            loaded = None
        if isinstance(loaded, dict):
            found |= {k: str(v) for k, v in loaded.items()}
    for pair in str(message.get("x-ses-message-tags", "")).split(","):
        name, equals, value = pair.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def _addresses(message: EmailMessage, name: str) -> tuple[str, ...]:
    values = [str(value) for value in message.get_all(name, [])]
    return tuple(_shown(*pair) for pair in mailboxes_in(values))


def _shown(name: str, email: str) -> str:
    # not formataddr: it encodes names that are not ASCII, and refuses such addresses
    if not name:
        return email
    return (
        f'"{quote(name)}" <{email}>' if _SPECIAL.search(name) else f"{name} <{email}>"
    )


def _body(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body(preferencelist=(subtype,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except LookupError:  # a charset that Python does not know
        payload = part.get_payload(decode=True)
        return payload.decode("latin-1") if isinstance(payload, bytes) else None


def _files(message: EmailMessage) -> list[EmailMessage]:
    bodies = [message.get_body(("plain",)), message.get_body(("html",))]
    return [part for part in _leaves(message) if part not in bodies]


def _leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    # an attached message is one file, whatever is in it
    if part.get_content_maintype() != "multipart":
        yield part
        return
    for inner in part.iter_parts():
        if isinstance(inner, EmailMessage):
            yield from _leaves(inner)


def _file(part: EmailMessage) -> File:
    attached = part.get_content_maintype() == "message"
    content = _attached(part) if attached else part.get_payload(decode=True)
    content_id = part.get("content-id")
    return File(
        filename=part.get_filename() or "",
        content_type=part.get_content_type(),
        size=len(content) if isinstance(content, bytes) else 0,
        disposition=part.get_content_disposition() or "inline",
        content_id=None if content_id is None else str(content_id).strip("<>"),
    )


def _attached(part: EmailMessage) -> bytes:
    inner = part.get_payload(0)
    return inner.as_bytes() if isinstance(inner, EmailMessage) else b""


def _read_mailtrap(request: Json) -> Parsed:
    reply_to = request.get("reply_to")
    return Parsed(
        sender=_mailtrap_address(request.get("from") or {}),
        to=tuple(map(_mailtrap_address, request.get("to") or ())),
        cc=tuple(map(_mailtrap_address, request.get("cc") or ())),
        bcc=tuple(map(_mailtrap_address, request.get("bcc") or ())),
        reply_to=(_mailtrap_address(reply_to),) if reply_to else (),
        subject=request.get("subject") or "",
        text=request.get("text"),
        html=request.get("html"),
        headers=tuple((request.get("headers") or {}).items()),
        attachments=tuple(map(_mailtrap_file, request.get("attachments") or ())),
        category=request.get("category"),
        variables=_strings(request.get("custom_variables") or {}),
        template=request.get("template_uuid"),
    )


def _mailtrap_address(address: Mapping[str, str]) -> str:
    return _shown(address.get("name") or "", address.get("email") or "")


def _mailtrap_file(attachment: Mapping[str, str]) -> File:
    return File(
        filename=attachment["filename"],
        content_type=attachment.get("type") or "application/octet-stream",
        size=_decoded_size(attachment["content"]),
        disposition=attachment.get("disposition") or "attachment",
        content_id=attachment.get("content_id"),
    )


def _read_ses(request: Json) -> Parsed:
    content = request["Content"]
    tags = {t["Name"]: t["Value"] for t in request.get("EmailTags") or ()}
    if "Raw" in content:
        raw = base64.b64decode(content["Raw"]["Data"])
        named = _ses_destination(request)
        everyone = [address_in(a) for group in named for a in group]
        return read_mime(raw, everyone, tags or None)
    simple = content.get("Simple") or content.get("Template") or {}
    body = simple.get("Body") or {}
    to, cc, bcc = _ses_destination(request)
    return Parsed(
        sender=request.get("FromEmailAddress") or "",
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=tuple(request.get("ReplyToAddresses") or ()),
        subject=(simple.get("Subject") or {}).get("Data") or "",
        text=(body.get("Text") or {}).get("Data"),
        html=(body.get("Html") or {}).get("Data"),
        headers=tuple((h["Name"], h["Value"]) for h in simple.get("Headers") or ()),
        attachments=tuple(map(_ses_file, simple.get("Attachments") or ())),
        variables=tags,
        configuration_set=request.get("ConfigurationSetName"),
        template=simple.get("TemplateName") or simple.get("TemplateArn"),
    )


def _ses_destination(request: Json) -> tuple[tuple[str, ...], ...]:
    destination = request.get("Destination") or {}
    names = ("ToAddresses", "CcAddresses", "BccAddresses")
    return tuple(tuple(destination.get(name) or ()) for name in names)


def _ses_file(attachment: Mapping[str, str]) -> File:
    disposition = attachment.get("ContentDisposition") or "ATTACHMENT"
    return File(
        filename=attachment["FileName"],
        content_type=attachment.get("ContentType") or "application/octet-stream",
        size=_decoded_size(attachment["RawContent"]),
        disposition=disposition.lower(),
        content_id=attachment.get("ContentId"),
    )


def _decoded_size(content: str) -> int:
    try:
        return len(base64.b64decode(content))
    except binascii.Error:
        return 0


def _strings(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}
