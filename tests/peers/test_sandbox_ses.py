"""The fake SES, asked by boto3."""

import dataclasses
import re
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from mailbalance.sandbox import Sandbox
from tests.peers.sandbox_clients import LETTER, request, ses_simple, sesv2

MESSAGE_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-0{6}")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_simple_message_is_taken_over(box: Sandbox) -> None:
    reply = ses_simple(sesv2(box), EmailTags=[{"Name": "demo_id", "Value": "7"}])

    stored = box.messages("ses")[0]
    assert MESSAGE_ID.fullmatch(reply["MessageId"])
    assert reply["ResponseMetadata"]["RequestId"]
    assert stored.provider_ids == (reply["MessageId"],)
    assert (stored.sender, stored.recipients) == (
        "ana@example.com",
        ("bo@example.com",),
    )
    assert (stored.parsed.text, stored.parsed.variables) == ("grüße", {"demo_id": "7"})
    assert stored.identity == "7"


def test_a_raw_message_is_taken_over_with_its_headers(box: Sandbox) -> None:
    sesv2(box).send_email(Content={"Raw": {"Data": LETTER.encode()}})

    stored = box.messages()[0]
    assert stored.recipients == ("bo@example.com",)
    assert stored.identity == "<1@example.com>"
    assert stored.parsed.sender == "Ana <ana@example.com>"


def test_the_destination_replaces_the_headers_of_a_raw_message(box: Sandbox) -> None:
    sesv2(box).send_email(
        Content={"Raw": {"Data": LETTER.encode()}},
        Destination={"BccAddresses": ["c@example.com"]},
    )

    stored = box.messages()[0]
    assert stored.recipients == ("c@example.com",)
    assert stored.parsed.bcc == ("c@example.com",)


def test_attachments_arrive(box: Sandbox) -> None:
    content = {
        "Subject": {"Data": "s"},
        "Body": {"Html": {"Data": "<p>"}},
        "Attachments": [
            {"FileName": "a.bin", "RawContent": bytes(range(256))},
            {
                "FileName": "logo.png",
                "RawContent": b"1",
                "ContentDisposition": "INLINE",
                "ContentId": "logo",
                "ContentType": "image/png",
            },
        ],
    }

    ses_simple(sesv2(box), Content={"Simple": content})

    first, second = box.messages()[0].parsed.attachments
    assert (first.filename, first.size, first.disposition) == (
        "a.bin",
        256,
        "attachment",
    )
    assert (second.content_id, second.disposition) == ("logo", "inline")


def test_a_template_is_kept_as_it_came(box: Sandbox) -> None:
    template = {"TemplateName": "welcome", "TemplateData": "{}"}

    ses_simple(sesv2(box), Content={"Template": template})

    assert box.messages()[0].parsed.template == "welcome"


def test_the_account_says_what_it_was_told_to(box: Sandbox) -> None:
    client = sesv2(box)
    before = dataclasses.replace(box.ses_account)
    box.ses_account.max_send_rate = 2.0
    box.ses_account.sent_last_24_hours = 7
    box.ses_account.sending_enabled = False
    try:
        account = client.get_account()
    finally:
        for field in dataclasses.fields(before):
            setattr(box.ses_account, field.name, getattr(before, field.name))

    assert not account["SendingEnabled"]
    assert account["SendQuota"]["MaxSendRate"] == 2.0
    assert account["SendQuota"]["SentLast24Hours"] == 7.0


def test_the_account_can_be_asked(box: Sandbox) -> None:
    client = sesv2(box)
    ses_simple(client)

    account = client.get_account()

    assert account["SendingEnabled"]
    assert account["SendQuota"]["SentLast24Hours"] == 1.0


def test_a_message_comes_in_by_https_too(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sesv2(box, endpoint_url=box.urls()["ses-tls"], verify=str(box.ca_file))

    ses_simple(client)

    assert box.counts()["ses"].accepted == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"aws_access_key_id": "AKIAWRONG"}, "UnrecognizedClientException"),
    ],
)
def test_wrong_credentials_are_refused(
    box: Sandbox, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ClientError) as error:
        ses_simple(sesv2(box, **changes))

    assert code(error) == expected
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert box.counts()["ses"].refused == 1


def test_an_unsigned_request_is_refused(box: Sandbox) -> None:
    path = "/v2/email/outbound-emails"

    status, headers, _ = request(box, "ses", "POST", path, b"{}")

    assert status == 403
    assert headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_throttling_is_boto3s_own_exception(box: Sandbox) -> None:
    box.fault("ses", "throttle")
    client = sesv2(box)

    with pytest.raises(client.exceptions.TooManyRequestsException) as error:
        ses_simple(client)

    assert "Maximum sending rate exceeded" in str(error.value)
    assert box.messages() == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, "InternalServiceErrorException"),
        (400, "SendingPausedException"),
        (403, "AccessDeniedException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_an_error_has_the_name_that_goes_with_its_status(
    box: Sandbox, status: int | None, expected: str
) -> None:
    box.fault("ses", "error", code=status)

    with pytest.raises(ClientError) as error:
        ses_simple(sesv2(box))

    assert code(error) == expected


def test_an_unverified_domain_is_refused() -> None:
    with Sandbox(verified={"Example.org"}) as box:
        client = sesv2(box)
        with pytest.raises(client.exceptions.MessageRejected, match="not verified"):
            ses_simple(client)
        ses_simple(client, FromEmailAddress="a@example.org")

        assert box.counts()["ses"].accepted == 1


def test_fifty_one_recipients_are_too_many(box: Sandbox) -> None:
    client = sesv2(box)
    many = [f"a{n}@example.com" for n in range(51)]

    with pytest.raises(client.exceptions.MessageRejected, match="exceeds 50"):
        ses_simple(client, Destination={"ToAddresses": many})


def test_a_wrongly_typed_field_is_an_error_and_no_crash(box: Sandbox) -> None:
    client = sesv2(box)
    with pytest.raises(ClientError) as error:
        client.send_email(Content={"Raw": {"Data": b"From: x"}}, EmailTags=[])

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("head", ["From: a@x.com\nTo: bo", "From: x\nTo: b@y.com"])
def test_an_address_in_a_raw_header_must_be_one_too(box: Sandbox, head: str) -> None:
    client = sesv2(box)

    with pytest.raises(client.exceptions.BadRequestException, match="final '@domain'"):
        client.send_email(Content={"Raw": {"Data": head.encode()}})


def test_boto3_posts_a_dropped_message_again(box: Sandbox) -> None:
    box.fault("ses", "drop", count=1)
    retrying = Config(retries={"total_max_attempts": 2, "mode": "standard"})

    ses_simple(
        sesv2(box, config=retrying), EmailTags=[{"Name": "demo_id", "Value": "7"}]
    )

    assert [m.answered for m in box.messages()] == [False, True]
    assert box.duplicates() == {"7": 2}


def test_a_dropped_message_is_unknown_to_the_client(box: Sandbox) -> None:
    box.fault("ses", "drop")

    with pytest.raises(ConnectionClosedError):
        ses_simple(sesv2(box))

    assert box.counts()["ses"].unanswered == 1
