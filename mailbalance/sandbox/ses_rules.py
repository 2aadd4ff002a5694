"""What SES refuses of a SendEmail request, in its words.

What lives here: pure checks of the request's JSON. What must not: HTTP, signatures or
storing.

Source: the service model in botocore 1.44 (bounds, patterns), the SES developer guide's
quotas page and its list of unsupported attachment types (2026-11), replies recorded from
AWS by LocalStack (texts about tags and identities).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any

from mailbalance.sandbox.header_addresses import address_in
from mailbalance.sandbox.identity import mime_fields

Json = dict[str, Any]

MAX_RECIPIENTS = 50
MAX_HEADERS = 15
MAX_TEMPLATE_DATA = 262_144
#: Octets of a line with its end, and parts of a message, as its quotas page has them.
MAX_LINE, MAX_PARTS = 1000, 500

_HEADER_NAME = re.compile(r"[!-9;-@A-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_TAG_NAME = re.compile(r"[A-Za-z0-9_-]+|ses:feedback-id-[ab]")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.@-]*")
_CONFIGURATION_SET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FORBIDDEN_HEADERS = """
bcc cc content-disposition content-type date from message-id mime-version reply-to
return-path subject to
"""
_ONCE = """
from sender reply-to to cc subject date message-id in-reply-to references mime-version
content-type content-transfer-encoding list-unsubscribe list-unsubscribe-post
"""
_FORBIDDEN_FILES = """
ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf
ins isp its js jse ksh lib lnk mad maf mag mam maq mar mas mat mau mav maw mda mdb
mde mdt mdw mdz msc msh msh1 msh2 mshxml msh1xml msh2xml msi msp mst ops pcd pif plg
prf prg reg scf scr sct shb shs sys ps1 ps1xml ps2 ps2xml psc1 psc2 tmp url vb vbe
vbs vps vsmacros vss vst vsw vxd ws wsc wsf wsh xnk
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused: SES's error code and words."""

    text: str
    code: str = "BadRequestException"


def problem(request: Json, body_size: int, max_size: int) -> Problem | None:
    """The first thing that is wrong with a request, or ``None``."""
    if _size(request, body_size) > max_size:
        return Problem(f"Message length is more than {max_size} bytes long")
    found = (item for check in _CHECKS for item in check(request))
    return next(found, None)


def _size(request: Json, body_size: int) -> int:
    # the size that counts is that of the MIME message, its attachments in base64
    content = request.get("Content")
    raw = content.get("Raw") if isinstance(content, dict) else None
    data = raw.get("Data") if isinstance(raw, dict) else None
    return len(data) // 4 * 3 if isinstance(data, str) else body_size


def destination(request: Json) -> list[str]:
    """Every address of ``Destination``, To first, then Cc and Bcc."""
    groups = request.get("Destination") or {}
    names = ("ToAddresses", "CcAddresses", "BccAddresses")
    return [address for name in names for address in groups.get(name) or ()]


def _shape(request: Json) -> Iterator[Problem]:
    content = request.get("Content")
    kinds = ("Simple", "Raw", "Template")
    if not isinstance(content, dict) or sum(kind in content for kind in kinds) != 1:
        yield Problem("Exactly one of Simple, Raw or Template must be specified.")
        return
    if "Raw" not in content and not request.get("FromEmailAddress"):
        yield Problem("Missing required field: FromEmailAddress")
    if "Raw" not in content and not destination(request):
        yield Problem("Destination must have at least one address.")


def _tags(request: Json) -> Iterator[Problem]:
    # before the addresses: SES reports a bad tag first
    for tag in request.get("EmailTags") or ():
        name, value = tag.get("Name") or "", tag.get("Value") or ""
        if not name:
            yield Problem("The tag name must be specified.")
        elif len(name) > 255:
            yield Problem("Tag name cannot exceed 255 characters.")
        elif not _TAG_NAME.fullmatch(name):
            yield Problem(
                f"Invalid tag name <{name}>: only alphanumeric ASCII characters, '_',  "
                "'-' are allowed."
            )
        elif not _TAG_VALUE.fullmatch(value):
            yield Problem(
                f"Invalid tag value <{value}>: only alphanumeric ASCII characters, '_',  "
                "'-' , '.', '@' are allowed."
            )


def _addresses(request: Json) -> Iterator[Problem]:
    recipients = destination(request)
    if len(recipients) > MAX_RECIPIENTS:
        yield Problem("Recipient count exceeds 50.", "MessageRejected")
    sender = request.get("FromEmailAddress")
    replies = request.get("ReplyToAddresses") or ()
    for address in (*([sender] if sender else ()), *recipients, *replies):
        if fault := address_fault(address):
            yield Problem(fault)


def address_fault(address: str) -> str | None:
    """What SES says about an address, or ``None`` if it is good."""
    if not address.isascii():
        return "Local address contains control or whitespace"
    spec = address_in(address)
    local, _, domain = spec.rpartition("@")
    if not domain or "@" not in spec:
        return "Missing final '@domain'"
    if not local:
        return "Missing local part"
    if re.search(r"[\x00-\x20\x7f]", spec):
        return "Local address contains control or whitespace"
    return None


