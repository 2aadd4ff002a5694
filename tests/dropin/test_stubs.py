"""Whoever stubs a client answers all of it: no test of a user ever sends real mail."""

from __future__ import annotations

import functools
import http.client
import io
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import boto3
import pytest
import urllib3
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSResponse,
)
from botocore.endpoint import Endpoint
from botocore.httpsession import URLLib3Session
from moto import mock_aws

from mailbalance import Mailer, MemoryBackend, SesBackend, default, dropin
from tests.dropin.conftest import KEYS, V1, V2

SENT = b'{"MessageId": "stubbed"}'
PARSED: Any = (mock.Mock(status_code=200), {"MessageId": "stubbed"})


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend("mailtrap")


@pytest.fixture(params=["ses=0", "ses=50", "no split at all"])
def attach(
    request: pytest.FixtureRequest,
    memory: MemoryBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Any], Any]]:
    """Attaches with SES absent, with half of it, and where nothing is configured."""
    monkeypatch.delenv("MAILBALANCE_SPLIT", raising=False)
    before = default.replace_default(None)
    ses = SesBackend(region="eu-west-1")
    mailers = {
        "ses=0": Mailer({ses: 0, memory: 100}),
        "ses=50": Mailer({ses: 50, memory: 50}),
        "no split at all": None,
    }
    yield lambda client: dropin.attach(client, mailers[request.param])
    default.replace_default(before)


def response(*_: Any, **__: Any) -> AWSResponse:
    """Make what botocore makes of a response of AWS."""
    raw: Any = io.BytesIO(SENT)
    raw.stream = lambda: iter([SENT])
    headers: Any = {"content-type": "application/json"}
    return AWSResponse("https://example.com", 200, headers, raw)


def urllib3_response(*_: Any, **__: Any) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(io.BytesIO(SENT), status=200, preload_content=False)


def dumb_connection(owner: type[Any]) -> AbstractContextManager[Any]:
    """Let connections swallow what they are to send, and answer from memory."""
    return mock.patch.multiple(
        owner,
        connect=lambda _: None,
        endheaders=lambda *_, **__: None,
        send=lambda *_: None,
        getresponse=urllib3_response,
    )


class Cassette(AWSHTTPConnection):
    """A connection that plays what was recorded, as vcrpy's do."""

    def request(self, *_: Any, **__: Any) -> None:
        """Send nothing."""

    def getresponse(self) -> Any:
        return urllib3_response()


#: What tests patch on the way from the client to the socket.
PATCHES: dict[str, Callable[[Any], AbstractContextManager[Any]]] = {
    "BaseClient._make_api_call": lambda _: mock.patch(
        "botocore.client.BaseClient._make_api_call", return_value=PARSED[1]
    ),
    "BaseClient._make_request": lambda _: mock.patch(
        "botocore.client.BaseClient._make_request", return_value=PARSED
    ),
    "the client's _make_request": lambda client: mock.patch.object(
        client, "_make_request", return_value=PARSED
    ),
    "Endpoint.make_request": lambda _: mock.patch(
        "botocore.endpoint.Endpoint.make_request", return_value=PARSED
    ),
    "Endpoint.make_request with its signature": lambda _: mock.patch(
        "botocore.endpoint.Endpoint.make_request", autospec=True, return_value=PARSED
    ),
    "Endpoint._send_request": lambda _: mock.patch.object(
        Endpoint, "_send_request", return_value=PARSED
    ),
    "Endpoint._get_response": lambda _: mock.patch.object(
        Endpoint, "_get_response", return_value=(PARSED, None)
    ),
    "Endpoint._send": lambda _: mock.patch(
        "botocore.endpoint.Endpoint._send", response
    ),
    "the client's endpoint": lambda client: mock.patch.object(
        client._endpoint, "_send", response
    ),
    "URLLib3Session.send": lambda _: mock.patch(
        "botocore.httpsession.URLLib3Session.send", response
    ),
    "the client's session": lambda client: mock.patch.object(
        client._endpoint.http_session, "send", response
    ),
    "another session": lambda client: mock.patch.object(
        client._endpoint, "http_session", mock.Mock(send=response)
    ),
    "urllib3's urlopen": lambda _: mock.patch(
        "urllib3.connectionpool.HTTPConnectionPool.urlopen", urllib3_response
    ),
}


