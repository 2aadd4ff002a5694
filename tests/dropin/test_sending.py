"""A call through an attached client: where it goes, and what comes back."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import Any

import pytest

from mailbalance import Mailer, MemoryBackend, dropin, testing
from tests.dropin.conftest import KEYS, V1, V2

#: What code in the wild checks an id of SES against (azavea/django-amazon-ses).
SES_ID = re.compile(r"\w{16}-\w{8}-\w{4}-\w{4}-\w{4}-\w{12}-\w{6}")


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend("mailtrap")


@pytest.fixture
def mailtrap_only(memory: MemoryBackend) -> Mailer:
    return Mailer({memory: 100})


def test_six_of_ten_go_through_the_callers_client(
    at_box: Any, mailer_of: Any, box: Any
) -> None:
    client = dropin.attach(at_box(), mailer_of())

    for _ in range(10):
        client.send_email(**V2)

    assert (box.counts()["ses"].accepted, box.counts()["mailtrap"].accepted) == (6, 4)


def test_an_id_of_ses_is_passed_on(at_box: Any, mailer_of: Any, box: Any) -> None:
    client = dropin.attach(at_box(), mailer_of("ses=100"))

    reply = client.send_email(**V2)

    assert reply["MessageId"] == box.messages("ses")[0].provider_ids[0]


def test_an_id_of_mailtrap_is_inside_one_of_sess_form(
    at_box: Any, mailer_of: Any, box: Any
) -> None:
    client = dropin.attach(at_box(), mailer_of("mailtrap=100"))

    reply = client.send_email(**V2)

    provider_id = box.messages("mailtrap")[0].provider_ids[0]
    assert reply["MessageId"] == f"mailtrap00000000-{provider_id}-000000"
    assert SES_ID.fullmatch(reply["MessageId"])
    assert len(reply["MessageId"]) == 60


def test_a_provider_without_an_id_gets_one_of_ours(mailtrap_only: Mailer) -> None:
    client = dropin.client("ses", mailtrap_only, **KEYS)

    ids = {client.send_email(**V1)["MessageId"] for _ in range(3)}

    assert len(ids) == 3
    assert all(SES_ID.fullmatch(each) for each in ids)


@pytest.mark.parametrize("split", ["ses=100", "mailtrap=100"])
def test_a_reply_has_the_metadata_of_a_plain_one(
    split: str, at_box: Any, mailer_of: Any
) -> None:
    plain = at_box().send_email(**V2)
    ours = dropin.attach(at_box(), mailer_of(split)).send_email(**V2)

    assert ours.keys() == plain.keys()
    theirs = plain["ResponseMetadata"]
    metadata = ours["ResponseMetadata"]
    assert metadata.keys() == theirs.keys()
    assert metadata["HTTPHeaders"].keys() >= theirs["HTTPHeaders"].keys()
    assert metadata["HTTPStatusCode"] == 200
    assert metadata["RetryAttempts"] == 0
    assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]


def test_a_failover_counts_as_a_retry(at_box: Any, mailer_of: Any, box: Any) -> None:
    client = dropin.attach(at_box(), mailer_of("ses=100,mailtrap=backup"))
    box.fault("ses", "error", code=503)

    reply = client.send_email(**V2)

    assert reply["ResponseMetadata"]["RetryAttempts"] == 1
    assert dropin.receipt(reply).backend == "mailtrap"


COPIES = {
    "itself": lambda reply: reply,
    "a copy": dict,
    "a deep copy": copy.deepcopy,
    "a pickle": lambda reply: pickle.loads(pickle.dumps(reply)),  # noqa: S301 - our own
}


@pytest.mark.parametrize("way", COPIES)
def test_the_receipt_stays_with_the_reply(way: str, mailtrap_only: Mailer) -> None:
    reply = dropin.client("ses", mailtrap_only, **KEYS).send_email(**V1)

    receipt = dropin.receipt(COPIES[way](reply))

    assert receipt.backend == "mailtrap"
    assert [attempt.outcome for attempt in receipt.attempts] == ["accepted"]


def test_a_reply_is_as_good_as_botocores_for_json(mailtrap_only: Mailer) -> None:
    reply = dropin.client("sesv2", mailtrap_only, **KEYS).send_email(**V2)

    assert json.loads(json.dumps(reply)) == reply


def test_a_plain_reply_has_no_receipt() -> None:
    with pytest.raises(ValueError, match="no reply of a client"):
        dropin.receipt({"MessageId": "1", "ResponseMetadata": {"RequestId": "2"}})


def test_edits_made_by_a_later_hook_are_sent(
    mailtrap_only: Mailer, memory: MemoryBackend
) -> None:
    client = dropin.client("sesv2", mailtrap_only, **KEYS)

    def redirect(params: dict[str, Any], **_: Any) -> None:
        params["Destination"] = {"ToAddresses": ["staging@example.com"]}

    client.meta.events.register("before-parameter-build.sesv2.SendEmail", redirect)
    client.send_email(**V2)

    assert memory.sent[0].envelope.recipients == ("staging@example.com",)


def test_defaults_of_the_mailer_do_not_leak_into_calls(
    at_box: Any, mailer_of: Any, box: Any
) -> None:
    mailer = mailer_of("mailtrap=100")
    client = dropin.attach(at_box(), mailer, strict=False)
    call = {name: value for name, value in V2.items() if name != "FromEmailAddress"}

    with pytest.raises(client.exceptions.BadRequestException):
        client.send_email(**call)

    assert box.messages() == []


def test_no_call_leaves_while_a_test_captures_the_mail(
    at_box: Any, mailer_of: Any, box: Any
) -> None:
    mailer = mailer_of()
    client = dropin.attach(at_box(), mailer)

    with testing.capture(mailer) as mailbox:
        for _ in range(5):
            client.send_email(**V2)

    assert len(mailbox) == 5
    assert box.messages() == []


def test_the_default_mailer_is_made_at_the_first_send(
    at_box: Any, box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailbalance import default

    before = default.replace_default(None)
    client = dropin.attach(at_box())
    for name, value in box.environ("mailtrap=100").items():
        monkeypatch.setenv(name, value)

    client.send_email(**V2)

    assert box.counts()["mailtrap"].accepted == 1
    mailer = default.replace_default(before)
    assert mailer is not None
    mailer.close()
