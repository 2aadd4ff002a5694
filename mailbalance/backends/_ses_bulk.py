"""Several messages of one stored template in one ``SendBulkEmail``; pure.

What lives here: which messages may share a call, its body, and the judgement of its reply
entry by entry. What must not: signing, sending, the table of codes (``_ses_errors``).

Sources: botocore's model of sesv2 (1.44, 2026-11) for fields and statuses; SES developer
guide, "Service quotas" (2026-11), for 50 destinations in one call.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mailbalance.backend import Receipt
from mailbalance.backends import _answers, _http
from mailbalance.backends._ses_errors import HTTP_STATUS, Facts, classify
from mailbalance.backends._ses_reply import failure, said, without_id
from mailbalance.backends._ses_request import request_body
from mailbalance.batch import ApartError, Load
from mailbalance.errors import UnknownOutcomeError
from mailbalance.secret import hushed
from mailbalance.wire.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from mailbalance.backend import Answer
    from mailbalance.batch import Mail
    from mailbalance.errors import DeliveryError
    from mailbalance.message import Message
    from mailbalance.wire.sigv4 import Keys

PATH = "/v2/email/outbound-bulk-emails"

#: Of one call. SES names no size for one; its quota for a message is kept far away from.
LOAD = Load(messages=50, size=10 * 1024 * 1024)

#: The code of an error of ``SendEmail`` that says the same as an entry's status.
CODES: Mapping[str, str] = MappingProxyType(
    {
        "MESSAGE_REJECTED": "MessageRejected",
        "MAIL_FROM_DOMAIN_NOT_VERIFIED": "MailFromDomainNotVerifiedException",
        "CONFIGURATION_SET_NOT_FOUND": "ConfigurationSetDoesNotExist",
        "TEMPLATE_NOT_FOUND": "NotFoundException",
        "ACCOUNT_SUSPENDED": "AccountSuspendedException",
        "ACCOUNT_THROTTLED": "TooManyRequestsException",
        "ACCOUNT_DAILY_QUOTA_EXCEEDED": "LimitExceededException",
        "ACCOUNT_SENDING_PAUSED": "SendingPausedException",
        "CONFIGURATION_SET_SENDING_PAUSED": "ConfigurationSetSendingPausedException",
        "INVALID_PARAMETER": "BadRequestException",
        "TRANSIENT_FAILURE": "ServiceUnavailable",
    }
)

#: And those of its statuses that no error of ``SendEmail`` has a code for.
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        **CODES,
        "INVALID_SENDING_POOL_NAME": "ConfigurationSetDoesNotExist",  # that names the pool
        "FAILED": "FAILED",
    }
)

#: Codes of a caller that may send, but not in bulk.
_DENIED = frozenset({"AccessDeniedException", "AccessDenied"})

#: What is said once for all entries, or cannot be said in a bulk call at all.
_OWN_OPTIONS = frozenset({"template_data"})
_ALONE = frozenset({"contact_list", "topic"})


def lane(message: Message) -> Hashable | None:
    """Name what the call says once for all its messages; ``None`` to go alone.

    Several recipients go alone: SES's pages leave open whether the 50 counts them or
    entries. So do attachments, which all entries would have to share.
    """
    ses = message.ses
    if not (ses.template_name or ses.template_arn):
        return None
    options = {name: value for name, value in ses if value is not None}
    if not _ALONE.isdisjoint(options):
        return None
    if message.attachments or len((*message.to, *message.cc, *message.bcc)) != 1:
        return None
    shared = frozenset((n, v) for n, v in options.items() if n not in _OWN_OPTIONS)
    return message.from_, message.reply_to, shared


def bulk_body(
    mails: Sequence[Mail], *, configuration_set: str | None = None
) -> dict[str, Any]:
    """Give the JSON body for messages of one lane.

    Args:
        mails: Messages with their envelopes.
        configuration_set: The backend's own, for messages that name none.
    """
    bodies = [
        request_body(*mail, configuration_set=configuration_set) for mail in mails
    ]
    template = bodies[0]["Content"]["Template"]
    names = ("TemplateName", "TemplateArn")
    shared = {name: template[name] for name in names if name in template}
    once = {
        name: value
        for name, value in bodies[0].items()
        if name not in {"Content", "Destination", "EmailTags"}
    }
    return once | {
        "DefaultContent": {"Template": shared | {"TemplateData": "{}"}},
        "BulkEmailEntries": [_entry(body) for body in bodies],
    }


@hushed
def answers(
    backend: str, response: HttpResponse, mails: Sequence[Mail], keys: Keys
) -> list[Answer]:
    """Judge a reply, entry by entry.

    Raises:
        ApartError: When the key may make no such call.
        DeliveryError: What came of every one of them.
    """
    if response.status >= 300:
        raise _whole(backend, response, mails, keys)
    reply = _answers.decoded(response.body)
    entries = reply.get("BulkEmailEntryResults") if isinstance(reply, dict) else None
    if not isinstance(entries, list) or len(entries) != len(mails):
        raise UnknownOutcomeError(
            f"SES said {response.status} to a bulk call, and not what became of each "
            f"message: {said(response, keys)[1]}",
            backend=backend,
            phase="reply",
            code=str(response.status),
        )
    if response.before:
        found = [each.get("MessageId") for each in entries if isinstance(each, dict)]
        _http.must_be_news(response, [str(each) for each in found if each], backend)
    return [
        _answer(backend, entry, mail, keys)
        for entry, mail in zip(entries, mails, strict=True)
    ]


def _entry(body: Mapping[str, Any]) -> dict[str, Any]:
    template = body["Content"]["Template"]
    data = {"ReplacementTemplateData": template["TemplateData"]}
    named = {
        "Destination": body["Destination"],
        "ReplacementTags": body.get("EmailTags"),
        "ReplacementHeaders": template.get("Headers"),
        "ReplacementEmailContent": {"ReplacementTemplate": data},
    }
    return {name: value for name, value in named.items() if value}


def _whole(
    backend: str, response: HttpResponse, mails: Sequence[Mail], keys: Keys
) -> DeliveryError | ApartError:
    """Give what a refusal of the whole call means, whichever message it is about."""
    message, envelope = mails[0]
    everybody = [each for _, other in mails for each in other.recipients]
    error = failure(backend, response, message, envelope.only(everybody), keys)
    # With a status that leaves the outcome open, the code proves nothing either.
    denied = error.code in _DENIED and error.outcome == "not_accepted"
    return ApartError(str(error)) if denied else error


def _answer(backend: str, entry: Any, mail: Mail, keys: Keys) -> Answer:
    message, envelope = mail
    fields = entry if isinstance(entry, dict) else {}
    status, provider_id = fields.get("Status"), fields.get("MessageId")
    if status == "SUCCESS":
        if not isinstance(provider_id, str) or not provider_id:
            return without_id(backend, HttpResponse(200, {}, b""))
        return Receipt(
            "accepted",
            backend,
            provider_ids=(provider_id,),
            message_id=message.stamp().message_id,
            accepted=envelope.recipients,
        )
    secrets = keys.secret_key, keys.token, keys.access_key
    text = _answers.scrubbed(str(fields.get("Error") or status or ""), secrets)
    if provider_id or not isinstance(status, str) or status not in _REFUSED:
        return UnknownOutcomeError(
            f"SES did not tell what became of this message of a bulk call: {text}",
            likely="accepted" if provider_id else None,
            backend=backend,
            phase="reply",
            code="200",
        )
    code = _REFUSED[status]
    http = HTTP_STATUS.get(code, 400)
    verdict = classify(http, code, text, Facts.of(message, envelope))
    return _http.failure(
        verdict, HttpResponse(http, {}, b""), backend=backend, code=code, text=text
    )