@pytest.mark.parametrize("where", PATCHES)
def test_a_patched_client_answers_every_call(
    where: str, attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    client = attach(boto3.client("sesv2", **KEYS))

    with PATCHES[where](client):
        ids = [client.send_email(**V2)["MessageId"] for _ in range(4)]

    assert ids == ["stubbed"] * 4
    assert not memory.sent


CONNECTIONS = {
    "botocore's": lambda: dumb_connection(AWSHTTPConnection),
    "urllib3's": lambda: dumb_connection(urllib3.connection.HTTPConnection),
    "a pool's, as by vcrpy": lambda: mock.patch.object(
        AWSHTTPConnectionPool, "ConnectionCls", Cassette
    ),
    "http.client's": lambda: mock.patch.object(
        http.client.HTTPConnection, "endheaders", side_effect=PermissionError
    ),
}


@pytest.mark.parametrize("whose", CONNECTIONS)
def test_a_patched_connection_answers_every_call(
    whose: str, attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    client = attach(boto3.client("sesv2", endpoint_url="http://127.0.0.1:9", **KEYS))

    with CONNECTIONS[whose]():
        for _ in range(4):
            if whose == "http.client's":
                with pytest.raises(Exception, match=r"127\.0\.0\.1|Permission"):
                    client.send_email(**V2)
            else:
                assert client.send_email(**V2)["MessageId"] == "stubbed"

    assert not memory.sent


def test_a_session_that_was_replaced_when_the_client_was_made_answers_every_call(
    attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    with mock.patch("botocore.endpoint.URLLib3Session") as patched:
        patched.return_value.send = response
        client = attach(boto3.session.Session().client("sesv2", **KEYS))
        made = client._endpoint.http_session
        if not isinstance(made, mock.Mock):  # a default argument keeps the genuine one
            client._endpoint.http_session = patched.return_value

    assert client.send_email(**V2)["MessageId"] == "stubbed"
    assert not memory.sent


@pytest.mark.parametrize("name", ["", ".sesv2", ".sesv2.SendEmail", ".*.*"])
def test_a_hook_that_answers_before_the_request_answers_every_call(
    name: str, attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    client = attach(boto3.client("sesv2", **KEYS))
    asked: list[str] = []

    def hook(request: Any, **_: Any) -> Any:
        asked.append(request.url)
        return response()

    client.meta.events.register(f"before-send{name}", hook)
    ids = [client.send_email(**V2)["MessageId"] for _ in range(4)]

    assert ids == ["stubbed"] * 4
    assert len(asked) == 4
    assert not memory.sent


def test_a_hook_that_forbids_the_network_forbids_it_for_every_call(
    attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    client = attach(boto3.client("sesv2", **KEYS))

    def guard(**_: Any) -> None:
        raise PermissionError("no network in this test")

    client.meta.events.register("before-send", guard)
    for _ in range(4):
        with pytest.raises(PermissionError, match="no network"):
            client.send_email(**V2)

    assert not memory.sent


def test_a_hook_may_answer_some_calls_only(memory: MemoryBackend) -> None:
    client: Any = dropin.client("sesv2", Mailer({memory: 100}), **KEYS)
    answers = iter([None, response(), None])
    client.meta.events.register("before-send", lambda **_: next(answers))

    ids = [client.send_email(**V2)["MessageId"] for _ in range(3)]

    assert [each == "stubbed" for each in ids] == [False, True, False]
    assert len(memory.sent) == 2


def test_a_stubbed_refusal_is_tried_again_as_by_a_plain_client(
    attach: Callable[[Any], Any],
) -> None:
    client = attach(boto3.client("sesv2", **KEYS))
    down = AWSResponse("https://example.com", 503, mock.MagicMock(), mock.Mock())
    down._content = b""
    answers = iter([down, response()])
    client.meta.events.register("before-send", lambda **_: next(answers))

    reply = client.send_email(**V2)

    assert reply["MessageId"] == "stubbed"
    assert reply["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize("made", ["inside", "before"])
@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_inside_moto_every_call_is_motos(
    service: str, made: str, attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    client: Any = attach(boto3.client(service, **KEYS)) if made == "before" else None
    call: dict[str, Any] = {"ses": V1, "sesv2": V2}[service]
    with mock_aws():
        client = client or attach(boto3.client(service, **KEYS))
        ses: Any = boto3.client("ses", **KEYS)
        ses.verify_email_identity(EmailAddress="shop@example.com")
        for _ in range(5):
            client.send_email(**call)
        quota = ses.get_send_quota()["SentLast24Hours"]
        if service == "ses":
            assert client.get_send_quota()["SentLast24Hours"] == 5

    assert quota == 5
    assert not memory.sent


def test_moto_answers_for_endpoints_that_it_does_not_know(
    attach: Callable[[Any], Any], memory: MemoryBackend
) -> None:
    with mock_aws():
        client = attach(
            boto3.client("sesv2", endpoint_url="http://127.0.0.1:9", **KEYS)
        )
        with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
            client.send_email(**V2)

    assert not memory.sent


def test_after_a_stub_the_split_holds_again(memory: MemoryBackend) -> None:
    client: Any = dropin.client("sesv2", Mailer({memory: 100}), **KEYS)
    with mock_aws(), pytest.raises(client.exceptions.ClientError):
        client.send_email(**V2)
    with mock.patch.object(Endpoint, "_send", response):
        client.send_email(**V2)

    client.send_email(**V2)

    assert len(memory.sent) == 1


def watched(real: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    """Wrap a function as monitoring does: it says what it wraps, and calls it."""

    @functools.wraps(real)
    def around(*args: Any, **more: Any) -> Any:
        seen.append(real.__qualname__)
        return real(*args, **more)

    return around


WATCHED: list[tuple[type[Any], str]] = [
    (Endpoint, "make_request"),
    (Endpoint, "_send_request"),
    (Endpoint, "_send"),
    (URLLib3Session, "send"),
    (AWSHTTPConnectionPool, "urlopen"),
    (AWSHTTPConnection, "getresponse"),
    (http.client.HTTPConnection, "putrequest"),
]


@pytest.mark.parametrize(("owner", "name"), WATCHED)
def test_monitoring_sees_the_requests_to_ses_and_does_not_end_the_split(
    owner: type[Any],
    name: str,
    at_box: Any,
    mailer_of: Any,
    box: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = dropin.attach(at_box(), mailer_of("ses=50,mailtrap=50"))
    seen: list[str] = []
    monkeypatch.setattr(owner, name, watched(getattr(owner, name), seen))

    for _ in range(4):
        client.send_email(**V2)

    assert (box.counts()["ses"].accepted, box.counts()["mailtrap"].accepted) == (2, 2)
    assert len(seen) == 2


def test_monitoring_of_make_request_brings_no_retries_back(
    at_box: Any, mailer_of: Any, box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = dropin.attach(at_box(), mailer_of("ses=100,mailtrap=backup"))
    seen: list[str] = []
    real = Endpoint.make_request
    monkeypatch.setattr(Endpoint, "make_request", watched(real, seen))
    box.fault("ses", "error", code=503)

    reply = client.send_email(**V2)

    assert dropin.receipt(reply).backend == "mailtrap"
    assert len(seen) == 1


def test_a_hook_that_only_watches_sees_each_request_to_ses_once(
    at_box: Any, mailer_of: Any, box: Any
) -> None:
    client = dropin.attach(at_box(), mailer_of("ses=100"))
    seen: list[Any] = []
    client.meta.events.register(
        "before-send", lambda request, **_: seen.append(request)
    )

    for _ in range(3):
        client.send_email(**V2)

    assert box.counts()["ses"].accepted == 3
    assert len(seen) == 3


def test_the_log_names_a_patch_once(
    memory: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = dropin.client("sesv2", Mailer({memory: 100}), **KEYS)

    with (
        caplog.at_level(logging.WARNING, "mailbalance"),
        mock.patch.object(Endpoint, "_do_get_response", return_value=(PARSED, None)),
    ):
        client.send_email(**V2)
        client.send_email(**V2)

    (record,) = caplog.records
    assert "Endpoint._do_get_response" in record.getMessage()


def socket_of(package: str) -> type[Any]:
    """Make what a package puts in the place of ``socket.socket``."""
    return type("Socket", (socket.socket,), {"__module__": f"{package}.core"})


@pytest.mark.parametrize(
    ("package", "stubs"),
    [
        ("httpretty", True),
        ("mocket", True),
        ("gevent", False),
        ("pytest_socket", False),
    ],
)
def test_a_socket_that_answers_is_a_stub_and_one_that_guards_is_none(
    package: str, stubs: bool, memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = dropin.client("sesv2", Mailer({memory: 100}), **KEYS)
    monkeypatch.setattr(socket, "socket", socket_of(package))

    # A request to SES ends here: a place that nobody looks at for stubs.
    with mock.patch.object(URLLib3Session, "_path_url", side_effect=PermissionError):
        if stubs:
            with pytest.raises(Exception, match=r"unhandled|Permission"):
                client.send_email(**V2)
        else:
            client.send_email(**V2)

    assert len(memory.sent) == (0 if stubs else 1)
