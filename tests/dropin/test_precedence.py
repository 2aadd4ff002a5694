"""Whoever stood between the caller and AWS before stands there still."""

from __future__ import annotations

from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto import mock_aws

from mailbalance import Mailer, MemoryBackend, SesBackend, dropin
from tests.dropin.conftest import KEYS, V1, V2


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend("mailtrap")


@pytest.fixture
def client(memory: MemoryBackend) -> Any:
    return dropin.client("sesv2", Mailer({memory: 100}), **KEYS)


def half(memory: MemoryBackend, share: int = 50) -> Mailer:
    """Give a mailer that sends every other message through SES, or none."""
    return Mailer({SesBackend(region="eu-west-1"): share, memory: 50})


def test_stubber_answers_first(client: Any, memory: MemoryBackend) -> None:
    with Stubber(client) as stubber:
        stubber.add_response("send_email", {"MessageId": "stubbed"}, V2)
        reply = client.send_email(**V2)
        stubber.assert_no_pending_responses()

    assert reply["MessageId"] == "stubbed"
    assert not memory.sent


def test_stubbers_errors_are_raised(client: Any, memory: MemoryBackend) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error("send_email", "MessageRejected", expected_params=None)
        with pytest.raises(client.exceptions.MessageRejected):
            client.send_email(**V2)

    assert not memory.sent


def test_after_stubber_the_mailer_sends_again(
    client: Any, memory: MemoryBackend
) -> None:
    with Stubber(client):
        pass

    client.send_email(**V2)

    assert len(memory.sent) == 1


def test_stubber_works_on_a_client_that_install_attached(memory: MemoryBackend) -> None:
    with dropin.installed(Mailer({memory: 100})):
        client: Any = boto3.client("ses", **KEYS)
        with Stubber(client) as stubber:
            expected = dict.fromkeys(V1, ANY)
            stubber.add_response("send_email", {"MessageId": "x"}, expected)
            assert client.send_email(**V1)["MessageId"] == "x"

    assert not memory.sent


def test_a_patched_api_call_wins(client: Any, memory: MemoryBackend) -> None:
    with mock.patch("botocore.client.BaseClient._make_api_call") as patched:
        patched.return_value = {"MessageId": "patched"}
        assert client.send_email(**V2) == {"MessageId": "patched"}

    assert not memory.sent


@pytest.mark.parametrize("name", ["", ".sesv2", ".sesv2.SendEmail", ".*.*"])
def test_a_users_hook_answers_first(
    name: str, client: Any, memory: MemoryBackend
) -> None:
    class Http:
        status_code = 200

    answer = (Http(), {"MessageId": "hooked"})
    client.meta.events.register_last(f"before-call{name}", lambda **_: answer, "user")
    # Registered after attach: in the same slot it would come later, so attach again.
    dropin.attach(client, Mailer({memory: 100}))

    assert client.send_email(**V2)["MessageId"] == "hooked"
    assert not memory.sent


@pytest.mark.parametrize("share", [0, 50])
def test_moto_sees_every_message(share: int, memory: MemoryBackend) -> None:
    with mock_aws():
        client: Any = boto3.client("ses", **KEYS)
        client.verify_email_identity(EmailAddress="shop@example.com")
        dropin.attach(client, half(memory, share))
        for _ in range(4):
            client.send_email(**V1)
        seen = client.get_send_quota()["SentLast24Hours"]

    assert (seen, len(memory.sent)) == (4, 0)


def test_motos_refusals_are_the_callers(memory: MemoryBackend) -> None:
    with mock_aws():
        client: Any = boto3.client("ses", **KEYS)
        dropin.attach(client, Mailer({SesBackend(region="eu-west-1"): 1}))
        with pytest.raises(client.exceptions.MessageRejected):
            client.send_email(**V1)


@mock_aws
def test_other_calls_go_to_aws_untouched(memory: MemoryBackend) -> None:
    plain: Any = boto3.client("sesv2", **KEYS)
    client = dropin.client("sesv2", half(memory), **KEYS)

    client.create_email_identity(EmailIdentity="example.com")

    shown = plain.list_email_identities()["EmailIdentities"]
    assert [each["IdentityName"] for each in shown] == ["example.com"]
    assert client.get_email_identity(EmailIdentity="example.com")


def test_a_tracing_patch_sees_the_request_id(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.client import BaseClient

    seen: list[str] = []
    original: Any = BaseClient._make_api_call

    def traced(self: Any, operation: str, params: dict[str, Any]) -> Any:
        reply = original(self, operation, params)
        seen.append(reply["ResponseMetadata"]["RequestId"])
        return reply

    monkeypatch.setattr(BaseClient, "_make_api_call", traced)
    reply = client.send_email(**V2)

    assert seen == [reply["ResponseMetadata"]["RequestId"]]


def test_after_call_hooks_see_our_answer(client: Any) -> None:
    seen: list[Any] = []
    client.meta.events.register(
        "after-call.sesv2.SendEmail",
        lambda http_response, parsed, **_: seen.append((http_response, parsed)),
    )

    reply = client.send_email(**V2)

    http, parsed = seen[0]
    assert parsed is reply
    assert (http.status_code, http.content) == (200, b"")
