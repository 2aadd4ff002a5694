"""django-ses and django-anymail, as published, on top of an installed drop-in."""

from __future__ import annotations

import email
import importlib
import json
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import django
import pytest
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from moto.server import ThreadedMotoServer

from mailbalance import Mailer, dropin
from mailbalance.sandbox import Sandbox

DJANGO_SES = "django_ses.SESBackend"
ANYMAIL = "anymail.backends.amazon_ses.EmailBackend"


@pytest.fixture(scope="module", autouse=True)
def configured() -> None:
    """Django can be configured once in a process."""
    if not settings.configured:
        settings.configure(DEFAULT_FROM_EMAIL="shop@example.com", USE_TZ=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            django.setup()
    importlib.import_module("django_ses")


@pytest.fixture
def at(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Points both frameworks at the local sandbox, and installs a mailer."""
    keys, url = box.credentials, box.urls()["ses"]
    client = {
        "region_name": keys.region,
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "endpoint_url": url,
    }
    for name, value in {
        "AWS_SES_REGION_NAME": keys.region,
        "AWS_SES_REGION_ENDPOINT_URL": url,
        "AWS_SES_ACCESS_KEY_ID": keys.access_key,
        "AWS_SES_SECRET_ACCESS_KEY": keys.secret_key,
        "USE_SES_V2": True,
        "ANYMAIL": {"AMAZON_SES_CLIENT_PARAMS": client},
    }.items():
        monkeypatch.setattr(settings, name, value, raising=False)
    importlib.import_module("django_ses").cached_rate_limits.clear()
    mailers: list[Mailer] = []

    def install(split: str, **more: str) -> None:
        mailers.append(Mailer.from_env({**box.environ(split), **more}))
        dropin.install(mailers[-1])

    yield install
    dropin.uninstall()
    for mailer in mailers:
        mailer.close()


def mail() -> EmailMultiAlternatives:
    made = EmailMultiAlternatives(
        "Grüße", "Hallo", "Shop <shop@example.com>", ["ana@example.com"],
        bcc=["hidden@example.com"],
    )  # fmt: skip
    made.attach_alternative("<p>Hallo</p>", "text/html")
    made.attach("a.txt", "one", "text/plain")
    return made


@pytest.mark.parametrize("split", ["ses=100", "mailtrap=100", "ses=60,mailtrap=40"])
@pytest.mark.parametrize("backend", [DJANGO_SES, ANYMAIL])
def test_a_framework_sends_through_the_mailer(
    backend: str, split: str, at: Any, box: Sandbox
) -> None:
    at(split)

    sent = get_connection(backend).send_messages([mail() for _ in range(5)])

    assert sent == 5
    counts = box.counts()
    weights = dict(part.split("=") for part in split.split(","))
    assert counts["ses"].accepted == 5 * int(weights.get("ses", "0")) // 100
    assert counts["mailtrap"].accepted == 5 * int(weights.get("mailtrap", "0")) // 100


@pytest.mark.parametrize("backend", [DJANGO_SES, ANYMAIL])
def test_both_sides_get_the_same_mail(backend: str, at: Any, box: Sandbox) -> None:
    at("ses=50,mailtrap=50")

    get_connection(backend).send_messages([mail(), mail()])

    by_ses, by_mailtrap = (box.messages(door)[0].parsed for door in ("ses", "mailtrap"))
    for name in ("subject", "text", "html"):
        assert getattr(by_ses, name).strip() == getattr(by_mailtrap, name).strip()
    recipients = [set(each.recipients) for each in box.messages()]
    assert recipients == [{"ana@example.com", "hidden@example.com"}] * 2


@pytest.mark.parametrize("split", ["ses=100", "mailtrap=100"])
def test_django_ses_notes_the_ids(split: str, at: Any) -> None:
    at(split)
    message = mail()

    get_connection(DJANGO_SES).send_messages([message])

    assert message.extra_headers["status"] == 200
    assert message.extra_headers["message_id"].endswith("-000000")
    assert message.extra_headers["request_id"]


@pytest.mark.parametrize("split", ["ses=100", "mailtrap=100"])
def test_anymail_reports_what_was_queued(split: str, at: Any) -> None:
    at(split)
    message: Any = mail()
    message.tags = ["welcome"]
    message.metadata = {"order": "7"}

    get_connection(ANYMAIL).send_messages([message])

    assert message.anymail_status.status == {"queued"}
    assert message.anymail_status.message_id.endswith("-000000")


def variables(box: Sandbox) -> tuple[str | None, dict[str, str]]:
    """Give category and custom variables of the message that Mailtrap got."""
    body = json.loads(box.messages("mailtrap")[0].raw)
    return body.get("category"), body["custom_variables"]


def test_every_tag_of_anymail_reaches_mailtrap(at: Any, box: Sandbox) -> None:
    at("mailtrap=100")
    message: Any = mail()
    message.tags = ["welcome", "grün", "third"]
    message.metadata = {"order": "7"}

    get_connection(ANYMAIL).send_messages([message])

    category, found = variables(box)
    assert category == "welcome"
    assert found.items() >= {"tag_2": "grün", "tag_3": "third"}.items()
    headers = dict(box.messages("mailtrap")[0].parsed.headers)
    assert headers["X-Metadata"] == '{"order": "7"}'
    assert headers["X-Tag"] == "welcome"


@pytest.mark.parametrize("tags", [["welcome"], ["welcome", "second"]])
def test_a_stored_template_of_anymail_with_its_tags_reaches_mailtrap(
    tags: list[str],
    at: Any,
    box: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model = boto3.client("sesv2", "eu-west-1").meta.service_model
    shape = model.operation_model("SendBulkEmail").input_shape
    if "ReplacementHeaders" not in shape.members["BulkEmailEntries"].member.members:
        pytest.skip("this botocore has no headers beside a template")
    twins = tmp_path / "templates.toml"
    twins.write_text(f'welcome = "{uuid.uuid4()}"\n')
    monkeypatch.setenv("MAILBALANCE_TEMPLATES", str(twins))
    at("mailtrap=100", MAILBALANCE_TEMPLATES=str(twins))
    message: Any = EmailMessage(
        None, "", "shop@example.com", ["ana@example.com", "bo@example.com"]
    )
    message.template_id = "welcome"
    message.merge_global_data = {"name": "Ana"}
    message.tags = tags
    message.metadata = {"order": "7"}

    get_connection(ANYMAIL).send_messages([message])

    assert message.anymail_status.status == {"queued"}
    category, found = variables(box)
    assert len(box.messages("mailtrap")) == 2
    assert category is None
    assert set(tags) <= set(found.values())


def test_anymail_raises_its_own_error_for_ours(at: Any, box: Sandbox) -> None:
    from anymail.exceptions import AnymailAPIError

    at("mailtrap=100")
    box.fault("mailtrap", "reject", text="never")

    with pytest.raises(AnymailAPIError, match="never"):
        get_connection(ANYMAIL).send_messages([mail()])


def test_the_raw_mime_reaches_ses_as_the_framework_made_it(
    at: Any, box: Sandbox
) -> None:
    at("ses=100")

    get_connection(DJANGO_SES).send_messages(
        [EmailMessage("x", "y", "shop@example.com", ["ana@example.com"])]
    )

    stored = email.message_from_bytes(_raw(box))
    assert stored["Subject"] == "x"


def _raw(box: Sandbox) -> bytes:
    import base64
    import json

    content = json.loads(box.messages("ses")[0].raw)["Content"]
    return base64.b64decode(content["Raw"]["Data"])


@pytest.fixture
def moto_url() -> Iterator[str]:
    """A server that speaks the v1 API, which the local sandbox does not."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize("split", ["mailtrap=100", "ses=50,mailtrap=50"])
def test_django_ses_on_its_older_api_sends_through_the_mailer(
    split: str, at: Any, box: Sandbox, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(split)
    monkeypatch.setattr(settings, "USE_SES_V2", False)
    monkeypatch.setattr(settings, "AWS_SES_REGION_ENDPOINT_URL", moto_url)
    ses = boto3.client(
        "ses", "us-east-1", endpoint_url=moto_url,
        aws_access_key_id="x", aws_secret_access_key="x",
    )  # fmt: skip
    ses.verify_email_identity(EmailAddress="shop@example.com")

    sent = get_connection(DJANGO_SES).send_messages([mail() for _ in range(4)])

    assert sent == 4
    assert box.counts()["mailtrap"].accepted == (4 if split == "mailtrap=100" else 2)
