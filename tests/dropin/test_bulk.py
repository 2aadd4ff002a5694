"""Bulk calls: every entry routed by itself, one call for all that SES carries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore import exceptions as aws

from mailbalance import (
    Mailer,
    MemoryBackend,
    RejectedError,
    SesBackend,
    TransientError,
    UnknownOutcomeError,
    dropin,
)
from mailbalance.dropin import UnknownSendError
from tests.dropin.conftest import KEYS, NO_WAITING
from tests.wire.peer import Act, Caller, Peer, answering, silent


def v1(number: int) -> tuple[str, dict[str, Any]]:
    """A call of ``ses`` for so many entries."""
    entries = [
        {
            "Destination": {"ToAddresses": [f"a{n}@example.com"]},
            "ReplacementTemplateData": json.dumps({"n": n}),
        }
        for n in range(number)
    ]
    return "send_bulk_templated_email", {
        "Source": "shop@example.com",
        "Template": "welcome",
        "DefaultTemplateData": "{}",
        "Destinations": entries,
    }


def v2(number: int) -> tuple[str, dict[str, Any]]:
    """A call of ``sesv2`` for so many entries, with inline content."""
    entries = [
        {
            "Destination": {"ToAddresses": [f"a{n}@example.com"]},
            "ReplacementEmailContent": {
                "ReplacementTemplate": {"ReplacementTemplateData": json.dumps({"n": n})}
            },
        }
        for n in range(number)
    ]
    template = {"TemplateName": "welcome", "TemplateData": "{}"}
    return "send_bulk_email", {
        "FromEmailAddress": "shop@example.com",
        "DefaultContent": {"Template": template},
        "BulkEmailEntries": entries,
    }


CALLS = {"ses": v1, "sesv2": v2}
RESULTS = {"ses": "Status", "sesv2": "BulkEmailEntryResults"}
SUCCESS = {"ses": "Success", "sesv2": "SUCCESS"}

#: What SES shall say of a recipient: a status and a text, or a success.
Says = dict[str, tuple[str, str]]


def asked_for(body: bytes) -> list[str]:
    """Give the recipients of a bulk request, whichever API it is of."""
    if body.startswith(b"{"):
        entries = json.loads(body)["BulkEmailEntries"]
        return [entry["Destination"]["ToAddresses"][0] for entry in entries]
    fields = parse_qs(body.decode())
    form = r"Destinations\.member\.(\d+)\.Destination\.ToAddresses\.member\.1"
    found = {
        int(m[1]): fields[name][0] for name in fields if (m := re.match(form, name))
    }
    return [found[number] for number in sorted(found)]


def bulk_ses(says: Says, also: dict[str, dict[str, str]] | None = None) -> Act:
    """Answer bulk calls as SES does: a status for each entry, or what it ``also`` says."""

    def entry(address: str, service: str) -> dict[str, str]:
        if also and address in also:
            return also[address]
        if address in says:
            return dict(zip(("Status", "Error"), says[address], strict=True))
        return {"Status": SUCCESS[service], "MessageId": f"ses-{address}"}

    def act(caller: Caller) -> None:
        while request := caller.take():
            service = "sesv2" if request.body.startswith(b"{") else "ses"
            entries = [entry(address, service) for address in asked_for(request.body)]
            caller.reply(200, _body(service, entries))

    return act


def _body(service: str, entries: list[dict[str, str]]) -> bytes:
    if service == "sesv2":
        return json.dumps({"BulkEmailEntryResults": entries}).encode()
    members = "".join(
        "<member>" + "".join(f"<{k}>{v}</{k}>" for k, v in each.items()) + "</member>"
        for each in entries
    )
    name = "SendBulkTemplatedEmail"
    result = f"<{name}Result><Status>{members}</Status></{name}Result>"
    return f"<{name}Response>{result}</{name}Response>".encode()


@pytest.fixture(params=["ses", "sesv2"])
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SES template has its twin at Mailtrap."""
    found = {"welcome": "0d6bbd4b-3e0c-4a3e-b1f5-0f4a4a5c6b7d"}
    monkeypatch.setattr(Mailer, "templates", found)


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend("mailtrap")


class Setting:
    """A client whose SES plays an act, and the call to make."""

    def __init__(self, peer: Peer, service: str, mailer: Mailer) -> None:
        self.peer, self.service = peer, service
        url = peer.url("")
        made = boto3.client(service, endpoint_url=url, **KEYS)  # type: ignore[call-overload]
        self.client: Any = dropin.attach(made, mailer)

    def send(self, number: int = 10) -> Any:
        method, call = CALLS[self.service](number)
        return getattr(self.client, method)(**call)

    def results(self, reply: Any) -> list[dict[str, str]]:
        found: list[dict[str, str]] = reply[RESULTS[self.service]]
        return found

    def asked(self) -> list[list[str]]:
        return [asked_for(request.body) for request in self.peer.requests]


Start = Callable[..., Setting]


