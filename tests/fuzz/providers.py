"""Targets of what providers answer: what a reply says, and when to come again.

What must hold: *accepted* only for 200 in the provider's proper form, never *not accepted*
for any 2xx; no secret and no control character in an error; no wait beyond the cap.
"""

import json
import math
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from mailbalance.backend import Rate, Receipt
from mailbalance.backends import _answers
from mailbalance.backends._mailtrap_batch import answers
from mailbalance.backends._mailtrap_reply import receipt as mailtrap_receipt
from mailbalance.backends._ses_account import account_rates
from mailbalance.backends._ses_reply import error_code
from mailbalance.backends._ses_reply import receipt as ses_receipt
from mailbalance.errors import DeliveryError, UnknownOutcomeError
from mailbalance.message import Envelope, Message
from mailbalance.secret import Secret
from mailbalance.wire.http import HttpResponse
from mailbalance.wire.sigv4 import Keys
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.target import Saboteur, Target

SECRET = "s3cr3t0fTh15Us3r"
_KEYS = Keys("AKIA" + SECRET, SECRET, "token" + SECRET)
_FACTS: dict[str, Any] = {"backend": "mailtrap", "token": Secret(SECRET)}
_MESSAGE = Message(from_="a@b.c", to="d@e.f", text="t", message_id="<x@b.c>")
_ENVELOPE = Envelope.of(_MESSAGE)
_MAIL = (_MESSAGE, _ENVELOPE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

#: Characters of the longest error: the provider's part is cut, ours is short.
_LONGEST = _answers.LONGEST_DETAIL + 300

#: Where a fuzzer's text has this byte, the secret stands in its place.
_STANDS_FOR_SECRET = b"\x01"

_STATUSES = (200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 413, 422, 429)
_STATUSES += (500, 502, 503, 504, 529, 299, 599)
_HEADERS = ("x-amzn-errortype", "retry-after", "x-amz-retry-after", "date", "x-a")


def _response(data: bytes) -> HttpResponse:
    choices = Choices(data)
    status = choices.one_of(_STATUSES)
    headers = {}
    for _ in range(choices.number(3)):
        name = choices.one_of(_HEADERS)
        value = choices.some().replace(_STANDS_FOR_SECRET, SECRET.encode())
        headers[name] = value.decode("latin-1")
    body = stretched(choices.rest()).replace(_STANDS_FOR_SECRET, SECRET.encode())
    return HttpResponse(status, headers, body)


def _must_be_fair(error: DeliveryError, response: HttpResponse) -> None:
    """What holds for every error that a reply amounts to."""
    assert error.backend
    assert error.code
    assert len(str(error)) < _LONGEST
    assert not _CONTROL.search(f"{error} {error.code} {error.detail}")
    assert SECRET not in f"{error} {error.code} {error.detail}"
    assert error.retry_after is None or 0 <= error.retry_after <= _answers.LONGEST_WAIT
    if 200 <= response.status < 300:
        assert isinstance(error, UnknownOutcomeError)
    elif isinstance(error, UnknownOutcomeError):
        assert response.status >= 500 or "Internal" in error.code


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def check_ses(data: bytes) -> None:
    response = _response(data)
    try:
        receipt = ses_receipt("ses", response, _MESSAGE, _ENVELOPE, _KEYS)
    except DeliveryError as error:
        _must_be_fair(error, response)
        return
    assert response.status == 200
    assert receipt.provider_ids == (_object(response.body)["MessageId"],)
    _must_be_accepted(receipt)


def _must_be_harmless(error: DeliveryError) -> None:
    """What holds for the answer to a question, which sends nothing."""
    assert error.outcome == "not_accepted"
    assert not _CONTROL.search(f"{error} {error.code}")
    assert SECRET not in f"{error} {error.code}"


def check_account(data: bytes) -> None:
    response = _response(data)
    try:
        rates = account_rates("ses", response, _KEYS)
    except DeliveryError as error:
        _must_be_harmless(error)
        return
    assert _object(response.body).get("SendingEnabled") is not False or (
        response.status != 200
    )
    for rate in rates:
        assert isinstance(rate.count, int)
        assert 1 <= rate.count <= 10**9
        assert math.isfinite(rate.period)
        assert rate.period > 0
        assert rate.used >= 0


def _must_be_accepted(receipt: Receipt) -> None:
    assert receipt.outcome == "accepted"
    assert receipt.accepted == ("d@e.f",)
    assert all(isinstance(each, str) and each for each in receipt.provider_ids)


SES = Target(
    "ses-replies",
    check_ses,
    (
        b'\0\0{"MessageId": "0100-a"}',
        b'\7\1\0\x0fMessageRejected{"message": "Email address is not verified: a@b.c"}',
        b'\7\0{"__type": "x#BadRequestException", "Message": "the key \1 is odd"}',
        b'\x0d\2\1\x0230\0\x24TooManyRequestsException:http://x/y{"message": "Rate"}',
        b'\x0e\0{"code": "InternalFailure"}',
        b'\0\0{"MessageId": 1}',
        b"\0\0" + many(1500, b"["),
        b"\x10\0<html><style>a</style><h1>503</h1>",
        b'\x0a\0{"code": "InternalFailure"}',
    ),
    Saboteur(
        "mailbalance.backends._ses_reply:said",
        lambda sound: (
            lambda response, keys: (
                error_code(response),
                sound(response, keys)[1],
            )
        ),
        b"\7\1\0\3a\x1bb",
    ),
)


ACCOUNT = Target(
    "ses-account",
    check_account,
    (
        b'\0\0{"SendingEnabled": true, "SendQuota": {"MaxSendRate": 14.0, '
        b'"Max24HourSend": 50000, "SentLast24Hours": 1}}',
        b'\0\0{"SendQuota": {"MaxSendRate": 1e400, "Max24HourSend": -1}}',
        b'\0\0{"SendQuota": {"MaxSendRate": 5e-10, "Max24HourSend": NaN}}',
        b'\0\0{"SendQuota": {"MaxSendRate": 7e-3, "SentLast24Hours": -1}}',
        b'\0\0{"SendQuota": {"MaxSendRate": ' + many(400, b"9") + b"}}",
        b'\0\0{"SendingEnabled": false, "SendQuota": {}}',
        b'\x08\0{"__type": "AccessDeniedException", "message": "\1 may not"}',
    ),
    Saboteur(
        "mailbalance.backends._ses_account:_rates",
        lambda sound: (
            lambda quota: (
                sound(quota) if "MaxSendRate" in quota or not quota else [Rate(0, 1.0)]
            )
        ),
        b'\0\0{"SendQuota": {"MaxSendRat_": 1}}',
    ),
)


def check_mailtrap(data: bytes) -> None:
    response = _response(data)
    try:
        receipt = mailtrap_receipt(response, _MAIL, **_FACTS)
    except DeliveryError as error:
        _must_be_fair(error, response)
        return
    assert response.status == 200
    assert _object(response.body)["success"] is True
    _must_be_accepted(receipt)


MAILTRAP = Target(
    "mailtrap-replies",
    check_mailtrap,
    (
        b'\0\0{"success": true, "message_ids": ["a", 1, null]}',
        b'\0\0{"success": false, "errors": ["no"]}',
        b'\3\0{"success": true}',
        b'\x0c\0{"errors": {"base": ["domain x is not verified", {"to": ["bad"]}]}}',
        b'\x0d\1\1\x0230{"errors": "limit reached"}',
        b'\x08\0{"error": "Unauthorized \1"}',
        b"\x0f\0<html>\x1b[2J<script>alert(1)</script> 502",
    ),
    Saboteur(
        "mailbalance.backends._mailtrap_reply:_says",
        lambda sound: (
            lambda reply, success: (
                isinstance(reply, dict) and bool(reply.get("success")) is success
            )
        ),
        b'\0\0{"success": 1}',
    ),
)


def check_batch(data: bytes) -> None:
    response = _response(b"\0" + data[1:])
    try:
        found = answers(response, [_MAIL, _MAIL], **_FACTS)
    except DeliveryError as error:
        _must_be_fair(error, response)
        return
    said = _object(response.body)["responses"]
    for answer, item in zip(found, said, strict=True):
        if isinstance(answer, Receipt):
            assert item.get("success") is True
            _must_be_accepted(answer)
        elif not isinstance(answer, UnknownOutcomeError):
            assert item.get("success") is False
            _must_be_harmless(answer)


BATCH = Target(
    "mailtrap-batches",
    check_batch,
    (
        b'\0\0{"success": true, "responses": [{"success": true, "message_ids": ["a"]},'
        b'{"success": false, "errors": ["\1 is bad"]}]}',
        b'\0\0{"responses": [{"success": false, "errors": {"to": "x"}}, null]}',
        b'\0\0{"responses": []}',
        b'\0\0{"responses": [1, ' + many(900, b"[") + many(900, b"]") + b"]}",
    ),
    Saboteur(
        "mailbalance.backends._mailtrap_batch:_answer",
        lambda sound: (
            lambda item, *rest: sound(
                {**item, "success": bool(item.get("success"))}
                if isinstance(item, dict)
                else item,
                *rest,
            )
        ),
        b'\0\0{"responses": [{"success": 1}, null]}',
    ),
)


def check_wait(data: bytes) -> None:
    choices = Choices(data)
    amazon = choices.one_of((False, False, True))
    text = stretched(choices.rest()).decode("latin-1")
    name = "x-amz-retry-after" if amazon else "retry-after"
    now = datetime(2026, 11, 23, 4, tzinfo=UTC)
    wait = _answers.retry_after({name: text}, now)
    if wait is not None:
        assert math.isfinite(wait)
        assert 0 <= wait <= _answers.LONGEST_WAIT
    if re.fullmatch("[0-9]{1,3}", text):
        assert wait == (int(text) / 1000 if amazon else min(int(text), 600))
    skew = _answers.clock_skew({"date": text}, now)
    assert skew is None or math.isfinite(skew)


WAIT = Target(
    "retry-after",
    check_wait,
    (
        b"\x0030",
        b"\0001.5",
        b"\0Mon, 23 Nov 2026 04:00:30 GMT",
        b"\x021500",
        b"\0soon",
        b"\0Mon, 23 Nov 9999 23:59:59 -9959",
        b"\0" + many(400, b"9"),
    ),
    Saboteur(
        "mailbalance.backends._answers:re",
        lambda sound: SimpleNamespace(
            fullmatch=lambda pattern, text: re.fullmatch("-?" + pattern, text)
        ),
        b"\0-30",
    ),
    longest=120,
)

TARGETS = (SES, ACCOUNT, MAILTRAP, BATCH, WAIT)
