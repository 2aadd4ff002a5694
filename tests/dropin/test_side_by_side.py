"""The same calls by plain boto3 and by the drop-in: same replies, same mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends

from mailbalance import Mailer, SesBackend, dropin
from tests.dropin.conftest import KEYS, V1, V2

RAW = (
    b"From: Shop <shop@example.com>\r\nTo: ana@example.com\r\nSubject: Hallo\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGuten Tag\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=a.pdf\r\n\r\nJVBERg==\r\n--b--\r\n"
)
UTF8 = {"Data": "Grüße", "Charset": "UTF-8"}
BODY = {"Text": UTF8, "Html": {"Data": "<p>Hi</p>"}}

V2_CALLS: dict[str, dict[str, Any]] = {
    "simple": V2,
    "both bodies": {
        **V2,
        "Content": {"Simple": {"Subject": UTF8, "Body": BODY}},
    },
    "everybody": {
        **V2,
        "Destination": {
            "ToAddresses": ["Ana <ana@example.com>", "bob@example.com"],
            "CcAddresses": ["cc@example.com"],
            "BccAddresses": ["bcc@example.com"],
        },
        "ReplyToAddresses": ["desk@example.com"],
        "EmailTags": [{"Name": "category", "Value": "welcome"}],
    },
    "an attachment": {
        **V2,
        "Content": {
            "Simple": {
                "Subject": {"Data": "File"},
                "Body": BODY,
                "Headers": [{"Name": "X-Order", "Value": "7"}],
                "Attachments": [
                    {
                        "FileName": "a.pdf",
                        "RawContent": b"%PDF\x00\xff",
                        "ContentType": "application/pdf",
                    }
                ],
            }
        },
    },
    "raw": {"Content": {"Raw": {"Data": RAW}}},
}


def mail(stored: Any) -> dict[str, Any]:
    """Give what a reader of a message sees, and who it went to.

    Left out, as the providers differ in them: Message-ID and Date (SES writes its own),
    MIME boundaries, and header fields of the providers' own.
    """
    parsed = stored.parsed
    return {
        "sender": stored.sender,
        "recipients": set(stored.recipients),
        "subject": parsed.subject,
        "text": (parsed.text or "").strip(),
        "html": (parsed.html or "").strip(),
        "files": [(each.filename, each.size) for each in parsed.attachments],
    }


@pytest.mark.parametrize("split", ["ses=100", "mailtrap=100", "ses=60,mailtrap=40"])
@pytest.mark.parametrize("what", V2_CALLS)
def test_sesv2_gives_the_same_reply_and_the_same_mail(
    what: str, split: str, at_box: Any, mailer_of: Any, box: Any
) -> None:
    if what == "an attachment" and "Attachments" not in _members(at_box()):
        pytest.skip("this botocore has no attachments")
    plain = at_box().send_email(**V2_CALLS[what])
    ours = dropin.attach(at_box(), mailer_of(split)).send_email(**V2_CALLS[what])

    assert ours.keys() == plain.keys()
    first, second = box.messages()
    assert mail(second) == mail(first)


def test_raw_mail_for_others_than_it_names_stays_on_ses(
    at_box: Any, mailer_of: Any, box: Any
) -> None:
    call: dict[str, Any] = {
        **V2_CALLS["raw"],
        "Destination": {"ToAddresses": ["else@example.com"]},
    }
    for _ in range(5):
        dropin.attach(at_box(), mailer_of()).send_email(**call)
    without = dropin.attach(at_box(), mailer_of("mailtrap=100"))

    with pytest.raises(without.exceptions.MessageRejected, match="everybody it shows"):
        without.send_email(**call)

    assert {each.recipients for each in box.messages()} == {("else@example.com",)}
    assert len(box.messages("ses")) == 5


def _members(client: Any) -> Any:
    shape = client.meta.service_model.operation_model("SendEmail").input_shape
    return shape.members["Content"].members["Simple"].members


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def at_moto(moto_url: str) -> Iterator[Any]:
    """Makes plain ``ses`` clients of a moto server that knows the sender."""

    def make() -> Any:
        return boto3.client("ses", endpoint_url=moto_url, **KEYS)

    make().verify_email_identity(EmailAddress="shop@example.com")
    yield make
    make().delete_identity(Identity="shop@example.com")


V1_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "simple": ("send_email", V1),
    "both bodies": (
        "send_email",
        {**V1, "Message": {"Subject": UTF8, "Body": BODY}},
    ),
    "raw": (
        "send_raw_email",
        {
            "Source": "shop@example.com",
            "Destinations": ["ana@example.com"],
            "RawMessage": {"Data": RAW},
        },
    ),
}


def at_ses() -> list[dict[str, Any]]:
    """Give what moto has taken, without its ids."""
    taken = ses_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].sent_messages
    return [{k: v for k, v in vars(each).items() if k != "id"} for each in taken]


@pytest.mark.parametrize("what", V1_CALLS)
def test_ses_gets_the_same_mail_from_v1(what: str, at_moto: Any) -> None:
    method, call = V1_CALLS[what]
    plain = getattr(at_moto(), method)(**call)
    mailer = Mailer({SesBackend(region="eu-west-1"): 100})
    ours = getattr(dropin.attach(at_moto(), mailer), method)(**call)

    first, second = at_ses()[-2:]
    assert second == first
    assert ours.keys() == plain.keys()
    assert ours["ResponseMetadata"].keys() == plain["ResponseMetadata"].keys()


@pytest.mark.parametrize("what", V1_CALLS)
def test_mailtrap_gets_the_mail_of_v1(
    what: str, at_moto: Any, mailer_of: Any, box: Any
) -> None:
    method, call = V1_CALLS[what]

    client = dropin.attach(at_moto(), mailer_of("mailtrap=100"))
    getattr(client, method)(**call)

    found = mail(box.messages("mailtrap")[0])
    assert found["recipients"] == {"ana@example.com"}
    assert found["sender"] == "shop@example.com"
    if what == "raw":
        assert (found["subject"], found["text"]) == ("Hallo", "Guten Tag")
        assert found["files"] == [("a.pdf", 4)]
    else:
        message = call["Message"]
        assert found["subject"] == message["Subject"]["Data"]
        assert found["text"] == message["Body"]["Text"]["Data"]


def test_a_refusal_of_v1_is_that_of_a_plain_client(at_moto: Any) -> None:
    call = {**V1, "Source": "nobody@example.org"}
    with pytest.raises(ClientError) as plain:
        at_moto().send_email(**call)
    client = dropin.attach(at_moto(), Mailer({SesBackend(region="eu-west-1"): 100}))

    with pytest.raises(client.exceptions.MessageRejected) as ours:
        client.send_email(**call)

    assert ours.value.response["Error"] == plain.value.response["Error"]
    assert str(ours.value) == str(plain.value)


@pytest.mark.parametrize("split", ["ses=60,mailtrap=40", "mailtrap=100"])
@pytest.mark.parametrize(
    "change",
    [
        {"Destination": {"ToAddresses": [f"a{n}@example.com" for n in range(51)]}},
        {"EmailTags": [{"Name": "a b", "Value": "x"}]},
        {"FromEmailAddress": ""},
        {"Content": {}},
    ],
    ids=["51 recipients", "a tag", "no sender", "no content"],
)
def test_what_the_server_refuses_is_refused_the_same_wherever_it_goes(
    change: dict[str, Any], split: str, at_box: Any, mailer_of: Any, box: Any
) -> None:
    with pytest.raises(ClientError) as plain:
        at_box().send_email(**{**V2, **change})
    client = dropin.attach(at_box(), mailer_of(split))

    for _ in range(3):
        with pytest.raises(ClientError) as ours:
            client.send_email(**{**V2, **change})
        assert {type(ours.value).__name__, type(plain.value).__name__} <= {
            "BadRequestException",
            "MessageRejected",
        }

    assert not box.messages()