def _simple(request: Json) -> Iterator[Problem]:
    simple = request["Content"].get("Simple")
    if simple is None:
        return
    body = simple.get("Body") or {}
    parts: list[Json] = [body[n] for n in ("Text", "Html") if body.get(n)]
    subject: Json = simple.get("Subject") or {}
    if "Data" not in subject:
        yield Problem("Missing required field: Subject")
    if not parts or not all("Data" in part for part in parts):
        yield Problem("The message body must have Text or Html.")
    for part in (subject, *parts):
        charset = part.get("Charset") or "ascii"
        if charset.lower() in {"ascii", "us-ascii"} and not part["Data"].isascii():
            yield Problem(
                "Data has characters that Charset cannot hold; give a Charset."
            )


def _headers(request: Json) -> Iterator[Problem]:
    content = request["Content"]
    headers = (content.get("Simple") or content.get("Template") or {}).get(
        "Headers"
    ) or []
    if len(headers) > MAX_HEADERS:
        yield Problem(f"Number of headers exceeds {MAX_HEADERS}.")
    for header in headers:
        name, value = header.get("Name") or "", header.get("Value") or ""
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            yield Problem(f"Invalid header: {name[:126]}")
        elif len(name) + len(value) > 996:
            yield Problem(f"Header too long: {name}")
        elif name.lower() in _FORBIDDEN_HEADERS.split():
            yield Problem(f"Header not allowed: {name}")


def _attachments(request: Json) -> Iterator[Problem]:
    content = request["Content"]
    part = content.get("Simple") or content.get("Template") or {}
    attachments = part.get("Attachments") or ()
    if len(attachments) + len(part.get("Body") or {}) + 1 > MAX_PARTS:
        yield Problem(f"more than {MAX_PARTS} MIME parts")
    for attachment in attachments:
        name = attachment.get("FileName") or ""
        if not 1 <= len(name) <= 255:
            yield Problem("Attachment FileName must have 1 to 255 characters.")
        elif fault := _file_name_fault(name):
            yield Problem(fault)
        elif not is_base64(attachment.get("RawContent")):
            yield Problem(f"Attachment RawContent is not base64: {name}")
        elif len(attachment.get("ContentId") or "") > 78:
            yield Problem("Attachment ContentId must have at most 78 characters.")


def _raw(request: Json) -> Iterator[Problem]:
    raw = request["Content"].get("Raw")
    if raw is None:
        return
    if not is_base64(raw.get("Data")):
        yield Problem("Raw message is empty or not base64.")
    elif fault := mime_fault(base64.b64decode(raw["Data"])):
        yield Problem(f"Transaction failed: {fault}")


def mime_fault(data: bytes) -> str | None:
    """What SES refuses of a MIME message, by its API and over SMTP alike."""
    longest = max(map(len, re.split(rb"\r\n|\r|\n", data)))
    if longest + 2 > MAX_LINE:
        return f"line longer than {MAX_LINE} octets"
    names = Counter(name.lower() for name, _ in mime_fields(data))
    for name in _ONCE.split():
        if names[name] > 1:
            return f"Duplicate header '{name.title()}'."
    try:
        parts = list(message_from_bytes(data).walk())
    except Exception:  # noqa: BLE001 - on rubbish ``email`` raises IndexError and more
        return None
    if len(parts) > MAX_PARTS:
        return f"more than {MAX_PARTS} MIME parts"
    return next(filter(None, map(_file_name_fault, map(_file_name, parts))), None)


def _file_name(part: Message) -> str:
    try:
        return part.get_filename("")
    except Exception:  # noqa: BLE001 - as above
        return ""


def _file_name_fault(name: str) -> str | None:
    _, dot, ending = name.rpartition(".")
    if dot and ending.lower() in _FORBIDDEN_FILES.split():
        return f"Illegal filename: {name}"
    return None


def _template(request: Json) -> Iterator[Problem]:
    template = request["Content"].get("Template")
    if template is None:
        return
    names = ("TemplateName", "TemplateArn", "TemplateContent")
    if sum(bool(template.get(name)) for name in names) != 1:
        yield Problem("Exactly one of TemplateName, TemplateArn or TemplateContent.")
    data = template.get("TemplateData") or "{}"
    if len(data) > MAX_TEMPLATE_DATA or not _is_json_object(data):
        yield Problem(
            "TemplateData must be a JSON object of at most 262144 characters."
        )


def _names(request: Json) -> Iterator[Problem]:
    name = request.get("ConfigurationSetName")
    if name is not None and not _CONFIGURATION_SET.fullmatch(name):
        yield Problem(
            f"Configuration set <{name}> does not exist.", "NotFoundException"
        )


_CHECKS: tuple[Callable[[Json], Iterator[Problem]], ...] = (
    _shape,
    _tags,
    _addresses,
    _simple,
    _headers,
    _attachments,
    _raw,
    _template,
    _names,
)


def is_base64(value: object) -> bool:
    """Whether a value is non-empty base64 text, as JSON carries blobs."""
    if not isinstance(value, str) or not value:
        return False
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
