"""A message as the body of SES v2 ``SendEmail``: Simple, Template or Raw; pure.

What lives here: the mapping, and the rules that choose the form. What must not: signing,
sending, judging replies.

Sources: botocore's model of sesv2 (1.44, 2026-11) for fields and lengths; SES developer
guide, "Header fields" and "Service quotas" (2026-11), for what is refused.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mailbalance import mime
from mailbalance.address import Address
from mailbalance.backends import _json, _ses_tags
from mailbalance.envelope import Envelope
from mailbalance.options import thaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbalance.attachment import Attachment
    from mailbalance.message import Message
    from mailbalance.options import SesOptions

#: Extra headers of a Simple message or a template, and characters of each.
MOST_HEADERS, LONGEST_VALUE, LONGEST_HEADER = 15, 995, 996

#: Headers that SES refuses beside a Simple message or a template.
RESERVED = frozenset(
    {"bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id"}
    | {"mime-version", "reply-to", "return-path", "subject", "to"}
)

#: Characters of an attachment's fields in a Simple message.
_LONGEST_TYPE, _LONGEST_ID, _LONGEST_FILENAME = 78, 78, 255

_PRINTABLE = re.compile(r"[ -~]+")

#: Types that SES would have to nest or re-encode, of which its pages say nothing.
_NESTED = ("message/", "multipart/")


def request_body(
    message: Message, envelope: Envelope, *, configuration_set: str | None = None
) -> dict[str, Any]:
    """Give the JSON body.

    Args:
        message: What to send; one that ``reason_against`` has nothing against.
        envelope: Who it goes to in this try.
        configuration_set: The backend's own, for messages that name none.
    """
    ses = message.ses
    if ses.template_name or ses.template_arn:
        body = _addressed(message, envelope, {"Template": _template(message)})
    elif why_raw(message, envelope) is None:
        body = _addressed(message, envelope, {"Simple": _simple(message)})
    else:
        body = {
            "Destination": {"ToAddresses": list(envelope.recipients)},
            "Content": {"Raw": {"Data": _json.rendered(message)}},
        }
    return body | _options(message, envelope, configuration_set)


def why_raw(message: Message, envelope: Envelope) -> str | None:
    """Say why the message needs the Raw form, or ``None`` when fields can say it all."""
    if message.raw is not None:
        return "raw: the message is sent as it was given"
    if not _goes_to_all(message, envelope):
        return "to: the recipients of this try are not those of the headers"
    if message.message_id is not None or message.date is not None:
        return "message_id, date: only a whole MIME message can carry them"
    if message.headers or message.attachments:
        return next(_raw_reasons_of_parts(message), None)
    return None


def _raw_reasons_of_parts(message: Message) -> Iterator[str]:
    if len(message.headers) > MOST_HEADERS:
        yield f"headers: there are more than {MOST_HEADERS}"
    for name, value in message.headers.items():
        if name.lower() in RESERVED or not _fits(name, value):
            yield f"headers[{name!r}]: its name, length or characters are not taken"
    for attachment in message.attachments:
        if not _is_plain(attachment):
            yield "attachments: a type, name or content id is not taken as a field"


def _goes_to_all(message: Message, envelope: Envelope) -> bool:
    """Say whether a try is for exactly those whom the message names."""
    addresses = (*message.to, *message.cc, *message.bcc)
    if len(addresses) == 1:
        return envelope.recipients == (addresses[0].email,)
    return set(envelope.recipients) == set(Envelope.of(message).recipients)


def _fits(name: str, value: str) -> bool:
    return (
        _PRINTABLE.fullmatch(value) is not None
        and len(value) <= LONGEST_VALUE
        and len(name) + len(value) <= LONGEST_HEADER
    )


def _is_plain(attachment: Attachment) -> bool:
    return (
        bool(attachment.content)
        and attachment.filename.isascii()
        and len(attachment.filename) <= _LONGEST_FILENAME
        and len(attachment.content_type) <= _LONGEST_TYPE
        and len(attachment.content_id or "") <= _LONGEST_ID
        and not attachment.content_type.lower().startswith(_NESTED)
    )


def _addressed(
    message: Message, envelope: Envelope, content: dict[str, Any]
) -> dict[str, Any]:
    destination: dict[str, list[str]] = {}
    if message.to:
        destination["ToAddresses"] = [mime.address(each) for each in message.to]
    if message.cc:
        destination["CcAddresses"] = [mime.address(each) for each in message.cc]
    if message.bcc:
        destination["BccAddresses"] = [each.email for each in message.bcc]
    sender = message.from_
    body: dict[str, Any] = {
        "FromEmailAddress": (
            _written(sender.name, sender.email) if sender else envelope.sender
        ),
        "Destination": destination,
        "Content": content,
    }
    if message.reply_to:
        body["ReplyToAddresses"] = [mime.address(each) for each in message.reply_to]
    return body


@lru_cache(maxsize=64)
def _written(name: str, email: str) -> str:
    """Give the header form of an author; few of them write most mail."""
    return mime.address(Address.model_construct(name=name, email=email))


def _simple(message: Message) -> dict[str, Any]:
    parts = {}
    if text := message.text:
        parts["Text"] = {"Data": _json.text(text), "Charset": "UTF-8"}
    if html := message.html:
        parts["Html"] = {"Data": _json.text(html), "Charset": "UTF-8"}
    subject = {"Data": message.subject, "Charset": "UTF-8"}
    content: dict[str, Any] = {"Subject": subject, "Body": parts}
    if message.headers or message.attachments:
        content |= _extras(message)
    return content


def _template(message: Message) -> dict[str, Any]:
    ses = message.ses
    content = {
        "TemplateName": ses.template_name,
        "TemplateArn": ses.template_arn,
        "TemplateData": json.dumps(thaw(ses.template_data), ensure_ascii=False),
    }
    return {name: text for name, text in content.items() if text} | _extras(message)


def _extras(message: Message) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if message.headers:
        pairs = message.headers.items()
        extras["Headers"] = [{"Name": name, "Value": value} for name, value in pairs]
    if message.attachments:
        extras["Attachments"] = [
            _attachment(each, content)
            for each, content in zip(
                message.attachments, _json.attached(message), strict=True
            )
        ]
    return extras


def _attachment(attachment: Attachment, content: _json.Base64) -> dict[str, Any]:
    fields = {
        "FileName": attachment.filename,
        "ContentType": attachment.content_type,
        "ContentDisposition": "INLINE" if attachment.inline else "ATTACHMENT",
        "ContentTransferEncoding": "BASE64",
        "RawContent": content,
    }
    return fields | (
        {"ContentId": attachment.content_id} if attachment.content_id else {}
    )


def _options(
    message: Message, envelope: Envelope, configuration_set: str | None
) -> dict[str, Any]:
    """Give what goes beside the content, whatever its form.

    SES writes its own envelope sender; where bounces go is its feedback address.
    """
    ses = message.ses
    elsewhere = message.from_ is None or envelope.sender != message.from_.email
    options: dict[str, Any] = {}
    if configuration_set:
        options["ConfigurationSetName"] = configuration_set
    if elsewhere and envelope.sender:
        options["FeedbackForwardingEmailAddress"] = envelope.sender
    if tags := _ses_tags.tags(message):
        options["EmailTags"] = [{"Name": name, "Value": value} for name, value in tags]
    if ses.__pydantic_fields_set__:
        options |= {name: value for name, value in _named(ses).items() if value}
    return options


def _named(ses: SesOptions) -> dict[str, Any]:
    return {
        "ConfigurationSetName": ses.configuration_set,
        "FeedbackForwardingEmailAddress": ses.feedback_address,
        "FeedbackForwardingEmailAddressIdentityArn": ses.feedback_arn
        or ses.return_path_arn,
        "FromEmailAddressIdentityArn": ses.from_arn or ses.source_arn,
        "TenantName": ses.tenant,
        "ListManagementOptions": _list_management(ses),
        "ConfigurationOverrides": _overrides(ses),
    }


def _list_management(ses: SesOptions) -> dict[str, str]:
    named = {"ContactListName": ses.contact_list, "TopicName": ses.topic}
    return {name: value for name, value in named.items() if value}


def _overrides(ses: SesOptions) -> dict[str, Any]:
    switches = {
        "OpenTrackingEnabled": ses.open_tracking,
        "ClickTrackingEnabled": ses.click_tracking,
    }
    tracking = {
        name: "ENABLED" if on else "DISABLED"
        for name, on in switches.items()
        if on is not None
    }
    return {"Tracking": tracking} if tracking else {}
