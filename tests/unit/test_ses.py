"""The SES backend whole: its settings, its signature, one refresh of expired keys."""

from __future__ import annotations

import asyncio
import json
import pickle
import ssl

import httpx
import httpx2
import pytest
import trustme

from mailbalance import (
    Attachment,
    Backend,
    ConfigError,
    Envelope,
    Message,
    SesBackend,
    TransientError,
    UnavailableError,
)
from mailbalance.config.dsn import parse_dsn
from tests.wire.peer import Peer, answering

OK = b'{"MessageId": "0100-abc"}'
SECRET = "wJalrXUtnFEMI-canary"


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


def backend(peer=None, **options):
    given = {"region": "eu-west-1", "access_key": "AKIA", "secret_key": SECRET}
    given |= {"endpoint": peer.url("")} if peer else {}
    return SesBackend(**(given | options))


def test_it_is_a_backend():
    assert isinstance(backend(), Backend)


def test_it_posts_a_signed_body_to_sesv2(how):
    with Peer((answering(200, OK),)) as peer:
        found = how(backend(peer, session_token="ST"), note())

    (request,) = peer.requests
    assert request.head.startswith(b"POST /v2/email/outbound-emails HTTP/1.1")
    assert json.loads(request.body)["FromEmailAddress"] == "a@example.com"
    assert "Credential=AKIA/" in request.headers["authorization"]
    assert "x-amz-security-token" in request.headers["authorization"]
    assert found.provider_ids == ("0100-abc",)


def files_of_keys(tmp_path, key):
    path = tmp_path / "credentials"
    path.write_text(
        f"[default]\naws_access_key_id={key}\naws_secret_access_key={SECRET}\n"
    )
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def expired(then, change=lambda: None):
    """Refuse the first request for its keys, after changing them; then answer so."""

    def act(caller):
        caller.take()
        change()
        caller.reply(403, b"{}", "x-amzn-errortype: ExpiredTokenException")
        while caller.take():
            caller.reply(*then)

    return act


def test_expired_keys_are_fetched_anew_once(how, tmp_path):
    environ = files_of_keys(tmp_path, "OLD")
    act = expired((200, OK), lambda: files_of_keys(tmp_path, "NEW"))

    with Peer((act,)) as peer:
        ses = backend(peer, access_key=None, secret_key=None, environ=environ)
        found = how(ses, note())

    keys = [request.headers["authorization"] for request in peer.requests]
    assert ["Credential=OLD" in keys[0], "Credential=NEW" in keys[1]] == [True, True]
    assert found.outcome == "accepted"


def test_keys_that_stay_expired_are_tried_twice_at_most(how, tmp_path):
    environ = files_of_keys(tmp_path, "OLD")
    again = (403, b"{}", "x-amzn-errortype: ExpiredTokenException")
    act = expired(again, lambda: files_of_keys(tmp_path, "NEW"))

    with Peer((act,)) as peer:
        ses = backend(peer, access_key=None, secret_key=None, environ=environ)
        with pytest.raises(UnavailableError):
            how(ses, note())

    assert len(peer.requests) == 2


def test_keys_that_cannot_change_are_not_tried_twice(how, tmp_path):
    with Peer((expired((200, OK)),)) as peer, pytest.raises(UnavailableError) as caught:
        how(backend(peer), note())

    assert caught.value.code == "ExpiredTokenException"
    assert len(peer.requests) == 1


def test_without_keys_the_error_names_what_to_set(how):
    environ = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nowhere"}
    ses = SesBackend(region="eu-west-1", environ=environ, endpoint="http://127.0.0.1:9")

    with pytest.raises(UnavailableError, match="set AWS_ACCESS_KEY_ID"):
        how(ses, note())


def test_without_a_region_the_error_names_what_to_set(how):
    with pytest.raises(UnavailableError, match="set AWS_REGION"):
        how(SesBackend(access_key="A", secret_key="B", environ={}), note())


