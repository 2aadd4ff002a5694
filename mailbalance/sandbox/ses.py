"""The SES door: SendEmail, SendBulkEmail and GetAccount of its v2 API over HTTP.

What lives here: paths, errors and replies in SES's form. What must not: the signature
check (``signature``), the checks of a message (``ses_rules``), sockets.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailbalance.sandbox import ses_bulk as bulk
from mailbalance.sandbox import ses_rules as rules
from mailbalance.sandbox import signature
from mailbalance.sandbox.header_addresses import address_in, mailboxes_in
from mailbalance.sandbox.http import Answer, Call, as_json
from mailbalance.sandbox.identity import identify, identify_mime, mime_fields
from mailbalance.sandbox.store import Arrival, Door

if TYPE_CHECKING:
    from mailbalance.sandbox.credentials import Credentials
    from mailbalance.sandbox.faults import Fault

Json = dict[str, Any]

#: Bytes of a message after base64; SES quotas page (2026-11).
MAX_MESSAGE = 40 * 1024 * 1024

_STATUS = {
    "NotFoundException": 404,
    "TooManyRequestsException": 429,
    "InternalServiceErrorException": 500,
    "ServiceUnavailableException": 503,
    "MissingAuthenticationTokenException": 403,
    "IncompleteSignatureException": 403,
    "UnrecognizedClientException": 403,
    "SignatureDoesNotMatch": 403,
}

_FAULTS = {
    "throttle": ("TooManyRequestsException", "Maximum sending rate exceeded."),
    "reject": ("MessageRejected", "Rejected by a fault of the local sandbox."),
}
_MAY_NOT_ASK = "User is not authorized to perform: ses:GetAccount"
_FAILURE = ("InternalServiceErrorException", "Internal failure.")
#: What an ``error`` fault means for a chosen HTTP status.
_ERRORS = {
    400: ("SendingPausedException", "Sending is paused for this account."),
    403: ("AccessDeniedException", "Not authorized to perform ses:SendEmail."),
    503: ("ServiceUnavailableException", "Service is unavailable."),
}


@dataclass(slots=True)
class SesAccount:
    """What GetAccount answers; change it at any time.

    Attributes:
        max_send_rate: Recipients in a second.
        max_24_hour_send: Recipients in a day; -1 for no limit.
        sent_last_24_hours: Recipients so far; ``None`` counts those that came here.
        sending_enabled: Whether the account may send; only told, not enforced.
        may_ask: Whether the key may ask at all.
    """

    max_send_rate: float = 14.0
    max_24_hour_send: float = 50_000.0
    sent_last_24_hours: float | None = None
    sending_enabled: bool = True
    may_ask: bool = True


class SesDoor:
    """``POST /v2/email/outbound-(bulk-)emails`` and ``GET /v2/email/account``."""

    name: Door = "ses"
    #: A message of the largest size, in base64, with the JSON around it.
    max_body = MAX_MESSAGE // 3 * 4 + 1024 * 1024

    def __init__(
        self,
        credentials: Credentials,
        verified: frozenset[str] | None,
        sent: Callable[[], int],
        account: SesAccount | None = None,
    ) -> None:
        self._facts = account or SesAccount()
        self._credentials = credentials
        self._verified = verified
        self._sent = sent

    def answer(self, call: Call) -> Answer:
        """Judge a request."""
        if refusal := signature.check(call, self._credentials, datetime.now(UTC)):
            return _error(refusal.code, refusal.text)
        return self.act(call)

    def act(self, call: Call) -> Answer:
        """Judge a request whose signature is right."""
        match call.method, call.path:
            case "POST", "/v2/email/outbound-emails":
                return self._requested(call, self._send_email)
            case "POST", "/v2/email/outbound-bulk-emails":
                return self._requested(call, self._send_bulk_email)
            case "GET", "/v2/email/account":
                return self._account()
            case "POST", "/":
                return _no_v1()
        return _error("NotFoundException", f"No operation at {call.method} {call.path}")

    def too_large(self) -> Answer:
        """The answer to an oversize request."""
        return _error("BadRequestException", "Request is too large.", status=413)

    def fault_answer(self, fault: Fault) -> Answer:
        """A fault in SES's words."""
        code, text = _FAULTS.get(fault.kind) or _ERRORS.get(fault.code or 500, _FAILURE)
        answer = _error(code, fault.text or text, status=fault.code)
        if fault.retry_after is None:
            return answer
        wait = ("retry-after", f"{fault.retry_after:g}")
        return Answer(answer.status, answer.body, (*answer.headers, wait))

    def _requested(self, call: Call, act: Callable[[Json, Call], Answer]) -> Answer:
        try:
            request = json.loads(call.body)
        except (ValueError, RecursionError):
            return _error("SerializationException", "The request is not JSON.")
        if not isinstance(request, dict):
            return _error("SerializationException", "The request is not an object.")
        try:
            return act(request, call)
        except (AttributeError, KeyError, TypeError):
            return _error("SerializationException", "A field has the wrong type.")

    def _send_email(self, request: Json, call: Call) -> Answer:
        found = self._judged(request, call.body, call.path)
        if isinstance(found, rules.Problem):
            return _error(found.code, found.text)
        return _reply({"MessageId": found.provider_ids[0]}, found)

    def _send_bulk_email(self, request: Json, call: Call) -> Answer:
        if problem := bulk.problem(request):
            return _error(problem.code, problem.text)
        entries = [
            self._judged(entry, as_json(entry), call.path)
            for entry in bulk.entries(request)
        ]
        accepted = [entry for entry in entries if isinstance(entry, Arrival)]
        return _reply(bulk.reply(entries), *accepted)

    def _judged(self, request: Json, body: bytes, path: str) -> Arrival | rules.Problem:
        """Judge what SendEmail takes, or one entry of a bulk call in that form."""
        if found := rules.problem(request, len(body), MAX_MESSAGE):
            return found
        arrival = self._arrival(request, body, path)
        if refusal := self._identity_problem(arrival.sender):
            return rules.Problem(refusal, "MessageRejected")
        # those of a raw message stood in its header until now
        faults = map(rules.address_fault, (arrival.sender, *arrival.recipients))
        if fault := next(filter(None, faults), None):
            return rules.Problem(fault)
        if not arrival.recipients or len(arrival.recipients) > rules.MAX_RECIPIENTS:
            text = "Recipient count must be from 1 to 50."
            return rules.Problem(text, "MessageRejected")
        return arrival

    def _arrival(self, request: Json, body: bytes, path: str) -> Arrival:
        content, tags = request["Content"], request.get("EmailTags") or ()
        variables = {tag["Name"]: tag["Value"] for tag in tags}
        sender = request.get("FromEmailAddress") or ""
        recipients = rules.destination(request)
        if "Raw" in content:
            fields = mime_fields(base64.b64decode(content["Raw"]["Data"]))
            identity = identify_mime(fields, variables)
            sender = sender or next((v for n, v in fields if n.lower() == "from"), "")
            recipients = recipients or _header_recipients(fields)
        else:
            part = content.get("Simple") or content.get("Template")
            headers = ((h["Name"], h["Value"]) for h in part.get("Headers") or ())
            identity = identify(variables, headers)
        return Arrival(
            sender=address_in(sender),
            recipients=tuple(dict.fromkeys(map(address_in, recipients))),
            raw=body,
            provider_ids=(message_id(),),
            identity=identity,
            path=path,
        )

    def _identity_problem(self, sender: str) -> str | None:
        if not sender:
            return "Missing required header 'From'."
        domain = sender.rpartition("@")[2].lower()
        if self._verified is None or domain in self._verified:
            return None
        return (
            "Email address is not verified. The following identities failed the check "
            f"in region {self._credentials.region.upper()}: {sender}"
        )

    def _account(self) -> Answer:
        facts, sent = self._facts, self._facts.sent_last_24_hours
        if not facts.may_ask:
            return _error("AccessDeniedException", _MAY_NOT_ASK, status=403)
        account = {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": {
                "Max24HourSend": float(facts.max_24_hour_send),
                "MaxSendRate": float(facts.max_send_rate),
                "SentLast24Hours": float(self._sent() if sent is None else sent),
            },
            "SendingEnabled": facts.sending_enabled,
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        }
        return _reply(account)


