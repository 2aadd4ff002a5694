"""Our outcomes as what code written for boto3 catches."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import boto3
import pytest
from botocore import exceptions as aws
from tenacity import stop_after_attempt

from mailbalance import (
    ConfigError,
    DeliveryError,
    Mailer,
    MemoryBackend,
    RejectedError,
    RetryPolicy,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
    dropin,
)
from mailbalance.dropin import UnknownSendError
from tests.dropin.conftest import KEYS, V1, V2

CALLS = {"ses": V1, "sesv2": V2}


def client_that_gets(error: Exception, service: str) -> Any:
    """Give a client whose only provider answers with this error, once."""
    mailtrap = MemoryBackend("mailtrap")
    mailtrap.answer(error)  # type: ignore[arg-type]
    policy = RetryPolicy(stop=stop_after_attempt(1))
    return dropin.client(service, Mailer({mailtrap: 100}, policy=policy), **KEYS)


#: error, then for ses and sesv2: class in client.exceptions, code, HTTP status.
MODELLED: dict[str, tuple[DeliveryError, tuple[str, str, int], tuple[str, str, int]]]
MODELLED = {
    "rejected": (
        RejectedError("550 no such user", code="550"),
        ("MessageRejected", "MessageRejected", 400),
        ("MessageRejected", "MessageRejected", 400),
    ),
    "unsuitable": (
        UnsuitableError("too big", code="552"),
        ("MessageRejected", "MessageRejected", 400),
        ("MessageRejected", "MessageRejected", 400),
    ),
    "throttled": (
        ThrottledError("slow down", code="429"),
        ("ClientError", "Throttling", 400),
        ("TooManyRequestsException", "TooManyRequestsException", 429),
    ),
    "a quota spent": (
        UnavailableError("monthly plan limit", scope="account", code="429"),
        ("ClientError", "Throttling", 400),
        ("LimitExceededException", "LimitExceededException", 400),
    ),
    "a paused account": (
        UnavailableError("suspended", scope="account", code="403"),
        ("AccountSendingPausedException", "AccountSendingPausedException", 400),
        ("SendingPausedException", "SendingPausedException", 400),
    ),
    "a bad token": (
        UnavailableError("Unauthorized", code="401", phase="reply"),
        ("AccountSendingPausedException", "AccountSendingPausedException", 400),
        ("SendingPausedException", "SendingPausedException", 400),
    ),
    "an unverified sender": (
        UnavailableError("verify the domain", scope="sender", code="403"),
        ("MessageRejected", "MessageRejected", 400),
        ("MessageRejected", "MessageRejected", 400),
    ),
    "a 503": (
        TransientError("try later", code="503", phase="reply"),
        ("ClientError", "ServiceUnavailable", 503),
        ("ClientError", "ServiceUnavailable", 503),
    ),
}


@pytest.mark.parametrize("service", ["ses", "sesv2"])
@pytest.mark.parametrize("what", MODELLED)
def test_an_outcome_is_a_modelled_exception(what: str, service: str) -> None:
    error, *wanted = MODELLED[what]
    name, code, status = wanted[service == "sesv2"]
    client = client_that_gets(error, service)

    with pytest.raises(getattr(client.exceptions, name)) as caught:
        client.send_email(**CALLS[service])

    response = caught.value.response
    assert response["Error"]["Code"] == code
    assert error.detail in response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.operation_name == "SendEmail"
    assert dropin.delivery_error(caught.value) is error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ThrottledError("x"), "Maximum sending rate exceeded."),
        (UnavailableError("quota", scope="account"), "Daily message quota exceeded."),
        (UnavailableError("x", scope="sender"), "Email address is not verified."),
    ],
)
def test_ses_own_words_come_first(error: DeliveryError, words: str) -> None:
    client = client_that_gets(error, "ses")

    with pytest.raises(aws.ClientError) as caught:
        client.send_email(**V1)

    assert caught.value.response["Error"]["Message"].startswith(words)


TRANSPORT = {
    "refused": (
        TransientError("refused", phase="connect", code="ECONNREFUSED"),
        aws.EndpointConnectionError,
    ),
    "no such host": (
        TransientError("no such host", phase="connect", code="dns"),
        aws.EndpointConnectionError,
    ),
    "connect timeout": (
        TransientError("too slow", phase="connect", code="timeout"),
        aws.ConnectTimeoutError,
    ),
    "a proxy that refuses": (
        UnavailableError("407", phase="proxy", code="proxy"),
        aws.ProxyConnectionError,
    ),
    "a certificate": (
        UnavailableError("not trusted", phase="tls", code="certificate"),
        aws.SSLError,
    ),
    "broken before the commit": (
        TransientError("broke while writing", phase="request", code="EPIPE"),
        aws.EndpointConnectionError,
    ),
}


@pytest.mark.parametrize("what", TRANSPORT)
def test_a_failure_on_the_way_is_botocores(what: str) -> None:
    error, wanted = TRANSPORT[what]
    client = client_that_gets(error, "sesv2")

    with pytest.raises(wanted) as caught:
        client.send_email(**V2)

    assert error.detail in str(caught.value) or caught.value.__cause__ is error
    assert dropin.delivery_error(caught.value) is error


@pytest.mark.parametrize("catches", [aws.BotoCoreError, UnknownOutcomeError])
def test_an_unknown_outcome_is_caught_by_both_families(
    catches: type[Exception],
) -> None:
    client = client_that_gets(UnknownOutcomeError("no reply", code="timeout"), "ses")

    with pytest.raises(catches) as caught:
        client.send_email(**V1)

    assert type(caught.value) is UnknownSendError


def test_an_unknown_outcome_is_on_no_list_of_what_is_safe_to_retry() -> None:
    for safe in (aws.HTTPClientError, aws.ConnectionError, aws.ClientError):
        assert not issubclass(UnknownSendError, safe)
    assert not UnknownSendError.retry_here
    assert not hasattr(UnknownSendError("x"), "response")


def pickled(error: Exception) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


@pytest.mark.parametrize("way", [copy.copy, pickled])
def test_an_unknown_outcome_can_be_copied(way: Any) -> None:
    error = UnknownSendError("no reply", backend="ses", code="504", likely="accepted")

    twin = way(error)

    assert type(twin) is UnknownSendError
    assert str(twin) == str(error) == "ses: no reply (504)"
    assert (twin.likely, twin.code) == ("accepted", "504")


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_a_message_nobody_can_carry_is_rejected_with_the_reasons(service: str) -> None:
    class Full(MemoryBackend):
        def refuses(self, message: Any, envelope: Any) -> str:
            return "it is full"

    client = dropin.client(service, Mailer({Full("mailtrap"): 100}), **KEYS)

    with pytest.raises(client.exceptions.MessageRejected, match="it is full"):
        client.send_email(**CALLS[service])


def test_a_wrong_configuration_is_reported_as_such() -> None:
    from mailbalance import default

    before = default.replace_default(None)
    try:
        with pytest.raises(ConfigError, match="MAILBALANCE_SPLIT"):
            dropin.client("ses", **KEYS).send_email(**V1)
    finally:
        default.replace_default(before)


FAULTS = {
    "no sender": {"Source": ""},
    "51 recipients": {
        "Destination": {"ToAddresses": [f"a{n}@example.com" for n in range(51)]}
    },
    "a tag's name": {"Tags": [{"Name": "a b", "Value": "x"}]},
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_ses_would_refuse_is_refused_before_the_draw(what: str) -> None:
    memory = MemoryBackend("mailtrap")
    mailer = Mailer({memory: 100})
    client = dropin.client("ses", mailer, **KEYS)

    with pytest.raises(aws.ClientError) as caught:
        client.send_email(**{**V1, **FAULTS[what]})

    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert mailer.split()[0].assigned == 0
    assert dropin.delivery_error(caught.value) is None


def test_ses_rules_can_be_switched_off() -> None:
    memory = MemoryBackend("mailtrap")
    client = dropin.client("ses", Mailer({memory: 100}), strict=False, **KEYS)

    client.send_email(**{**V1, **FAULTS["51 recipients"]})

    assert len(memory.sent[0].envelope.recipients) == 51


def test_a_parameter_error_is_botocores_own() -> None:
    client = dropin.client("ses", Mailer({MemoryBackend("mailtrap"): 1}), **KEYS)

    with pytest.raises(aws.ParamValidationError):
        client.send_email(Subject="x")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle"},
        {"kind": "reject"},
        {"kind": "reject", "text": "Email address is not verified. x@example.com"},
        {"kind": "error", "code": 503},
        {"kind": "refuse"},
    ],
    ids=str,
)
def test_an_error_of_ses_is_that_of_a_plain_client(
    fault: dict[str, Any], at_box: Any, mailer_of: Any, box: Any
) -> None:
    plain, ours = at_box(), dropin.attach(at_box(), mailer_of("ses=100"))
    box.fault("ses", **fault)

    with pytest.raises(Exception) as wanted:
        plain.send_email(**V2)
    with pytest.raises(type(wanted.value)) as caught:
        ours.send_email(**V2)

    if isinstance(wanted.value, aws.ClientError):
        response = caught.value.response
        assert response["Error"] == wanted.value.response["Error"]
        assert response["ResponseMetadata"].keys() == (
            wanted.value.response["ResponseMetadata"].keys()
        )


def test_every_code_of_ours_exists_in_botocores_model() -> None:
    from mailbalance.dropin.words import WORDS

    for service, words in WORDS.items():
        client: Any = boto3.client(service, **KEYS)
        for code in (words.refused, words.paused):
            assert client.exceptions.from_code(code) is not aws.ClientError
