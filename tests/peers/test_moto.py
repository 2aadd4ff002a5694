"""SES through the moto server: a peer we did not write, asked with real HTTP.

moto checks identities, addresses and recipient counts; it parses Raw messages, and keeps
Simple ones without their attachments, headers and tags. It does not check signatures;
``tests/wire/test_sigv4.py`` and the local sandbox do.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging

import boto3
import pytest
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends

from mailbalance import (
    Attachment,
    Envelope,
    Message,
    RejectedError,
    SesBackend,
    UnavailableError,
)

REGION = "eu-west-1"
ACCOUNT = "123456789012"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@pytest.fixture(scope="module")
def endpoint():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def sent(endpoint):
    """What moto holds, with ``example.com`` verified."""
    client = boto3.client(
        "sesv2",
        REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_email_identity(EmailIdentity="example.com")
    client.close()
    messages = ses_backends[ACCOUNT][REGION].sent_messages
    messages.clear()
    yield messages
    ses_backends[ACCOUNT][REGION].reset()


def by_send(backend, message, envelope=None):
    try:
        return backend.send(message, envelope or Envelope.of(message), timeout=10)
    finally:
        backend.close()


def by_asend(backend, message, envelope=None):
    async def attempt():
        return await backend.asend(
            message, envelope or Envelope.of(message), timeout=10
        )

    return asyncio.run(attempt())


@pytest.fixture(params=[by_send, by_asend], ids=["send", "asend"])
def how(request):
    return request.param


@pytest.fixture
def ses(endpoint):
    environ = {**KEYS, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_SESV2": endpoint}
    return SesBackend(environ=environ)


def note(**changes):
    fields = {
        "from_": "Änne <anne@example.com>",
        "to": ["Ben <ben@example.net>"],
        "cc": "cleo@example.net",
        "bcc": "eve@example.net",
        "subject": "Grüße",
        "html": "<p>Hällo",
    }
    return Message(**(fields | changes))


def test_a_simple_message_arrives(how, ses, sent):
    found = how(ses, note(metadata={"a b": "ü"}, attachments=[pdf()]))

    (arrived,) = sent
    assert found.provider_ids == (arrived.id,)
    assert (arrived.subject, arrived.body) == ("Grüße", "<p>Hällo")
    assert arrived.destinations == {
        "ToAddresses": ["Ben <ben@example.net>"],
        "CcAddresses": ["cleo@example.net"],
        "BccAddresses": ["eve@example.net"],
    }


def pdf(name="a.pdf"):
    return Attachment(content=b"\x00\xff" * 50, filename=name)


def test_a_raw_message_arrives_whole(how, ses, sent):
    message = note(message_id="<own@example.com>", attachments=[pdf("ä.pdf")])

    found = how(ses, message)

    (arrived,) = sent
    parsed = email.message_from_string(arrived.raw_data, policy=email.policy.default)
    (attachment,) = parsed.iter_attachments()
    assert found.provider_ids == (arrived.id,)
    assert parsed["message-id"] == "<own@example.com>"
    assert parsed["subject"] == "Grüße"
    assert parsed["bcc"] is None
    assert "eve@example.net" in arrived.destinations
    assert attachment.get_filename() == "ä.pdf"
    assert attachment.get_content() == b"\x00\xff" * 50


def test_some_recipients_alone_get_a_raw_message(how, ses, sent):
    message = note()

    how(ses, message, Envelope.of(message).only(["eve@example.net"]))

    assert "To: Ben <ben@example.net>" in sent[0].raw_data
    assert sent[0].destinations[0] == "eve@example.net"


def test_an_unverified_sender_concerns_that_sender_only(how, ses, sent):
    with pytest.raises(UnavailableError) as caught:
        how(ses, note(from_="anne@unverified.example"))

    assert (caught.value.scope, caught.value.code) == ("sender", "MessageRejected")
    assert not sent


def test_too_many_recipients_are_rejected(how, ses, sent):
    many = [f"u{n}@example.net" for n in range(51)]

    with pytest.raises(RejectedError, match="Too many recipients"):
        how(ses, note(to=many))


def test_a_server_that_cannot_say_what_is_asked_is_alive(endpoint, sent):
    environ = {**KEYS, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_SESV2": endpoint}
    ses = SesBackend(environ=environ, rate="auto")

    found = ses.probe(timeout=10)  # moto has no GetAccount (5.2, 2026-11)
    ses.close()

    assert found == ()
    assert not sent


def test_the_keys_of_a_role_are_asked_for(how, endpoint, sent, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        "[profile base]\naws_access_key_id=testing\naws_secret_access_key=testing\n"
        f"[profile role]\nrole_arn=arn:aws:iam::{ACCOUNT}:role/sender\n"
        f"source_profile=base\nregion={REGION}\n"
    )
    environ = {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ses = SesBackend(profile="role", environ=environ)

    found = how(ses, note())

    assert found.provider_ids == (sent[0].id,)
    assert ses._aws.keys().token is not None
