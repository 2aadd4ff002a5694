"""What SES cannot carry, and why, in sentences.

What lives here: SES's published limits and the check of a message against them. What must
not: the form a message takes (``_ses_request``).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from mailbalance.backend import Limits
from mailbalance.backends import _ses_form, _ses_tags
from mailbalance.backends._ses_request import why_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbalance.message import Envelope, Message

#: Of the v2 API: bytes after base64, and recipients over To, Cc and Bcc.
LIMITS = Limits(
    size=40 * 1024 * 1024,
    recipients=50,
    source="https://docs.aws.amazon.com/ses/latest/dg/quotas.html",
    checked=date(2026, 11, 23),
)


def reason_against(message: Message, envelope: Envelope) -> str | None:
    """Say why SES cannot carry the message, or ``None`` when it can."""
    if _is_usual(message, envelope):
        return None
    return next(_reasons(message, envelope), None)


def _is_usual(message: Message, envelope: Envelope) -> bool:
    """Say in few steps that there is no reason against a message, as with nearly all."""
    ses = message.ses
    if ses.template_name or ses.template_arn or ses.endpoint_id:
        return False
    if message.mailtrap.template_uuid or message.category or message.metadata:
        return False
    shown = [each.email for each in (*message.to, *message.cc, *message.reply_to)]
    written = "".join((envelope.sender, *envelope.recipients, *shown))
    return (
        len(envelope.recipients) <= LIMITS.recipients
        and written.isascii()
        and '"' not in written
        and not message.may_exceed(LIMITS.size)
        and message.raw is None
        and not message.attachments
    )


def _reasons(message: Message, envelope: Envelope) -> Iterator[str]:
    if message.mailtrap.template_uuid and not _has_template(message):
        yield "mailtrap['template_uuid']: the template is stored at Mailtrap, not SES"
    yield from _in_addresses(message, envelope)
    if message.may_exceed(LIMITS.size):
        yield (
            f"attachments: the message may reach {message.size()} bytes and SES takes "
            f"{LIMITS.size}"
        )
    if (form := _ses_form.fault(message)) is not None:
        yield form
    if message.ses.endpoint_id:
        yield (
            "ses['endpoint_id']: multi-region endpoints want SigV4a signatures, which "
            "are not made here"
        )
    if (tags := _ses_tags.problem(message)) is not None:
        yield f"metadata: {tags}"
    if _has_template(message):
        yield from _in_template(message, envelope)


def _in_addresses(message: Message, envelope: Envelope) -> Iterator[str]:
    if len(envelope.recipients) > LIMITS.recipients:
        yield (
            f"to, cc, bcc: {len(envelope.recipients)} recipients, and SES takes "
            f"{LIMITS.recipients}"
        )
    if not "".join((envelope.sender, *envelope.recipients)).isascii():
        yield "to, from_: a part before the @ is not ASCII, and SES has no SMTPUTF8"
    shown = (*message.to, *message.cc, *message.reply_to)
    if not "".join([address.email for address in shown]).isascii():
        yield "to, cc, reply_to: a part before the @ is not ASCII, which SES refuses"
    everyone = (envelope.sender, *envelope.recipients, *(each.email for each in shown))
    if any(" " in email or "\t" in email for email in everyone):
        yield "to, from_: a quoted part before the @ holds a space, which SES refuses"


def _in_template(message: Message, envelope: Envelope) -> Iterator[str]:
    for name in ("subject", "text", "html"):
        if getattr(message, name):
            yield f"{name}: the SES template makes it; leave it out"
    if (needed := why_raw(message, envelope)) is not None:
        yield f"{needed}, which SES cannot do with a template"


def _has_template(message: Message) -> bool:
    return bool(message.ses.template_name or message.ses.template_arn)