@pytest.fixture
def start(service: str, memory: MemoryBackend) -> Iterator[Start]:
    """Starts SES with an act and attaches a mailer that splits by these weights."""
    peers: list[Peer] = []

    def begin(act: Act, ses: Any = 60, mailtrap: Any = 40) -> Setting:
        peers.append(Peer((act,)).__enter__())
        split: dict[Any, Any] = {}
        if ses:
            split[SesBackend(region="eu-west-1")] = ses
        if mailtrap:
            split[memory] = mailtrap
        return Setting(peers[-1], service, Mailer(split, timing=NO_WAITING))

    yield begin
    for peer in peers:
        peer.__exit__()


def test_entries_are_split_and_ses_is_asked_once(
    start: Start, memory: MemoryBackend
) -> None:
    setting = start(bulk_ses({}))

    reply = setting.send(10)

    asked = setting.asked()
    assert [len(each) for each in asked] == [6]
    went = {sent.envelope.recipients[0] for sent in memory.sent}
    assert went.isdisjoint(asked[0])
    assert len(went) == 4
    assert len(setting.results(reply)) == 10


def test_results_come_in_the_order_of_the_entries(start: Start) -> None:
    setting = start(bulk_ses({}))

    results = setting.results(setting.send(10))

    asked = set(setting.asked()[0])
    for number, result in enumerate(results):
        address = f"a{number}@example.com"
        assert result["Status"] == SUCCESS[setting.service]
        assert (result["MessageId"] == f"ses-{address}") == (address in asked)


def test_each_entry_has_its_receipt(start: Start) -> None:
    setting = start(bulk_ses({}))

    receipts = dropin.receipts(setting.send(10))

    recipients = [receipt.accepted for receipt in receipts]
    assert recipients == [(f"a{number}@example.com",) for number in range(10)]
    with pytest.raises(ValueError, match="receipts"):
        dropin.receipt(setting.send(10))


def test_ses_alone_gets_the_call_as_it_is(start: Start) -> None:
    setting = start(bulk_ses({}), mailtrap=None)
    dropin.detach(setting.client)
    plain = setting.send(3)
    mailer = Mailer({SesBackend(region="eu-west-1"): 100})
    dropin.attach(setting.client, mailer)

    reply = setting.send(3)

    bodies = [request.body for request in setting.peer.requests]
    assert bodies[0] == bodies[1]
    assert setting.results(reply) == setting.results(plain)
    assert reply.keys() == plain.keys()


#: A status of SES that proves "not accepted", and whether another may carry the message.
MOVES = {
    "ses": ("AccountThrottled", "AccountDailyQuotaExceeded", "TransientFailure"),
    "sesv2": ("ACCOUNT_THROTTLED", "ACCOUNT_DAILY_QUOTA_EXCEEDED", "TRANSIENT_FAILURE"),
}
STAYS = {
    "ses": ("MessageRejected", "InvalidParameterValue", "Failed"),
    "sesv2": ("MESSAGE_REJECTED", "INVALID_PARAMETER", "FAILED"),
}


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_entry_that_ses_could_not_take_fails_over(
    which: int, start: Start, memory: MemoryBackend
) -> None:
    setting = start(bulk_ses({}), mailtrap="backup")
    status = MOVES[setting.service][which]
    setting.peer.acts = (bulk_ses({"a1@example.com": (status, "not now")}),)

    results = setting.results(setting.send(3))

    assert [sent.envelope.recipients for sent in memory.sent] == [("a1@example.com",)]
    assert results[1]["MessageId"].startswith("mailtrap00000000-")
    assert {each["Status"] for each in results} == {SUCCESS[setting.service]}


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_entry_that_ses_refuses_keeps_its_words(
    which: int, start: Start, memory: MemoryBackend
) -> None:
    setting = start(bulk_ses({}), mailtrap="backup")
    status = STAYS[setting.service][which]
    setting.peer.acts = (bulk_ses({"a1@example.com": (status, "never")}),)

    results = setting.results(setting.send(3))

    assert results[1] == {"Status": status, "Error": "never"}
    assert not memory.sent


@pytest.mark.parametrize("status", ["QUEUED", "MESSAGE_REJECTED", "MessageRejected"])
def test_an_entry_that_ses_may_have_taken_is_sent_nowhere_else(
    status: str, start: Start, memory: MemoryBackend
) -> None:
    setting = start(bulk_ses({}), mailtrap="backup")
    setting.peer.acts = (
        bulk_ses({}, also={"a1@example.com": {"Status": status, "MessageId": "m"}}),
    )

    results = setting.results(setting.send(3))

    assert results[1] == {"Status": status, "MessageId": "m"}
    assert not memory.sent


@pytest.mark.parametrize("has_id", [True, False])
def test_an_entry_that_may_come_by_again_is_left_alone_once_it_has_an_id(
    has_id: bool, start: Start, memory: MemoryBackend
) -> None:
    setting = start(bulk_ses({}), mailtrap="backup")
    entry = {"Status": MOVES[setting.service][0]} | (
        {"MessageId": "m"} if has_id else {}
    )
    setting.peer.acts = (bulk_ses({}, also={"a1@example.com": entry}),)

    setting.send(3)

    assert len(memory.sent) == (0 if has_id else 1)


