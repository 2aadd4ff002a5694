"""A message as the body of Mailtrap's ``POST /api/send``, and what it cannot say; pure.

What lives here: the mapping, Mailtrap's published limits, the check against them. What
must not: hosts and tokens, sending, judging replies.

Sources: Mailtrap's OpenAPI files (2026-06) and help pages "Sending limits" and "Custom
variables" (2026-08); reserved headers after Mailtrap's own local tool (2026-07), since no
list is published. Message-ID and Date cannot be given: Mailtrap writes its own.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from mailbalance import mime
from mailbalance.backend import Limits
from mailbalance.backends import _json
from mailbalance.backends._mailtrap_variables import MOST, variables
from mailbalance.options import thaw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mailbalance.address import Address
    from mailbalance.attachment import Attachment
    from mailbalance.message import Envelope, Message

#: Addresses in each of To, Cc and Bcc.
MOST_IN_A_LIST = 1000

#: Of one message. The size is taken for that of the finished message.
LIMITS = Limits(
    size=10 * 1024 * 1024,
    recipients=3 * MOST_IN_A_LIST,
    source="https://docs.mailtrap.io/email-api-smtp/setup/sending-limits",
    checked=date(2026, 11, 23),
)

#: Headers with fields of their own, or that only Mailtrap writes.
RESERVED = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "category"}
    | {"mime-version", "content-type", "content-transfer-encoding", "received"}
    | {"return-path", "dkim-signature", "x-mt-category", "x-mt-custom-variables"}
)

#: What a stored template makes, so that nothing else may say it.
_OF_TEMPLATE = ("subject", "text", "html", "category")

#: Options of SES that change what a message is, each with what it stands for.
_ONLY_SES = {
    "template_name": "the template is stored at SES",
    "template_arn": "the template is stored at SES",
    "contact_list": "SES keeps the contact list and makes the unsubscribe link",
    "tenant": "Mailtrap has no tenants",
    "endpoint_id": "Mailtrap has no multi-region endpoints",
}


def request_body(message: Message, envelope: Envelope) -> dict[str, Any]:
    """Give the JSON body.

    Args:
        message: What to send; one that ``reason_against`` has nothing against.
        envelope: Who it goes to in this try; it may leave out Bcc recipients, and add
            some, who then get blind copies.
    """
    sender = message.from_
    hidden = _hidden(message, envelope)
    body: dict[str, Any] = {
        "from": _address(sender) if sender else {"email": envelope.sender},
        "to": [_address(each) for each in message.to],
        "cc": [_address(each) for each in message.cc],
        "bcc": [{"email": email} for email in hidden],
        "headers": _headers(message),
        "custom_variables": dict(variables(message, _size)),
        "attachments": [
            _attachment(each, content)
            for each, content in zip(
                message.attachments, _json.attached(message), strict=True
            )
        ],
    }
    if len(message.reply_to) == 1:
        body["reply_to"] = _address(message.reply_to[0])
    return {name: value for name, value in body.items() if value} | _content(message)


def recipients(body: dict[str, Any]) -> int:
    """Count the recipients of a body."""
    return sum(len(body.get(name, ())) for name in ("to", "cc", "bcc"))


def reason_against(message: Message, envelope: Envelope) -> str | None:
    """Say why Mailtrap's API cannot carry the message, or ``None`` when it can."""
    return next(_reasons(message, envelope), None)


def _reasons(message: Message, envelope: Envelope) -> Iterator[str]:
    for sentence in message.unrepresented:
        yield f"raw: Mailtrap's API takes no MIME, and its fields cannot say: {sentence}"
    for name, why in _ONLY_SES.items():
        if getattr(message.ses, name) and not _has_own_template(message, name):
            yield f"ses[{name!r}]: {why}"
    yield from _in_addresses(message, envelope)
    yield from _in_content(message)
    if message.may_exceed(LIMITS.size):
        yield (
            f"attachments: the message may reach {message.size()} bytes and Mailtrap "
            f"takes {LIMITS.size}"
        )


def _in_addresses(message: Message, envelope: Envelope) -> Iterator[str]:
    for name in ("to", "cc", "bcc"):
        if (count := len(getattr(message, name))) > MOST_IN_A_LIST:
            yield f"{name}: {count} addresses, and Mailtrap takes {MOST_IN_A_LIST}"
    wanted = set(map(_key, envelope.recipients))
    if any(_key(each.email) not in wanted for each in (*message.to, *message.cc)):
        yield "to, cc: Mailtrap's API sends to everybody it shows, and one is left out"
    if message.from_ is not None and envelope.sender != message.from_.email:
        yield "from_: Mailtrap's API takes no other envelope sender"
    shown = (message.from_, *message.to, *message.cc, *message.reply_to)
    emails = (*envelope.recipients, *(each.email for each in shown if each))
    if not all(map(str.isascii, emails)):
        yield "to, from_: a part before the @ is not ASCII, which Mailtrap garbles"


def _in_content(message: Message) -> Iterator[str]:
    if message.mailtrap.template_uuid:
        for name in _OF_TEMPLATE:
            if getattr(message, name):
                yield f"{name}: Mailtrap's template makes it; leave it out"
    elif not message.subject:
        yield "subject: Mailtrap's API wants one"
    for name in message.headers:
        if name.lower() in RESERVED:
            yield f"headers[{name!r}]: Mailtrap reserves it"
    yield from _in_extras(message)


def _in_extras(message: Message) -> Iterator[str]:
    if any(not each.content for each in message.attachments):
        yield "attachments: one is empty, which Mailtrap's API does not take"
    if (size := _size(message.metadata)) > MOST:
        yield (
            f"metadata: {size} bytes as JSON, and Mailtrap takes {MOST} and "
            "drops all of it beyond"
        )


def _has_own_template(message: Message, name: str) -> bool:
    """Whether an SES template stands beside a Mailtrap one, each for its own side."""
    return name.startswith("template_") and bool(message.mailtrap.template_uuid)


def _size(found: Mapping[str, str]) -> int:
    """Count as the longest usual form does, with escapes and spaces."""
    return len(json.dumps(dict(found))) if found else 0


def _hidden(message: Message, envelope: Envelope) -> list[str]:
    seen = {_key(each.email) for each in (*message.to, *message.cc)}
    return [email for email in envelope.recipients if _key(email) not in seen]


def _key(email: str) -> tuple[str, str]:
    local, _, domain = email.rpartition("@")
    return local, domain.lower()


def _address(address: Address) -> dict[str, str]:
    named = {"name": address.name} if address.name else {}
    return {"email": address.email, **named}


def _headers(message: Message) -> dict[str, str]:
    if len(message.reply_to) < 2:
        return dict(message.headers)
    return {**message.headers, "Reply-To": mime.address_list(message.reply_to)}


def _content(message: Message) -> dict[str, Any]:
    options = message.mailtrap
    if options.template_uuid:
        variables = thaw(options.template_variables)
        content = {"template_uuid": options.template_uuid}
        return content | ({"template_variables": variables} if variables else {})
    return dict(_said(message, _OF_TEMPLATE))


def _said(message: Message, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if text := getattr(message, name):
            yield name, text


def _attachment(attachment: Attachment, content: _json.Base64) -> dict[str, Any]:
    fields = {
        "content": content,
        "filename": attachment.filename,
        "type": attachment.content_type,
        "disposition": "inline" if attachment.inline else "attachment",
    }
    named = {"content_id": attachment.content_id} if attachment.content_id else {}
    return fields | named
