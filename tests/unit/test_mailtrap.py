"""The Mailtrap backend: hosts, token, and what its replies mean."""

from __future__ import annotations

import asyncio
import json

import httpx
import httpx2
import pytest

from mailbalance import (
    Backend,
    ConfigError,
    DeliveryError,
    Envelope,
    MailtrapBackend,
    Message,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.config.dsn import parse_dsn
from mailbalance.errors import UnsuitableError
from tests.wire.peer import Peer, answering

TOKEN = "token-canary-0123456789"
OK = b'{"success": true, "message_ids": ["id-1", "id-2"]}'


def note(**changes):
    fields = {
        "from_": "a@example.com",
        "to": "b@example.com",
        "subject": "s",
        "text": "t",
    }
    return Message(**(fields | changes))


def by_send(backend, message):
    try:
        return backend.send(message, Envelope.of(message), timeout=5)
    finally:
        backend.close()


def by_asend(backend, message):
    async def attempt():
        try:
            return await backend.asend(message, Envelope.of(message), timeout=5)
        finally:
            await backend.aclose()

    return asyncio.run(attempt())


@pytest.fixture(params=[by_send, by_asend], ids=["send", "asend"])
def how(request):
    return request.param


def answered(status, body=OK, *headers, how=by_send, **options):
    """What a send gives when Mailtrap answers so."""
    with Peer((answering(status, body, *headers),)) as peer:
        backend = MailtrapBackend(token=TOKEN, base_url=peer.url(""), **options)
        return how(backend, note()), peer


def test_it_is_a_backend():
    assert isinstance(MailtrapBackend(token=TOKEN), Backend)


def test_it_posts_json_with_its_token(how):
    found, peer = answered(200, how=how)

    (request,) = peer.requests
    assert request.head.startswith(b"POST /api/send HTTP/1.1")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body)["from"] == {"email": "a@example.com"}
    assert found.provider_ids == ("id-1", "id-2")
    assert found.accepted == ("b@example.com",)


@pytest.mark.parametrize("family", [httpx2, httpx])
def test_a_users_own_client_carries_it(family):
    with family.Client() as client:
        found, _ = answered(200, http_client=client)

    assert found.outcome == "accepted"


@pytest.mark.parametrize(
    ("options", "stream", "url"),
    [
        ({}, None, "https://send.api.mailtrap.io/api/send"),
        ({"stream": "bulk"}, None, "https://bulk.api.mailtrap.io/api/send"),
        ({"stream": "bulk"}, "transactional", "https://send.api.mailtrap.io/api/send"),
        ({}, "bulk", "https://bulk.api.mailtrap.io/api/send"),
        ({"sandbox_id": 7}, None, "https://sandbox.api.mailtrap.io/api/send/7"),
        ({"sandbox_id": "7"}, "bulk", "https://sandbox.api.mailtrap.io/api/send/7"),
        ({"base_url": "https://proxy/m/"}, "bulk", "https://proxy/m/api/send"),
    ],
)
def test_the_stream_decides_the_host(options, stream, url):
    message = note(stream=stream)
    backend = MailtrapBackend(token=TOKEN, **options)

    assert backend.preview(message, Envelope.of(message)).startswith(f"POST {url}\n")


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (b'{"success": true}', ()),
        (b'{"success": true, "message_ids": []}', ()),
        (b'{"success": true, "message_ids": null}', ()),
        (b'{"success": true, "message_ids": "x"}', ()),
        (b'{"success": true, "message_ids": ["4967738534"]}', ("4967738534",)),
        (b'{"success": true, "message_ids": [4967738534, null]}', ("4967738534",)),
    ],
)
def test_success_is_accepted_whatever_the_ids(body, ids):
    assert answered(200, body)[0].provider_ids == ids


@pytest.mark.parametrize(
    ("status", "body", "likely"),
    [
        (200, b"", "accepted"),
        (200, b"<html>Ok", None),
        (200, b"Blocked by policy", None),
        (200, b'{"success": tr', "accepted"),
        (200, b"[]", "accepted"),
        (200, b'{"message_ids": ["x"]}', "accepted"),
        (200, b'{"success": "true"}', "accepted"),
        (200, b'{"success": 1}', "accepted"),
        (200, b'{"success": false, "errors": ["x"]}', None),
        (202, OK, "accepted"),
        (204, b"", "accepted"),
    ],
)
def test_anything_but_200_with_success_is_unknown(status, body, likely):
    with pytest.raises(UnknownOutcomeError) as caught:
        answered(status, body)

    assert caught.value.likely == likely


