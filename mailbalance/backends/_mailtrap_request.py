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
    from collections.abc import Mapping, Sequence

    from mailbalance.address import Address
    from mailbalance.attachment import Attachment
    from mailbalance.message import Envelope, Message
    from mailbalance.options import MailtrapOptions

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
    body = own_part(message, envelope)
    body.update(content_part(message, envelope))
    return body


def own_part(message: Message, envelope: Envelope) -> dict[str, Any]:
    """Give what a body says of this very message: who it goes to, and its variables."""
    body: dict[str, Any] = {}
    if message.to:
        body["to"] = [_address(each) for each in message.to]
    if message.cc:
        body["cc"] = [_address(each) for each in message.cc]
    if hidden := _missing(envelope.recipients, _shown(message)):
        body["bcc"] = [{"email": email} for email in hidden]
    if found := variables(message, _size):
        body["custom_variables"] = found
    return body


def content_part(message: Message, envelope: Envelope) -> dict[str, Any]:
    """Give what a body says whoever gets it."""
    sender, reply_to = message.from_, message.reply_to
    body: dict[str, Any] = {
        "from": _address(sender) if sender else {"email": envelope.sender}
    }
    if len(reply_to) == 1:
        body["reply_to"] = _address(reply_to[0])
    if message.headers or len(reply_to) > 1:
        body["headers"] = _headers(message)
    if message.attachments:
        contents = _json.attached(message)
        pairs = zip(message.attachments, contents, strict=True)
        body["attachments"] = [_attachment(*pair) for pair in pairs]
    if message.mailtrap.template_uuid:
        body.update(_template(message.mailtrap))
        return body
    for name in _OF_TEMPLATE:
        if said := getattr(message, name):
            body[name] = _json.text(said)
    return body


def reason_against(message: Message, envelope: Envelope) -> str | None:
    """Say why Mailtrap's API cannot carry the message, or ``None`` when it can."""
    return (
        _in_what_only_others_say(message)
        or _in_addresses(message, envelope)
        or _in_content(message)
        or _in_extras(message)
    )


def _in_what_only_others_say(message: Message) -> str | None:
    for sentence in message.unrepresented:
        return (
            f"raw: Mailtrap's API takes no MIME, and its fields cannot say: {sentence}"
        )
    if not message.ses.model_fields_set:
        return None
    for name, why in _ONLY_SES.items():
        if getattr(message.ses, name) and not _has_own_template(message, name):
            return f"ses[{name!r}]: {why}"
    return None


def _in_addresses(message: Message, envelope: Envelope) -> str | None:
    for name in ("to", "cc", "bcc"):
        if (count := len(getattr(message, name))) > MOST_IN_A_LIST:
            return f"{name}: {count} addresses, and Mailtrap takes {MOST_IN_A_LIST}"
    sender, recipients = message.from_, envelope.recipients
    if _missing(_shown(message), recipients):
        return "to, cc: Mailtrap's API sends to everybody it shows, and one is left out"
    if sender is not None and envelope.sender != sender.email:
        return "from_: Mailtrap's API takes no other envelope sender"
    # Whom To and Cc name is among the recipients, with the same part before the @.
    emails = [envelope.sender, *recipients]
    if message.reply_to:
        emails += [each.email for each in message.reply_to]
    written = "".join(emails)
    if not written.isascii():
        return "to, from_: a part before the @ is not ASCII, which Mailtrap garbles"
    if '"' in written:
        return "to, from_: a part before the @ is quoted, which Mailtrap may not read"
    return None


def _in_content(message: Message) -> str | None:
    if message.mailtrap.template_uuid:
        for name in _OF_TEMPLATE:
            if getattr(message, name):
                return f"{name}: Mailtrap's template makes it; leave it out"
    elif not message.subject:
        return "subject: Mailtrap's API wants one"
    elif not (message.text or message.html):
        return "text, html: Mailtrap's API wants one of them"
    return None


def _in_extras(message: Message) -> str | None:
    for name in message.headers if message.headers else ():
        if name.lower() in RESERVED:
            return f"headers[{name!r}]: Mailtrap reserves it"
    for each in message.attachments:
        if not each.content:
            return "attachments: one is empty, which Mailtrap's API does not take"
    if message.metadata and (size := _size(message.metadata)) > MOST:
        return (
            f"metadata: {size} bytes as JSON, and Mailtrap takes {MOST} and "
            "drops all of it beyond"
        )
    if message.may_exceed(LIMITS.size):
        return (
            f"attachments: the message may reach {message.size()} bytes and Mailtrap "
            f"takes {LIMITS.size}"
        )
    return None


def _has_own_template(message: Message, name: str) -> bool:
    """Whether an SES template stands beside a Mailtrap one, each for its own side."""
    return name.startswith("template_") and bool(message.mailtrap.template_uuid)


def _size(found: Mapping[str, str]) -> int:
    """Count as the longest usual form does, with escapes and spaces."""
    return len(json.dumps(dict(found)))


def _shown(message: Message) -> list[str]:
    """Give the addresses that everybody sees among the recipients."""
    return [each.email for each in message.to + message.cc]


def _missing(emails: Sequence[str], among: Sequence[str]) -> list[str]:
    """Give those of some addresses that are not among others."""
    if set(among).issuperset(emails):
        return []
    keys = set(map(_key, among))
    return [email for email in emails if _key(email) not in keys]


def _key(email: str) -> tuple[str, str]:
    local, _, domain = email.rpartition("@")
    return local, domain.lower()


def _address(address: Address) -> dict[str, str]:
    if address.name:
        return {"email": address.email, "name": address.name}
    return {"email": address.email}


def _headers(message: Message) -> dict[str, str]:
    if len(message.reply_to) < 2:
        return dict(message.headers)
    return {**message.headers, "Reply-To": mime.address_list(message.reply_to)}


def _template(options: MailtrapOptions) -> dict[str, Any]:
    content: dict[str, Any] = {"template_uuid": options.template_uuid}
    if options.template_variables:
        content["template_variables"] = thaw(options.template_variables)
    return content


def _attachment(attachment: Attachment, content: _json.Base64) -> dict[str, Any]:
    fields = {
        "content": content,
        "filename": attachment.filename,
        "type": attachment.content_type,
        "disposition": "inline" if attachment.inline else "attachment",
    }
    named = {"content_id": attachment.content_id} if attachment.content_id else {}
    return fields | named
