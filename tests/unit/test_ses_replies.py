"""What SES's replies mean: each line of the table, by code and by text."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mailbalance import (
    DeliveryError,
    Envelope,
    Message,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backends import _answers
from mailbalance.backends._ses_reply import error_code, receipt
from mailbalance.errors import UnsuitableError
from mailbalance.wire.http import HttpResponse
from mailbalance.wire.sigv4 import Keys

KEYS = Keys("AKIA", "very-secret-key", "very-secret-token")


def judged(response, **changes):
    fields = {
        "from_": "ana@example.com",
        "to": "ben@example.net",
        "subject": "s",
        "text": "t",
    }
    message = Message(**(fields | changes))
    return receipt("ses", response, message, Envelope.of(message), KEYS)


def error(status, code, text="", *, headers=None, **changes):
    body = json.dumps({"message": text}).encode()
    head = {"x-amzn-errortype": code, **(headers or {})}
    with pytest.raises(DeliveryError) as caught:
        judged(HttpResponse(status, head, body), **changes)
    return caught.value


def test_200_with_an_id_is_accepted():
    found = judged(HttpResponse(200, {}, b'{"MessageId": "0100-abc"}'))

    assert (found.outcome, found.provider_ids) == ("accepted", ("0100-abc",))
    assert found.accepted == ("ben@example.net",)


@pytest.mark.parametrize(
    "body",
    [
        b'{"MessageId":"a-1"}',
        b'{ "MessageId" : "a-1" }',
        b'{"MessageId": "\\u0061-1"}',
        b'{"RequestId": "x", "MessageId": "a-1"}',
    ],
)
def test_an_id_is_found_in_json_of_any_form(body):
    assert judged(HttpResponse(200, {}, body)).provider_ids == ("a-1",)


@pytest.mark.parametrize("status", [199, 201, 202, 299, 300, 400, 500, 503])
def test_an_id_with_any_other_status_is_no_receipt(status):
    with pytest.raises(DeliveryError):
        judged(HttpResponse(status, {}, b'{"MessageId": "a-1"}'))


def test_the_usual_reply_is_not_read_as_json(monkeypatch):
    monkeypatch.setattr(_answers, "decoded", None)

    assert judged(HttpResponse(200, {}, b'{"MessageId": "a-1"}')).provider_ids


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"MessageId": ""}',
        b'{"MessageId": 7}',
        b'{"MessageId": null}',
        b'"MessageId"',
        b'\xef\xbb\xbf{"MessageI',
        b"[" * 100_000,
    ],
)
def test_200_without_an_id_is_unknown_and_likely_accepted(body):
    with pytest.raises(UnknownOutcomeError) as caught:
        judged(HttpResponse(200, {}, body))

    assert caught.value.likely == "accepted"


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({}, b"<html><h1>Blocked</h1> by policy</html>", "Blocked by policy"),
        ({"content-type": "text/html"}, b"<!DOCTYPE html><p>Log in", "Log in"),
        ({}, b"<?xml version='1.0'?><html><p>Blocked</p></html>", "Blocked"),
        ({}, b"Access denied by your administrator", "Access denied by your admin"),
        ({"content-type": "text/html; charset=utf-8"}, b"", "200"),
        ({}, b"\xff\xfe", "\ufffd"),
    ],
)
def test_200_with_a_page_of_somebody_else_points_nowhere_and_is_quoted(
    headers, body, said
):
    with pytest.raises(UnknownOutcomeError) as caught:
        judged(HttpResponse(200, headers, body))

    assert caught.value.likely is None
    assert said in caught.value.detail


PLAIN = b'{"MessageId": "0100-abc"}'
GZIPPED = gzip.compress(PLAIN, mtime=0)


@pytest.mark.parametrize(
    ("headers", "body", "coding", "likely"),
    [
        ({}, GZIPPED, "gzip", None),
        ({"content-encoding": "gzip"}, GZIPPED, "gzip", None),
        ({"content-encoding": "deflate"}, zlib.compress(PLAIN), "deflate", None),
        ({"content-encoding": "br"}, b"\x8b\x0c\x80" + PLAIN, "br", None),
        (
            {"content-type": "application/json"},
            GZIPPED,
            "gzip",
            "accepted",
        ),
        ({}, b"\x28\xb5\x2f\xfd\x04\x00", "zstd", None),
    ],
)
def test_a_compressed_reply_is_called_so(headers, body, coding, likely):
    for status in (200, 400):
        with pytest.raises(DeliveryError) as caught:
            judged(HttpResponse(status, headers, body))

        assert f"compressed ({coding})" in caught.value.detail
        assert caught.value.detail.isprintable()
        assert getattr(caught.value, "likely", likely) == likely


def test_a_reply_that_a_client_has_unpacked_already_is_read():
    head = {"content-encoding": "gzip"}

    assert judged(HttpResponse(200, head, b' {"MessageId": "a"}')).provider_ids == (
        "a",
    )
    with pytest.raises(RejectedError, match="bad"):
        judged(HttpResponse(400, head, b'{"message": "bad"}'))


RATE = "Maximum sending rate exceeded."
DAILY = "Daily message quota exceeded."
UNVERIFIED = (
    "Email address is not verified. The following identities failed the check in region "
    "EU-WEST-1: "
)
DENIED = "User `arn:aws:iam::1:user/u' is not authorized to perform `ses:SendEmail'"


@pytest.mark.parametrize(
    ("status", "code", "text", "expected", "scope"),
    [
        (429, "TooManyRequestsException", RATE, ThrottledError, None),
        (429, "TooManyRequestsException", DAILY, UnavailableError, "account"),
        (400, "Throttling", RATE, ThrottledError, None),
        (400, "ThrottlingException", DAILY, UnavailableError, "account"),
        (429, "", "", ThrottledError, None),
        (429, "", DAILY, UnavailableError, "account"),
        (400, "LimitExceededException", DAILY, UnavailableError, "account"),
        (400, "LimitExceededException", "", UnavailableError, "account"),
        (400, "LimitExceededException", "Sending rate.", ThrottledError, None),
        (400, "AccountSuspendedException", "", UnavailableError, "account"),
        (400, "SendingPausedException", "Account paused.", UnavailableError, "account"),
        (
            400,
            "SendingPausedException",
            "Sending is paused for the configuration set <x>.",
            UnavailableError,
            "backend",
        ),
        (
            400,
            "MessageRejected",
            UNVERIFIED + "ana@example.com",
            UnavailableError,
            "sender",
        ),
        (
            400,
            "MessageRejected",
            UNVERIFIED + "ben@example.net, Ana <Ana@Example.com>",
            UnavailableError,
            "sender",
        ),
        (400, "MessageRejected", UNVERIFIED + "ben@example.net", UnsuitableError, None),
        (
            400,
            "MessageRejected",
            "Email address is not verified.",
            UnavailableError,
            "sender",
        ),
        (
            400,
            "MessageRejected",
            "Sending paused for this account.",
            UnavailableError,
            "account",
        ),
        (400, "MessageRejected", "Message contains a virus.", RejectedError, None),
        (400, "MailFromDomainNotVerifiedException", "", UnavailableError, "sender"),
        (404, "NotFoundException", "Configuration set x.", UnavailableError, "backend"),
        (
            400,
            "BadRequestException",
            "Configuration set <x> does not exist.",
            UnavailableError,
            "backend",
        ),
        (400, "BadRequestException", "Missing final '@domain'", RejectedError, None),
        (400, "InvalidParameterValue", "Invalid tag name", RejectedError, None),
        (400, "SerializationException", "", RejectedError, None),
        (403, "ExpiredTokenException", "", UnavailableError, "backend"),
        (403, "InvalidClientTokenId", "", UnavailableError, "backend"),
        (403, "UnrecognizedClientException", "", UnavailableError, "backend"),
        (403, "SignatureDoesNotMatch", "", UnavailableError, "backend"),
        (403, "AccessDeniedException", DENIED, UnavailableError, "backend"),
        (
            403,
            "AccessDeniedException",
            f"{DENIED} on resource `arn:aws:ses:eu-west-1:1:identity/example.com'",
            UnavailableError,
            "sender",
        ),
        (403, "OptInRequired", "", UnavailableError, "account"),
        (403, "", "<html>Forbidden</html>", UnavailableError, "backend"),
        (300, "", "", UnavailableError, "backend"),
        (301, "", "", UnavailableError, "backend"),
        (404, "", "", UnavailableError, "backend"),
        (405, "", "", UnavailableError, "backend"),
        (408, "", "", TransientError, None),
        (409, "ConflictException", "", TransientError, None),
        (413, "", "", UnsuitableError, None),
        (413, "RequestEntityTooLargeException", "", UnsuitableError, None),
        (418, "", "", RejectedError, None),
        (500, "InternalServiceErrorException", "", UnknownOutcomeError, None),
        (500, "ConcurrentModificationException", "", UnknownOutcomeError, None),
        (500, "", "<html>", UnknownOutcomeError, None),
        (500, "ThrottlingException", RATE, UnknownOutcomeError, None),
        (502, "ThrottlingException", RATE, UnknownOutcomeError, None),
        (504, "MessageRejected", UNVERIFIED, UnknownOutcomeError, None),
        (503, "ThrottlingException", RATE, ThrottledError, None),
        (502, "", "", UnknownOutcomeError, None),
        (503, "ServiceUnavailable", "", TransientError, None),
        (504, "", "", UnknownOutcomeError, None),
        (599, "", "", UnknownOutcomeError, None),
        (101, "", "", UnknownOutcomeError, None),
        (202, "", "", UnknownOutcomeError, None),
    ],
)
def test_each_reply_has_its_meaning(status, code, text, expected, scope):
    found = error(status, code, text)

    assert type(found) is expected
    assert getattr(found, "scope", None) == scope
    assert found.code == (code or str(status))
    assert (found.backend, found.phase) == ("ses", "reply")


@pytest.mark.parametrize(
    "options",
    [
        {"configuration_set": "mine"},
        {"template_name": "mine"},
        {"contact_list": "mine"},
        {"tenant": "mine"},
    ],
)
def test_a_name_that_only_the_message_used_says_nothing_against_the_backend(options):
    found = error(404, "NotFoundException", "x does not exist.", ses=options)

    assert type(found) is UnsuitableError
    assert found.try_next


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"x-amzn-errortype": "MessageRejected"}, b"", "MessageRejected"),
        ({"x-amzn-errortype": "NotFound:http://aws/coral/"}, b"", "NotFound"),
        ({"x-amzn-errortype": "com.amazonaws.ses#Bad"}, b"", "Bad"),
        ({}, b'{"__type": "com.amazonaws.ses.v2#MessageRejected"}', "MessageRejected"),
        ({}, b'{"code": "AccessDenied"}', "AccessDenied"),
        ({}, b'{"code": 7}', ""),
        ({}, b"[1]", ""),
        ({}, b"<html>", ""),
    ],
)
def test_the_code_is_found_wherever_aws_puts_it(headers, body, code):
    assert error_code(HttpResponse(400, headers, body)) == code


def test_a_clock_that_is_off_is_said_with_its_error():
    server = format_datetime(datetime.now(UTC) - timedelta(minutes=20))
    text = "Signature expired: 20261123T000000Z is now earlier than ..."

    found = error(403, "SignatureDoesNotMatch", text, headers={"date": server})

    assert re.search(r"set this machine's clock: it is \+120[01] s off", found.detail)


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("SignatureDoesNotMatch", {}),
        ("MessageRejected", {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}),
    ],
    ids=["no clock to compare", "nothing to do with clocks"],
)
def test_a_clock_is_mentioned_only_where_it_is_known_to_matter(code, headers):
    assert " s off" not in error(403, code, headers=headers).detail


def test_a_code_without_an_end_is_cut():
    assert error(400, "x" * 5000).code == "x" * 100


def test_how_long_to_wait_is_passed_on():
    found = error(429, "TooManyRequestsException", RATE, headers={"retry-after": "7"})

    assert found.retry_after == 7


def test_secrets_that_come_back_in_an_error_are_masked():
    found = error(403, "SignatureDoesNotMatch", f"key {KEYS.secret_key} {KEYS.token}")

    assert "very-secret" not in str(found)
    assert "***" in found.detail


def test_long_texts_are_cut():
    assert len(error(400, "MessageRejected", "x" * 5000).detail) <= 500


def test_a_code_shows_no_secret_and_writes_into_no_terminal():
    body = json.dumps({"__type": f"{KEYS.secret_key}\x1b[2J"}).encode()
    with pytest.raises(RejectedError) as caught:
        judged(HttpResponse(400, {}, body))

    assert caught.value.code.isprintable()
    assert KEYS.secret_key not in str(caught.value) + caught.value.code