def said(*texts):
    return json.dumps({"success": False, "errors": texts}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected", "scope"),
    [
        (400, said("'from' is required"), RejectedError, None),
        (400, b"", RejectedError, None),
        (422, b'{"errors": {"base": ["odd"]}}', RejectedError, None),
        (422, said("Domain is not verified"), UnavailableError, "sender"),
        (
            400,
            said("Sending from domain x.de is not allowed"),
            UnavailableError,
            "sender",
        ),
        (
            400,
            said("'From' header does not match the sender's domain."),
            UnavailableError,
            "sender",
        ),
        (401, b'{"errors": ["Unauthorized"]}', UnavailableError, "backend"),
        (401, b'{"error": "Incorrect API token"}', UnavailableError, "backend"),
        (401, said("Unauthorized sending domain"), UnavailableError, "backend"),
        (401, said("domain example.com is unverified"), UnavailableError, "sender"),
        (403, b'{"errors": "Account access forbidden"}', UnavailableError, "backend"),
        (403, said("Account is banned"), UnavailableError, "account"),
        (403, said("Sending domain not verified"), UnavailableError, "sender"),
        (403, b"<html>error code: 1020</html>", UnavailableError, "backend"),
        (402, b"", UnavailableError, "account"),
        (404, b'{"error": "Not Found"}', UnavailableError, "backend"),
        (408, b"", TransientError, None),
        (413, b"", UnsuitableError, None),
        (429, b'{"errors": "Rate limit exceeded"}', ThrottledError, None),
        (429, b"", ThrottledError, None),
        (429, said("Your plan limit is exhausted"), UnavailableError, "account"),
        (429, said("Monthly messages limit reached"), UnavailableError, "account"),
        (302, b"", UnavailableError, "backend"),
        (418, b"", RejectedError, None),
        (500, said("Internal server error"), UnknownOutcomeError, None),
        (502, b"<html>Bad gateway", UnknownOutcomeError, None),
        (503, b"", TransientError, None),
        (504, b"", UnknownOutcomeError, None),
        (520, b"<html>", UnknownOutcomeError, None),
    ],
)
def test_each_reply_has_its_meaning(status, body, expected, scope):
    with pytest.raises(DeliveryError) as caught:
        answered(status, body)

    assert type(caught.value) is expected
    assert getattr(caught.value, "scope", None) == scope
    assert caught.value.code == str(status)


def test_an_error_says_what_mailtrap_said():
    with pytest.raises(
        RejectedError, match=r"'from' is required; 'subject' is required"
    ):
        answered(400, said("'from' is required", "'subject' is required"))


def test_how_long_to_wait_is_passed_on(how):
    with pytest.raises(ThrottledError) as caught:
        answered(429, b"", "Retry-After: 7", how=how)

    assert caught.value.retry_after == 7


def test_a_token_that_comes_back_in_an_error_is_masked():
    with pytest.raises(UnavailableError) as caught:
        answered(401, said(f"no such token {TOKEN}"))

    assert TOKEN not in str(caught.value)


def test_the_token_is_shown_nowhere():
    backend = MailtrapBackend(token=TOKEN)
    message = note()

    shown = backend.preview(message, Envelope.of(message))

    assert "Authorization: Bearer ***" in shown
    assert TOKEN not in shown + repr(backend)


def test_the_mailtrap_sandbox_has_an_account_of_its_own():
    assert MailtrapBackend(token=TOKEN).account == "mailtrap"
    assert MailtrapBackend(token=TOKEN, sandbox_id=1).account == "mailtrap-sandbox"
    assert MailtrapBackend(token=TOKEN, account="mine").account == "mine"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"token": ""}, "MAILTRAP_API_TOKEN"),
        ({"token": "a b"}, "space or a strange character"),
        ({"token": "a\n"}, "space or a strange character"),
        ({"stream": "fast"}, "transactional or bulk"),
        ({"sandbox_id": "x"}, "number of a Mailtrap Sandbox"),
        ({"sandbox_id": 0}, "number of a Mailtrap Sandbox"),
        ({"sandbox_id": 5, "stream": "bulk"}, "no bulk stream"),
        ({"base_url": "http://example.com"}, "plaintext to another machine"),
        ({"ca": "/no/such/file"}, "ca cannot be read"),
    ],
)
def test_a_mistake_is_named(options, reason):
    with pytest.raises(ConfigError, match="mailtrap: ") as caught:
        MailtrapBackend(**({"token": TOKEN} | options))

    assert reason in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_every_mistake_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        MailtrapBackend(token="", stream="fast", base_url="http://example.com")

    assert len(caught.value.problems) == 3


def url_of(dsn):
    backend = MailtrapBackend.from_settings(parse_dsn(dsn, name="mine"))
    message = note()
    return backend.preview(message, Envelope.of(message)).split("\n")[0]


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        (f"mailtrap+api://{TOKEN}@default", "https://send.api.mailtrap.io/api/send"),
        (
            f"mailtrap+api://{TOKEN}@default?stream=bulk",
            "https://bulk.api.mailtrap.io/api/send",
        ),
        (
            f"mailtrap+api://{TOKEN}@default?sandbox_id=9",
            "https://sandbox.api.mailtrap.io/api/send/9",
        ),
        (f"mailtrap+api://{TOKEN}@gate:8443", "https://gate:8443/api/send"),
        (
            f"mailtrap+api://{TOKEN}@127.0.0.1:5001?tls=off",
            "http://127.0.0.1:5001/api/send",
        ),
        (f"mailtrap+api://{TOKEN}@[::1]:5001?tls=off", "http://[::1]:5001/api/send"),
    ],
)
def test_a_dsn_says_where_to(dsn, url):
    assert url_of(dsn) == f"POST {url}"


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        ("mailtrap+api://default", "MAILTRAP_API_TOKEN"),
        (f"mailtrap+api://{TOKEN}@default?colour=red", "colour"),
        (f"mailtrap+api://{TOKEN}@default?tls=off", "tls=off needs a host"),
        (f"mailtrap+api://{TOKEN}@example.com?tls=off", "plaintext to another machine"),
        (f"mailtrap+api://{TOKEN}@default?tls=maybe", "tls= is implicit"),
        (f"mailtrap+api://{TOKEN}@default:99", "a port needs a host"),
        (f"mailtrap+api://{TOKEN}@default?stream=fast", "transactional or bulk"),
    ],
)
def test_a_mistake_in_a_dsn_is_named(dsn, reason):
    with pytest.raises(ConfigError) as caught:
        url_of(dsn)

    assert reason in str(caught.value)
    assert TOKEN not in str(caught.value)