def message_id() -> str:
    """An id as SES makes them: time in hex, a UUID, a zero suffix; 60 characters."""
    return f"0100{int(time.time() * 1000):012x}-{uuid.uuid4()}-000000"


def _header_recipients(fields: list[tuple[str, str]]) -> list[str]:
    values = [v for name, v in fields if name.lower() in {"to", "cc", "bcc"}]
    return [address for _, address in mailboxes_in(values)]


def _reply(body: Json, *accepted: Arrival) -> Answer:
    headers = (("content-type", "application/json"), _request_id())
    return Answer(200, as_json(body), headers, accepted)


def _error(code: str, text: str, *, status: int | None = None) -> Answer:
    headers = (
        ("content-type", "application/json"),
        _request_id(),
        ("x-amzn-errortype", code),
    )
    body = as_json({"message": text})
    return Answer(status or _STATUS.get(code, 400), body, headers)


def _no_v1() -> Answer:
    """Refuse a call of the v1 API, in its own form, so that its clients understand.

    Source: SES API reference of 2010-12-01, "Common Errors": InvalidAction (2026-11).
    """
    request = _request_id()
    body = (
        '<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error>'
        "<Type>Sender</Type><Code>InvalidAction</Code><Message>The local sandbox knows "
        "SES's API v2 only; use the client &quot;sesv2&quot;.</Message></Error>"
        f"<RequestId>{request[1]}</RequestId></ErrorResponse>"
    )
    return Answer(400, body.encode(), (("content-type", "text/xml"), request))


def _request_id() -> tuple[str, str]:
    return "x-amzn-requestid", str(uuid.uuid4())