def test_an_endpoint_in_the_clear_is_not_used(how):
    environ = {"AWS_ENDPOINT_URL_SESV2": "http://203.0.113.1"}
    ses = backend(environ=environ)

    with pytest.raises(UnavailableError, match="plaintext to another machine"):
        how(ses, note())


def test_nobody_at_the_endpoint_is_trouble_that_may_pass(how):
    with Peer((answering(200, OK),)) as peer:
        pass

    with pytest.raises(TransientError):
        how(backend(peer), note())


def test_the_ca_bundle_of_aws_is_trusted(how, tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    environ = {"AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}

    with Peer((answering(200, OK),), tls=server) as peer:
        endpoint = peer.url("", host="localhost")
        found = how(backend(endpoint=endpoint, environ=environ), note())

    assert found.outcome == "accepted"


@pytest.mark.parametrize("family", [httpx2, httpx])
def test_a_users_own_client_carries_it(family):
    with Peer((answering(200, OK),)) as peer, family.Client() as client:
        found = by_send(backend(peer, http_client=client), note())

    assert found.provider_ids == ("0100-abc",)


@pytest.mark.parametrize(
    ("options", "account"),
    [
        ({}, "ses/eu-west-1"),
        ({"account": "mine"}, "mine"),
        ({"region": None, "environ": {"AWS_REGION": "us-east-2"}}, "ses/us-east-2"),
        ({"region": None, "environ": {}}, "ses"),
    ],
)
def test_quotas_belong_to_an_account_and_region(options, account):
    assert backend(**options).account == account


@pytest.mark.parametrize(
    "options",
    [
        {"secret_key": None},
        {"access_key": None},
        {"access_key": None, "secret_key": None, "session_token": SECRET},
    ],
)
def test_keys_come_in_pairs(options):
    with pytest.raises(ConfigError, match="belong together") as caught:
        backend(**options)

    assert SECRET not in str(caught.value)


def test_a_dsn_says_it_all():
    dsn = f"ses+api://AKIA:{SECRET}@default?region=eu-north-1&configuration_set=c"
    ses = SesBackend.from_settings(parse_dsn(dsn, name="mine"))

    assert (ses.name, ses.account) == ("mine", "ses/eu-north-1")
    assert "email.eu-north-1.amazonaws.com" in ses.preview(note(), Envelope.of(note()))
    assert SECRET not in repr(ses) + repr(vars(ses))


def test_a_host_in_a_dsn_takes_the_place_of_the_provider():
    dsn = "ses+api://A:B@vpce.example.com:8443?region=eu-north-1"
    ses = SesBackend.from_settings(parse_dsn(dsn, name="ses"))

    shown = ses.preview(note(), Envelope.of(note()))

    assert shown.startswith(
        "POST https://vpce.example.com:8443/v2/email/outbound-emails\n"
    )


def test_every_mistake_in_a_dsn_is_told_at_once():
    dsn = f"ses+api://AKIA:{SECRET}@host?endpoint=http://203.0.113.1&colour=red&ca=/no"

    with pytest.raises(ConfigError) as caught:
        SesBackend.from_settings(parse_dsn(dsn, name="ses"))

    text = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "colour" in text
    assert "give one" in text
    assert "ca cannot be read" in text
    assert SECRET not in text


def test_a_preview_is_the_request_with_its_secrets_masked():
    message = note(attachments=[Attachment(content=b"x" * 9000, filename="a.bin")])
    ses = backend(session_token="very-secret-token")

    shown = ses.preview(message, Envelope.of(message))

    assert (
        "POST https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails" in shown
    )
    assert "Signature=***" in shown
    assert '"FromEmailAddress": "a@example.com"' in shown
    assert "very-secret-token" not in shown
    assert SECRET not in shown


def test_a_preview_without_a_region_says_what_is_missing():
    ses = SesBackend(access_key="A", secret_key="B", environ={})

    assert "set AWS_REGION" in ses.preview(note(), Envelope.of(note()))


def test_its_errors_travel_between_processes():
    with pytest.raises(UnavailableError) as caught:
        by_send(SesBackend(access_key="A", secret_key="B", environ={}), note())

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301
