"""SES absent or at weight 0: no AWS keys, no AWS calls."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import NoCredentialsError, NoRegionError

from mailbalance import Mailer, MemoryBackend, SesBackend, dropin
from tests.dropin.conftest import V1, V2


def without(ses: Any, memory: MemoryBackend) -> Mailer:
    split: dict[Any, Any] = {memory: 100}
    if ses is not None:
        split[SesBackend(region="eu-west-1")] = ses
    return Mailer(split)


def keyless(service: str, mailer: Mailer, **more: Any) -> Any:
    """Attach to a client of a session that knows no keys."""
    session = botocore.session.Session()
    return dropin.attach(session.create_client(service, **more), mailer)


@pytest.mark.parametrize("weight", [None, 0])
@pytest.mark.parametrize(("service", "call"), [("ses", V1), ("sesv2", V2)])
def test_a_region_alone_is_enough_to_send(
    service: str, call: dict[str, Any], weight: int | None
) -> None:
    memory = MemoryBackend("mailtrap")
    client = keyless(service, without(weight, memory), region_name="eu-west-1")

    client.send_email(**call)

    assert len(memory.sent) == 1


@pytest.mark.parametrize("weight", [None, 0])
def test_the_quota_is_answered_here(weight: int | None) -> None:
    client = keyless(
        "ses", without(weight, MemoryBackend("mailtrap")), region_name="eu-west-1"
    )

    quota = client.get_send_quota()

    assert quota["Max24HourSend"] == -1
    assert quota["MaxSendRate"] > 0
    assert quota["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_the_account_is_answered_here() -> None:
    mailer = without(None, MemoryBackend("mailtrap"))
    client = keyless("sesv2", mailer, region_name="eu-west-1")

    account = client.get_account()

    assert account["SendingEnabled"]
    assert account["SendQuota"]["Max24HourSend"] == -1
    shape = client.meta.service_model.operation_model("GetAccount").output_shape
    assert account.keys() - {"ResponseMetadata"} <= shape.members.keys()


@pytest.mark.parametrize("weight", [60, "backup"])
def test_with_ses_in_use_the_quota_is_sess(weight: Any) -> None:
    mailer = without(weight, MemoryBackend("mailtrap"))
    client = keyless("ses", mailer, region_name="eu-west-1")

    with pytest.raises(NoCredentialsError):
        client.get_send_quota()


def test_other_calls_still_want_keys() -> None:
    mailer = without(None, MemoryBackend("mailtrap"))
    client = keyless("ses", mailer, region_name="eu-west-1")

    with pytest.raises(NoCredentialsError):
        client.list_identities()


def test_without_a_region_the_error_is_botocores() -> None:
    mailer = without(None, MemoryBackend("mailtrap"))

    with pytest.raises(NoRegionError):
        keyless("ses", mailer)


def test_what_only_ses_can_carry_is_refused_with_the_reason() -> None:
    mailer = without(0, MemoryBackend("mailtrap"))
    client = keyless("sesv2", mailer, region_name="eu-west-1")
    template = {"Template": {"TemplateName": "welcome", "TemplateData": "{}"}}

    with pytest.raises(client.exceptions.MessageRejected, match="welcome"):
        client.send_email(**{**V2, "Content": template})
