"""What a probe asks of each provider, and what its answer means."""

from __future__ import annotations

import asyncio
import json

import pytest

from mailbalance import (
    DeliveryError,
    MailtrapBackend,
    MailtrapSmtpBackend,
    SesBackend,
    SesSmtpBackend,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backend import Probing, Rate
from tests.wire.peer import Peer, answering, saying, silent

SECRET = "wJalrXUtnFEMI-canary"
TOKEN = "token-canary-0123456789"
QUOTA = {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 120.0}


def by_probe(backend, timeout=5.0):
    try:
        return backend.probe(timeout=timeout)
    finally:
        backend.close()


def by_aprobe(backend, timeout=5.0):
    async def ask():
        try:
            return await backend.aprobe(timeout=timeout)
        finally:
            await backend.aclose()

    return asyncio.run(ask())


@pytest.fixture(params=[by_probe, by_aprobe], ids=["probe", "aprobe"])
def how(request):
    return request.param


def ses(peer, **options):
    given = {"region": "eu-west-1", "access_key": "AKIA", "secret_key": SECRET}
    return SesBackend(endpoint=peer.url(""), **(given | {"rate": "auto"} | options))


def account(**facts):
    quota = QUOTA | facts.pop("quota", {})
    return json.dumps({"SendQuota": quota, "SendingEnabled": True} | facts).encode()


def test_every_provider_can_be_probed():
    for backend in (
        SesBackend(),
        SesSmtpBackend(username="u", password="p"),
        MailtrapBackend(token="t"),
        MailtrapSmtpBackend(token="t"),
    ):
        assert isinstance(backend, Probing)
        assert backend.learns is False
        assert backend.connections() == (0, 0)


def test_ses_is_asked_about_the_account(how):
    with Peer((answering(200, account()),)) as peer:
        found = how(ses(peer))

    (request,) = peer.requests
    assert request.head.startswith(b"GET /v2/email/account HTTP/1.1")
    assert "content-type" not in request.headers
    assert "Credential=AKIA/" in request.headers["authorization"]
    assert found == (
        Rate(14, 1.0, "recipients", "account"),
        Rate(50000, 86400.0, "recipients", "account", used=120),
    )


@pytest.mark.parametrize(
    ("quota", "rates"),
    [
        ({"MaxSendRate": 14.9}, [(14, 1.0)]),
        ({"MaxSendRate": 0.5}, [(1, 2.0)]),
        ({"MaxSendRate": -1.0}, []),
        ({"MaxSendRate": 0}, []),
        ({"MaxSendRate": None}, []),
        ({"MaxSendRate": "14"}, []),
        ({"MaxSendRate": 1e300}, [(10**9, 1.0)]),
        ({"MaxSendRate": 10**400}, [(10**9, 1.0)]),
        ({"MaxSendRate": 5e-324}, []),
    ],
)
def test_odd_figures_make_no_odd_rates(quota, rates):
    with Peer(
        (answering(200, account(quota=quota | {"Max24HourSend": -1.0})),)
    ) as peer:
        found = by_probe(ses(peer))

    assert [(rate.count, rate.period) for rate in found] == rates


def test_what_ses_tells_is_divided_between_processes():
    with Peer((answering(200, account()),)) as peer:
        found = by_probe(ses(peer, processes=4))

    assert [(rate.count, rate.used) for rate in found] == [(3, 0), (12500, 30)]


def test_nobody_learns_what_nobody_asked_for(how):
    with Peer((answering(200, account()),)) as peer:
        assert how(ses(peer, rate=None)) == ()


@pytest.mark.parametrize("rate", [None, "auto"])
def test_a_paused_account_is_unavailable_whole(how, rate):
    act = answering(200, account(SendingEnabled=False))

    with Peer((act,)) as peer, pytest.raises(UnavailableError) as caught:
        how(ses(peer, rate=rate))

    assert (caught.value.scope, caught.value.code) == (
        "account",
        "SendingPausedException",
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "AccessDeniedException"),
        (403, "AccessDenied"),
        (429, "TooManyRequestsException"),
        (400, "BadRequestException"),
        (404, "NotFoundException"),
        (404, ""),
        (301, ""),
    ],
)
def test_an_answer_that_does_not_concern_sending_is_a_sign_of_life(how, status, code):
    with Peer((answering(status, b"{}", f"x-amzn-errortype: {code}"),)) as peer:
        assert how(ses(peer)) == ()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "SignatureDoesNotMatch", UnavailableError),
        (403, "UnrecognizedClientException", UnavailableError),
        (403, "ExpiredTokenException", UnavailableError),
        (403, "", UnavailableError),
        (401, "", UnavailableError),
        (400, "AccountSuspendedException", UnavailableError),
        (500, "InternalServiceErrorException", TransientError),
        (502, "", TransientError),
        (503, "ServiceUnavailableException", TransientError),
        (200, "", TransientError),
    ],
)
def test_an_answer_that_concerns_sending_is_an_error(how, status, code, expected):
    act = answering(status, b"<html>", f"x-amzn-errortype: {code}")

    with Peer((act,)) as peer, pytest.raises(expected) as caught:
        how(ses(peer))

    assert type(caught.value) is expected
    assert SECRET not in str(caught.value)


def mailtrap(peer, **options):
    return MailtrapBackend(token=TOKEN, base_url=peer.url(""), **options)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 405, 429])
def test_any_clear_answer_of_mailtrap_is_a_sign_of_life(how, status):
    with Peer((answering(status),)) as peer:
        assert how(mailtrap(peer)) == ()

    (request,) = peer.requests
    assert request.head.startswith(b"GET /api/send HTTP/1.1")


def test_a_probe_of_mailtrap_does_not_show_the_token(how):
    with Peer((answering(404),)) as peer:
        how(mailtrap(peer, sandbox_id=7))

    assert peer.requests[0].head.startswith(b"GET /api/send/7 ")
    assert TOKEN.encode() not in peer.requests[0].head


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_mailtrap_in_trouble_is_no_sign_of_life(how, status):
    act = answering(status, b"", "Retry-After: 7")

    with Peer((act,)) as peer, pytest.raises(TransientError) as caught:
        how(mailtrap(peer))

    assert (caught.value.code, caught.value.retry_after) == (str(status), 7)


@pytest.mark.parametrize("make", [ses, mailtrap], ids=["ses", "mailtrap"])
@pytest.mark.parametrize("act", [silent, saying(b""), saying(b"HTTP/1.1 200 OK\r\nC")])
def test_a_lost_answer_is_never_an_unknown_outcome(how, make, act):
    with Peer((act,)) as peer, pytest.raises(DeliveryError) as caught:
        how(make(peer), timeout=0.4)

    assert not isinstance(caught.value, UnknownOutcomeError)
    assert not isinstance(caught.value, ThrottledError)
    assert caught.value.backend
