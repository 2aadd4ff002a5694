"""SES judges what SES gets: at 100 % SES a client behaves as it does without us."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import exceptions as aws
from botocore.config import Config
from moto.server import ThreadedMotoServer

from mailbalance import (
    Mailer,
    MemoryBackend,
    SesBackend,
    SesSmtpBackend,
    default,
    dropin,
)
from tests.dropin.conftest import KEYS, V1, V2
from tests.wire.peer import Peer, answering

SENT = {
    "ses": b"<SendEmailResponse><SendEmailResult><MessageId>from-ses</MessageId>"
    b"</SendEmailResult></SendEmailResponse>",
    "sesv2": b'{"MessageId": "from-ses"}',
}


def attached(client: Any, memory: MemoryBackend, split: str = "half") -> Any:
    ses = SesBackend(region="eu-west-1", access_key="key", secret_key="secret")
    weights = {"half": (50, 50), "ses": (100, 0), "mailtrap": (0, 100)}[split]
    return dropin.attach(client, Mailer(dict(zip((ses, memory), weights, strict=True))))


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend("mailtrap")


@pytest.fixture
def at(session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """Starts a server that always answers the same, and gives a plain client of it."""
    started: list[tuple[Peer, Any]] = []

    def make(service: str, status: int, body: bytes, *heads: str, **more: Any) -> Any:
        peer = Peer((answering(status, body, *heads),)).__enter__()
        made: Any = more.pop("made_by", session).client(
            service, endpoint_url=peer.url(""), **KEYS, **more
        )
        made.peer = peer
        started.append((peer, made))
        return made

    yield make
    for peer, client in started:
        client.close()
        peer.__exit__()


@pytest.fixture
def taking(at: Callable[..., Any]) -> Callable[..., Any]:
    """Makes plain clients of a server that takes whatever it gets."""

    def make(service: str, *, raw: bool = False, **more: Any) -> Any:
        body = SENT[service]
        if raw:
            body = body.replace(b"SendEmail", b"SendRawEmail")
        return at(service, 200, body, **more)

    return make


MANY = {"ToAddresses": [f"a{n}@example.com" for n in range(51)]}

#: What SES's documents, or its replies to others, say that it refuses.
AGAINST_THE_RULES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a domain with an underscore": (
        "ses", "send_email", {**V1, "Source": "a@fake_address.com"},
    ),
    "no sender": ("ses", "send_email", {**V1, "Source": ""}),
    "51 recipients": ("sesv2", "send_email", {**V2, "Destination": MANY}),
    "no recipient": ("sesv2", "send_email", {**V2, "Destination": {}}),
    "a recipient without a domain": (
        "ses", "send_email", {**V1, "Destination": {"ToAddresses": ["ana"]}},
    ),
    "a tag's name": (
        "ses", "send_email", {**V1, "Tags": [{"Name": "a b", "Value": "c"}]},
    ),
    "no content": ("sesv2", "send_email", {**V2, "Content": {}}),
    "a forbidden file": (
        "ses", "send_raw_email",
        {"RawMessage": {"Data":
            b"From: shop@example.com\r\nTo: ana@example.com\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: application/x-dosexec; name=a.exe\r\n\r\nMZ"}},
    ),
    "raw without From": (
        "ses", "send_raw_email",
        {"RawMessage": {"Data": b"To: ana@example.com\r\nSubject: x\r\n\r\nHi"}},
    ),
    "raw without anything": (
        "ses", "send_raw_email",
        {"Source": "a@example.com", "Destinations": ["ana@example.com"],
         "RawMessage": {"Data": b""}},
    ),
    "raw without anything and nobody": (
        "ses", "send_raw_email", {"RawMessage": {"Data": b""}},
    ),
    "raw without anything in v2": (
        "sesv2", "send_email", {"Content": {"Raw": {"Data": b""}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("split", ["half", "ses"])
@pytest.mark.parametrize("what", AGAINST_THE_RULES)
def test_what_ses_is_known_to_refuse_is_left_to_ses(
    what: str, split: str, taking: Callable[..., Any], memory: MemoryBackend
) -> None:
    service, method, call = AGAINST_THE_RULES[what]
    client = attached(taking(service, raw="raw" in method), memory, split)

    ids = [getattr(client, method)(**call)["MessageId"] for _ in range(3)]

    assert ids == ["from-ses"] * 3
    assert len(client.peer.requests) == 3
    assert not memory.sent


@pytest.mark.parametrize("what", AGAINST_THE_RULES)
def test_the_request_for_it_is_that_of_a_plain_client(
    what: str, taking: Callable[..., Any], memory: MemoryBackend
) -> None:
    service, method, call = AGAINST_THE_RULES[what]
    client = taking(service, raw="raw" in method)
    plain_reply = getattr(client, method)(**call)
    reply = getattr(attached(client, memory), method)(**call)

    plain, ours = client.peer.requests
    assert ours.body == plain.body
    assert ours.headers.keys() == plain.headers.keys()
    assert reply.keys() == plain_reply.keys()


@pytest.mark.parametrize("what", AGAINST_THE_RULES)
def test_without_ses_in_the_split_it_is_refused_in_sess_words(
    what: str, taking: Callable[..., Any], memory: MemoryBackend
) -> None:
    service, method, call = AGAINST_THE_RULES[what]
    client = attached(taking(service), memory, "mailtrap")

    with pytest.raises(aws.ClientError) as caught:
        getattr(client, method)(**call)

    assert caught.value.response["Error"]["Code"] in {
        "InvalidParameterValue", "BadRequestException", "MessageRejected",
    }  # fmt: skip
    assert not memory.sent
    assert not client.peer.requests


def test_a_refusal_of_the_server_comes_as_it_is(
    at: Callable[..., Any], memory: MemoryBackend
) -> None:
    refusal = b'{"message": "no such domain, says the server"}'
    head = "x-amzn-ErrorType: BadRequestException"
    client = attached(at("sesv2", 400, refusal, head), memory)
    for _ in range(2):
        with pytest.raises(client.exceptions.BadRequestException, match="no such"):
            client.send_email(**{**V2, "Destination": MANY})


def test_the_log_and_explain_say_why_it_stays_and_no_value(
    taking: Callable[..., Any],
    memory: MemoryBackend,
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = {**V1, "Tags": [{"Name": "a secret name", "Value": "c"}]}
    client = attached(taking("ses"), memory)

    with caplog.at_level(logging.INFO, "mailbalance"):
        client.send_email(**call)

    explained = str(dropin.explain("SendEmail", call, service="ses"))
    for text in (caplog.text, explained):
        assert "SES is known to refuse it: Invalid tag name" in text
        assert "a secret name" not in text


BULK_V2: dict[str, Any] = {
    "FromEmailAddress": "shop@example.com",
    "DefaultContent": {"Template": {"TemplateName": "t", "TemplateData": "{}"}},
    "BulkEmailEntries": [
        {"Destination": {"ToAddresses": ["ana@example.com"]}},
        {"Destination": MANY},
        {"Destination": {"ToAddresses": []}},
    ],
}
STATUSES = (
    b'{"BulkEmailEntryResults": [{"Status": "SUCCESS", "MessageId": "1"},'
    b'{"Status": "SUCCESS", "MessageId": "2"},'
    b'{"Status": "INVALID_PARAMETER", "Error": "says the server"}]}'
)


@pytest.mark.parametrize("entries", [2, 3])
def test_ses_judges_the_entries_of_a_bulk_call(
    entries: int, at: Callable[..., Any], memory: MemoryBackend
) -> None:
    cut = {**BULK_V2, "BulkEmailEntries": BULK_V2["BulkEmailEntries"][:entries]}
    body = STATUSES if entries == 3 else STATUSES.rpartition(b",{")[0] + b"]}"
    plain = at("sesv2", 200, body)
    wanted = plain.send_bulk_email(**cut)["BulkEmailEntryResults"]
    client = attached(plain, memory, "ses")

    assert client.send_bulk_email(**cut)["BulkEmailEntryResults"] == wanted
    assert plain.peer.requests[0].body == plain.peer.requests[1].body
    assert not memory.sent


UNCHECKED: dict[str, dict[str, Any]] = {
    "a number as text": {**V1, "Message": {**V1["Message"], "Subject": {"Data": 5}}},
    "a number as sender": {**V1, "Source": 5},
    "text as a list": {**V1, "Destination": {"ToAddresses": "ana@example.com"}},
    "a number in a list": {**V1, "ReplyToAddresses": [5]},
    "text as a tag": {**V1, "Tags": [{"Name": 5, "Value": 6}]},
    "nothing": {},
    "None as text": {**V1, "Source": None},
}


def test_a_files_description_is_named_in_the_log_when_it_is_left_out(
    memory: MemoryBackend, taking: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    client = attached(taking("sesv2"), memory, "mailtrap")
    shape = client.meta.service_model.operation_model("SendEmail").input_shape
    if "Attachments" not in shape.members["Content"].members["Simple"].members:
        pytest.skip("this botocore has no attachments")
    file = {"RawContent": b"x", "FileName": "a.txt", "ContentDescription": "private"}
    content = {"Simple": {**V2["Content"]["Simple"], "Attachments": [file]}}

    with caplog.at_level(logging.INFO, "mailbalance"):
        client.send_email(**{**V2, "Content": content})

    assert len(memory.sent) == 1
    assert "ContentDescription; it was left out" in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize("split", ["half", "ses"])
@pytest.mark.parametrize("what", UNCHECKED)
def test_types_that_botocore_was_told_not_to_check_are_as_for_a_plain_client(
    what: str, split: str, taking: Callable[..., Any], memory: MemoryBackend
) -> None:
    client = taking("ses", config=Config(parameter_validation=False))

    def outcome() -> tuple[Any, ...]:
        try:
            return ("sent", client.send_email(**UNCHECKED[what])["MessageId"])
        except Exception as error:  # noqa: BLE001 - whatever the plain client raises
            return type(error), str(error)

    plain = outcome()
    attached(client, memory, split)

    assert outcome() == plain
    bodies = [request.body for request in client.peer.requests]
    assert len(set(bodies)) <= 1
    assert len(bodies) in (0, 2)


@pytest.mark.parametrize("what", UNCHECKED)
def test_types_that_nobody_checked_are_refused_where_ses_is_absent(
    what: str, taking: Callable[..., Any], memory: MemoryBackend
) -> None:
    config = Config(parameter_validation=False)
    client = attached(taking("ses", config=config), memory, "mailtrap")

    # What the serializer cannot write is refused by botocore itself, before us.
    with pytest.raises((aws.ClientError, TypeError, AttributeError)):
        client.send_email(**UNCHECKED[what])

    assert not memory.sent


THROTTLED = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
    b"<Message>Maximum sending rate exceeded.</Message></Error></ErrorResponse>"
)
RETRIES: list[tuple[dict[str, Any], int]] = [
    ({"total_max_attempts": 1}, 1),
    ({"total_max_attempts": 1, "mode": "legacy"}, 1),
    ({"total_max_attempts": 1, "mode": "standard"}, 1),
    ({"total_max_attempts": 1, "mode": "adaptive"}, 1),
    ({"max_attempts": 0}, 1),
    ({"max_attempts": 0, "mode": "legacy"}, 1),
    ({"max_attempts": 1, "mode": "standard"}, 2),
    ({"total_max_attempts": 2, "mode": "legacy"}, 2),
]


@pytest.mark.parametrize(("retries", "posts"), RETRIES)
def test_the_callers_number_of_attempts_caps_the_requests_to_ses(
    retries: dict[str, Any], posts: int, at: Callable[..., Any], memory: MemoryBackend
) -> None:
    plain = at("ses", 400, THROTTLED, config=Config(retries=dict(retries)))
    with pytest.raises(aws.ClientError) as wanted:
        plain.send_email(**V1)
    client = attached(plain, memory, "ses")
    for _ in range(6 if posts == 1 else 2):
        plain.peer.requests.clear()
        began = time.monotonic()
        with pytest.raises(aws.ClientError) as caught:
            client.send_email(**V1)
        assert len(plain.peer.requests) == posts
        assert str(caught.value) == str(wanted.value)
        assert time.monotonic() - began < 5  # without the cap it would be 20

    assert not memory.sent


def test_the_number_of_attempts_may_come_from_the_environment(
    at: Callable[..., Any], memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = attached(at("ses", 400, THROTTLED, made_by=boto3.Session()), memory, "ses")

    with pytest.raises(aws.ClientError):
        client.send_email(**V1)

    assert len(client.peer.requests) == 1


ONCE = Config(retries={"total_max_attempts": 1})


def test_a_capped_call_still_fails_over(
    at: Callable[..., Any], memory: MemoryBackend
) -> None:
    client = attached(at("ses", 400, THROTTLED, config=ONCE), memory)

    ids = [client.send_email(**V1)["MessageId"] for _ in range(2)]

    assert len(ids) == len(memory.sent) == 2


def test_a_split_with_ses_twice_asks_the_client_no_oftener(
    at: Callable[..., Any],
) -> None:
    twice: dict[Any, Any] = {
        SesBackend(region="eu-west-1"): 50,
        SesSmtpBackend(region="eu-west-1", username="u", password="p"): 50,
    }
    client = dropin.attach(at("ses", 400, THROTTLED, config=ONCE), Mailer(twice))

    with pytest.raises(aws.ClientError, match="Maximum sending rate"):
        client.send_email(**V1)

    assert len(client.peer.requests) == 1


def test_a_bulk_call_is_capped_too(
    at: Callable[..., Any], memory: MemoryBackend
) -> None:
    head = "x-amzn-ErrorType: TooManyRequestsException"
    plain = at("sesv2", 429, b'{"message": "slow down"}', head, config=ONCE)
    client = attached(plain, memory, "ses")
    call = {**BULK_V2, "BulkEmailEntries": BULK_V2["BulkEmailEntries"][:1] * 3}

    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.send_bulk_email(**call)

    assert len(client.peer.requests) == 1


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """No variable and no file of AWS's says anything."""
    import os

    for name in [each for each in os.environ if each.startswith(("AWS_", "BOTO"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    before = default.replace_default(None)
    yield
    made = default.replace_default(before)
    if made is not None:
        made.close()


@pytest.mark.parametrize(
    "split",
    ["ses=50,mailtrap=50", "ses-smtp=50,mailtrap=50", "own=50,mailtrap=50"],
)
def test_the_clients_region_and_keys_are_enough(
    split: str,
    no_aws: None,
    box: Any,
    at_box: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in box.environ("mailtrap=100").items():
        if not name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAILBALANCE_SPLIT", split)
    monkeypatch.setenv("MAILBALANCE_OWN_URL", "ses+api://default")
    client = dropin.attach(at_box())

    for _ in range(4):
        client.send_email(**V2)

    assert (box.counts()["ses"].accepted, box.counts()["mailtrap"].accepted) == (2, 2)
    assert not client.get_account().get("Error")


@pytest.mark.parametrize("split", [None, "ses=5", "ses=60,mailtrap=40", "nobody=1"])
@pytest.mark.parametrize(("service", "call"), [("ses", V1), ("sesv2", V2)])
def test_a_split_that_cannot_be_read_is_an_error_that_code_for_boto3_catches(
    split: str | None,
    service: str,
    call: dict[str, Any],
    no_aws: None,
    taking: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MAILBALANCE_SPLIT", "MAILTRAP_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    if split is not None:
        monkeypatch.setenv("MAILBALANCE_SPLIT", split)
    client = dropin.attach(taking(service))

    if split == "ses=5":
        assert client.send_email(**call)["MessageId"] == "from-ses"
    else:
        with pytest.raises(aws.BotoCoreError, match=r"MAILBALANCE_SPLIT|TOKEN|nobody"):
            client.send_email(**call)
    seen = len(client.peer.requests)
    if service == "ses":
        with pytest.raises(KeyError, match="GetSendQuotaResult"):  # it came from SES
            client.get_send_quota()
    else:
        client.get_account()
    assert len(client.peer.requests) == seen + 1


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.parametrize(
    "call",
    [
        {"Source": "a@fake_address.com"},
        {"Source": "nobody@example.org"},
        {"Destination": MANY},
        {"Destination": {"ToAddresses": ["ana"]}},
        {"Destination": {}},
        {"Source": ""},
    ],
    ids=str,
)
def test_moto_is_asked_and_answers_the_same(
    call: dict[str, Any], moto_url: str, session: boto3.Session, memory: MemoryBackend
) -> None:
    client: Any = session.client("ses", endpoint_url=moto_url, **KEYS)
    client.verify_email_identity(EmailAddress="a@fake_address.com")
    client.verify_email_identity(EmailAddress="shop@example.com")

    def outcome() -> Any:
        try:
            return set(client.send_email(**{**V1, **call}))
        except aws.ClientError as error:
            return str(error), error.response["Error"]

    plain = outcome()
    attached(client, memory, "ses")

    assert outcome() == plain