def test_a_throttled_call_fails_over_whole(start: Start, memory: MemoryBackend) -> None:
    setting = start(answering(503, b""), mailtrap="backup")

    results = setting.results(setting.send(5))

    assert len(memory.sent) == 5
    assert len(setting.peer.requests) == 1
    assert {each["Status"] for each in results} == {SUCCESS[setting.service]}


def test_entries_fail_over_to_ses_together(start: Start, memory: MemoryBackend) -> None:
    setting = start(bulk_ses({}), ses="backup", mailtrap=100)
    memory.answer(*[TransientError("down", phase="connect")] * 4)

    results = setting.results(setting.send(6))

    assert [len(each) for each in setting.asked()] == [4]
    assert {each["Status"] for each in results} == {SUCCESS[setting.service]}


@pytest.mark.parametrize(
    "reply",
    [
        (500, b""),
        (502, b"", "x-amzn-ErrorType: ThrottlingException"),
        (504, b'{"__type": "AccessDeniedException", "message": "no"}'),
    ],
)
def test_a_lost_reply_is_unknown_when_nothing_else_was_accepted(
    reply: tuple[Any, ...], start: Start
) -> None:
    setting = start(answering(*reply), mailtrap="backup")

    with pytest.raises(UnknownSendError):
        setting.send(3)

    assert len(setting.peer.requests) == 1


def test_a_lost_reply_is_told_for_each_entry_when_others_were_accepted(
    start: Start, memory: MemoryBackend
) -> None:
    setting = start(answering(500, b""))

    reply = setting.send(10)

    words = {"ses": "Failed", "sesv2": "FAILED"}[setting.service]
    failed = [each for each in setting.results(reply) if "Error" in each]
    assert [each["Status"] for each in failed] == [words] * 6
    assert all("outcome is unknown" in each["Error"] for each in failed)
    unknown = [e for e in dropin.receipts(reply) if isinstance(e, UnknownOutcomeError)]
    assert len(unknown) == 6
    assert len(memory.sent) == 4


def test_an_answer_with_too_few_entries_is_unknown(start: Start) -> None:
    setting = start(bulk_ses({}), mailtrap=None)
    one = _body(setting.service, [{"Status": SUCCESS[setting.service]}])
    setting.peer.acts = (answering(200, one),)

    with pytest.raises(UnknownSendError):
        setting.send(3)


def test_an_error_of_the_whole_call_is_sess_own(start: Start) -> None:
    code = {"ses": "TemplateDoesNotExist", "sesv2": "NotFoundException"}
    setting = start(silent, mailtrap=None)
    name = code[setting.service]
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{name}</Code>"
        f"<Message>no welcome</Message></Error></ErrorResponse>".encode()
        if setting.service == "ses"
        else b'{"message": "no welcome"}'
    )
    setting.peer.acts = (answering(404, body, f"x-amzn-errortype: {name}"),)

    with pytest.raises(aws.ClientError, match="no welcome") as caught:
        setting.send(2)

    assert caught.value.response["Error"]["Code"] == name
    assert type(caught.value) is not aws.ClientError


def test_nothing_reached_anybody_raises_as_botocore_would(
    start: Start, memory: MemoryBackend
) -> None:
    setting = start(silent, ses=None)
    memory.answer(*[TransientError("down", phase="connect", code="dns")] * 50)

    with pytest.raises(aws.EndpointConnectionError):
        setting.send(3)


def test_a_refused_entry_is_told_in_its_place(
    start: Start, memory: MemoryBackend
) -> None:
    setting = start(silent, ses=None)
    memory.answer(None, RejectedError("no such user", code="550"))

    results = setting.results(setting.send(3))

    words = {"ses": "MessageRejected", "sesv2": "MESSAGE_REJECTED"}[setting.service]
    told = [each for each in results if "Error" in each]
    assert [each["Status"] for each in told] == [words]
    assert "no such user" in told[0]["Error"]


def test_an_entry_without_recipients_is_told_by_ses_rules(
    start: Start, memory: MemoryBackend
) -> None:
    setting = start(silent, ses=None)
    method, call = CALLS[setting.service](3)
    entries = call["Destinations" if setting.service == "ses" else "BulkEmailEntries"]
    entries[1]["Destination"] = {"ToAddresses": []}

    results = setting.results(getattr(setting.client, method)(**call))

    assert "Error" in results[1]
    assert len(memory.sent) == 2


def test_a_template_without_a_twin_keeps_the_call_on_ses(
    start: Start, memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mailer, "templates", {})
    setting = start(bulk_ses({}))

    setting.send(10)

    assert [len(each) for each in setting.asked()] == [10]
    assert not memory.sent


def test_without_ses_a_template_without_a_twin_is_refused_with_the_reason(
    start: Start, memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mailer, "templates", {})
    setting = start(silent, ses=None)

    with pytest.raises(setting.client.exceptions.MessageRejected, match="welcome"):
        setting.send(2)
