"""The SES side: one request for each try, by the caller's own client."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from mailbalance import Mailer, MemoryBackend, SesBackend, dropin
from mailbalance.dropin import UnknownSendError
from tests.dropin.conftest import KEYS, NO_WAITING, V1, V2
from tests.wire.peer import Act, Caller, Peer, answering, saying, silent

SENT = {
    "ses": b"<SendEmailResponse><SendEmailResult><MessageId>from-ses</MessageId>"
    b"</SendEmailResult></SendEmailResponse>",
    "sesv2": b'{"MessageId": "from-ses"}',
}
CALLS = {"ses": V1, "sesv2": V2}

At = Callable[..., Any]


@pytest.fixture
def at(session: boto3.Session) -> Iterator[At]:
    """Starts a server that plays an act, and gives a plain client of it."""
    started: list[Peer] = []

    def start(act: Act, service: str = "sesv2", tls: Any = None, **more: Any) -> Any:
        peer = Peer((act,), tls)
        started.append(peer.__enter__())
        more.setdefault("endpoint_url", peer.url(""))
        client = session.client(service, **{**KEYS, **more})
        client.peer = peer
        return client

    yield start
    for peer in started:
        peer.__exit__()


@pytest.fixture
def spare() -> MemoryBackend:
    return MemoryBackend("mailtrap")


def attached(client: Any, spare: MemoryBackend | None = None) -> Any:
    """Attach a mailer that has SES first, and perhaps a spare."""
    ses = SesBackend(region="eu-west-1", access_key="key", secret_key="secret")
    split: dict[Any, Any] = {ses: 100} if spare is None else {ses: 100, spare: "backup"}
    return dropin.attach(client, Mailer(split, timing=NO_WAITING))


@pytest.mark.parametrize("mode", [None, "legacy", "standard", "adaptive"])
@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_a_503_is_posted_once(
    service: str, mode: str | None, at: At, spare: MemoryBackend
) -> None:
    config = Config(retries={"mode": mode} if mode else None)
    client = attached(at(answering(503, b""), service, config=config), spare)

    client.send_email(**CALLS[service])

    assert len(client.peer.requests) == 1
    assert len(spare.sent) == 1


def test_a_control_posts_a_503_three_times(at: At) -> None:
    config = Config(retries={"mode": "standard"})
    client = at(answering(503, b""), config=config)

    with pytest.raises(client.exceptions.ClientError):
        client.send_email(**V2)

    assert len(client.peer.requests) == 3


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_a_200_without_an_id_is_unknown(
    service: str, at: At, spare: MemoryBackend
) -> None:
    empty = SENT["ses"].replace(b"MessageId", b"Other") if service == "ses" else b"{}"
    client = attached(at(answering(200, empty), service), spare)

    with pytest.raises(UnknownSendError, match="with a MessageId") as caught:
        client.send_email(**CALLS[service])

    assert caught.value.likely == "accepted"
    assert caught.value.mailbalance_id == ""
    assert len(client.peer.requests) == 1
    assert not spare.sent


def reset(caller: Caller) -> None:
    caller.take()
    caller.reset()


LOST: dict[str, Act] = {
    "silence": silent,
    "closed without a reply": saying(b""),
    "a reset": reset,
    "rubbish": saying(b"rubbish\r\n\r\n"),
    "half a status line": saying(b"HTTP/1.1 20"),
    "a 500": answering(500, b""),
    "a gateway's 504": answering(504, b"<html>"),
    "a gateway's 502 with a code of SES": answering(
        502, b"", "x-amzn-ErrorType: ThrottlingException"
    ),
    "a 500 that says it was throttled": answering(
        500,
        b"<ErrorResponse><Error><Code>Throttling</Code><Message>Maximum sending rate "
        b"exceeded.</Message></Error></ErrorResponse>",
    ),
    "a page of somebody else": answering(200, b"<html>Blocked</html>"),
    "XML that ends early": answering(200, b"<SendEmailResp"),
    "XML of something else": answering(200, b"<SendEmailResponse/>"),
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_reply_is_unknown_and_posted_once(
    how: str, at: At, spare: MemoryBackend
) -> None:
    config = Config(read_timeout=0.2)
    client = attached(at(LOST[how], "ses", config=config), spare)

    with pytest.raises(UnknownSendError):
        client.send_email(**V1)

    assert len(client.peer.requests) == 1
    assert not spare.sent


def test_what_botocore_raised_is_behind_an_unknown_outcome(at: At) -> None:
    client = attached(at(silent, config=Config(read_timeout=0.2)))

    with pytest.raises(UnknownSendError) as caught:
        client.send_email(**V2)

    assert isinstance(caught.value.__cause__, BaseException)
    assert isinstance(caught.value.__cause__.__cause__, ReadTimeoutError)


def test_an_older_failure_says_nothing_of_this_one(
    at: At, spare: MemoryBackend
) -> None:
    client = attached(at(silent, config=Config(read_timeout=0.2)), spare)
    dead = boto3.client("sesv2", endpoint_url="http://127.0.0.1:9", **KEYS)

    def send_while_handling() -> None:
        try:
            dead.get_account()
        except EndpointConnectionError:
            client.send_email(**V2)

    with pytest.raises(UnknownSendError):
        send_while_handling()

    assert not spare.sent


def reset_at_hello(caller: Caller) -> None:
    caller.sock.recv(1)
    caller.reset()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


NOT_SENT: dict[str, Callable[[At, trustme.CA], Any]] = {}


def not_sent(make: Callable[[At, trustme.CA], Any]) -> Callable[..., Any]:
    """Note a client whose request never reaches SES."""
    NOT_SENT[make.__name__] = make
    return make


@not_sent
def nobody_listens(at: At, authority: trustme.CA) -> Any:
    return at(silent, endpoint_url="http://127.0.0.1:9")


@not_sent
def reset_in_the_tls_handshake(at: At, authority: trustme.CA) -> Any:
    client = at(reset_at_hello)
    url = client.peer.url("").replace("http:", "https:")
    return at(silent, endpoint_url=url)


@not_sent
def silence_in_the_tls_handshake(at: At, authority: trustme.CA) -> Any:
    quiet = at(Caller.wait_until_gone)
    url = quiet.peer.url("").replace("http:", "https:")
    config = Config(connect_timeout=0.2, read_timeout=0.2)
    return at(silent, endpoint_url=url, config=config)


@not_sent
def a_certificate_nobody_trusts(at: At, authority: trustme.CA) -> Any:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return at(silent, tls=context)


@not_sent
def a_dead_proxy(at: At, authority: trustme.CA) -> Any:
    config = Config(proxies={"http": "http://127.0.0.1:9"})
    return at(silent, config=config)


@not_sent
def no_keys(at: At, authority: trustme.CA) -> Any:
    keys = dict.fromkeys(["aws_access_key_id", "aws_secret_access_key"])
    return at(silent, **keys)


@pytest.mark.parametrize("how", NOT_SENT)
def test_what_was_never_sent_fails_over(
    how: str, at: At, spare: MemoryBackend, authority: trustme.CA
) -> None:
    client = attached(NOT_SENT[how](at, authority), spare)

    reply = client.send_email(**V2)

    assert dropin.receipt(reply).backend == "mailtrap"
    assert dropin.receipt(reply).attempts[0].outcome == "not_accepted"


@pytest.mark.parametrize("how", NOT_SENT)
def test_what_was_never_sent_raises_as_botocore_does(
    how: str, at: At, authority: trustme.CA
) -> None:
    client = NOT_SENT[how](at, authority)
    with pytest.raises(Exception) as plain:
        client.send_email(**V2)

    with pytest.raises(type(plain.value)) as ours:
        attached(client).send_email(**V2)

    assert str(ours.value) == str(plain.value)


def test_without_keys_a_plain_error_comes_when_ses_is_all_there_is(at: At) -> None:
    with pytest.raises(NoCredentialsError):
        attached(no_keys(at, trustme.CA())).send_email(**V2)


RAW = (
    b"From: shop@example.com\nTo: ana@example.com\r\nSubject: x\n\n"
    + b"mixed ends, \x00 and \xff, and a long line " * 40
)


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_the_body_is_that_of_a_plain_client_to_the_byte(service: str, at: At) -> None:
    sent = SENT[service].replace(b"SendEmail", b"SendRawEmail")
    client = at(answering(200, sent), service)
    if service == "ses":
        send = functools.partial(
            client.send_raw_email, Source="a@example.com", RawMessage={"Data": RAW}
        )
    else:
        send = functools.partial(client.send_email, Content={"Raw": {"Data": RAW}})
    send()
    attached(client)
    send()

    plain, ours = client.peer.requests
    assert ours.body == plain.body
    assert ours.headers.keys() == plain.headers.keys()


def test_a_users_hooks_run_as_they_do_for_a_plain_client(at: At) -> None:
    client = at(answering(200, SENT["sesv2"]))
    seen: list[str] = []
    names = ["before-call", "request-created", "before-send", "before-parse"]
    for name in [*names, "response-received", "after-call"]:
        client.meta.events.register(
            f"{name}.sesv2.SendEmail", lambda name=name, **_: seen.append(name)
        )
    client.send_email(**V2)
    plain, seen[:] = list(seen), []

    attached(client).send_email(**V2)

    assert seen == plain
    assert len(seen) >= 5


def test_an_exception_of_a_users_hook_is_its_own(at: At, spare: MemoryBackend) -> None:
    client = attached(at(answering(200, SENT["sesv2"])), spare)

    def guard(**_: Any) -> None:
        raise PermissionError("no network in this test")

    client.meta.events.register("before-send.sesv2", guard)
    with pytest.raises(PermissionError, match="no network"):
        client.send_email(**V2)

    assert not client.peer.requests
    assert not spare.sent


def test_a_failed_call_is_told_to_the_hooks_of_failures(at: At) -> None:
    client = attached(at(silent, endpoint_url="http://127.0.0.1:9"))
    told: list[Exception] = []
    client.meta.events.register(
        "after-call-error.sesv2.SendEmail",
        lambda exception, **_: told.append(exception),
    )

    with pytest.raises(EndpointConnectionError) as caught:
        client.send_email(**V2)

    assert told == [caught.value]


def test_each_try_has_its_number_and_one_invocation(at: At) -> None:
    client = attached(at(answering(503, b"")))

    with pytest.raises(client.exceptions.ClientError):
        client.send_email(**V2)

    sent = [request.headers for request in client.peer.requests]
    tries = [each["amz-sdk-request"].split(";")[0] for each in sent]
    assert tries == [f"attempt={number}" for number in range(1, 6)]
    assert len({each["amz-sdk-invocation-id"] for each in sent}) == 1
