"""Where plaintext may go, and what an error or an interruption must not show."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from mailbalance import MailtrapBackend, Message, UnavailableError
from mailbalance.backends.ses_smtp import SesSmtpBackend
from mailbalance.envelope import Envelope
from mailbalance.errors import DeliveryError
from mailbalance.sandbox import Sandbox
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.sigv4 import Keys, Signer
from tests.canary import told
from tests.wire.peer import Peer, answering, saying
from tests.wire.smtp_peer import SmtpPeer

TOKEN = "canary7Qz9xKe1canary"
MESSAGE = Message(from_="a@example.com", to="b@example.com", subject="s", text="t")
MAIL = MESSAGE, Envelope.of(MESSAGE)


def shown(error: BaseException) -> str:
    """Everything that a program shows which reports the locals of all frames."""
    return "\n".join(told(error))


# Plaintext


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("kind", ["ours", "httpx2", "httpx"])
def test_a_name_of_this_machine_that_leads_elsewhere_gets_no_credential(
    kind: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, Any] = {}
    if kind != "ours":
        family: Any = httpx2 if kind == "httpx2" else httpx
        own = {
            "http_client": family.Client(),
            "async_http_client": family.AsyncClient(),
        }
    elsewhere = "203.0.113.9", 80
    monkeypatch.setattr(socket.socket, "getpeername", lambda _: elsewhere)
    with Peer((answering(200),)) as peer:
        base = peer.url("", host="localhost")
        backend = MailtrapBackend(token=TOKEN, base_url=base, **own)
        with pytest.raises(UnavailableError, match="another machine") as caught:
            send(backend, how, own)

    assert not peer.requests
    assert TOKEN not in shown(caught.value)


def send(backend: Any, how: str, own: dict[str, Any]) -> None:
    if how == "sync":
        try:
            backend.send(*MAIL, timeout=5)
        finally:
            backend.close()
            if own:
                own["http_client"].close()
        return

    async def run() -> None:
        try:
            await backend.asend(*MAIL, timeout=5)
        finally:
            await backend.aclose()
            if own:
                await own["async_http_client"].aclose()

    asyncio.run(run())


# Echoes

ECHO = f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    "said",
    [
        ECHO,
        b"HTTP/1.1 200 OK\r\n" + ECHO[:-2] + b"junk\x00\r\n\r\n",
        b"HTTP/1.1 OK\r\n" + ECHO,
        b"220 mail.example.com " + ECHO,
    ],
    ids=["bare", "bad header", "bad status", "SMTP"],
)
def test_a_reply_that_is_no_http_and_echoes_the_token_stays_in_no_frame(
    said: bytes, how: str
) -> None:
    with Peer((saying(said),)) as peer:
        backend = MailtrapBackend(token=TOKEN, base_url=peer.url(""))
        with pytest.raises(DeliveryError) as caught:
            send(backend, how, {})

    assert TOKEN not in shown(caught.value)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("at", ["MAIL", "dot", "AUTH"])
def test_so_it_is_over_smtp(at: str, how: str) -> None:
    with SmtpPeer(**{at: f"echo {TOKEN} {TOKEN}".encode() + b"\r\n"}) as peer:
        backend = SesSmtpBackend(
            host="127.0.0.1", port=peer.port, tls="off", username="u", password=TOKEN
        )
        with pytest.raises(DeliveryError) as caught:
            send(backend, how, {})

    assert TOKEN not in shown(caught.value)


# Interruptions


class InterruptedHereError(Exception):
    """What a signal handler raises."""


def test_no_interruption_of_signing_shows_a_key() -> None:
    keys = Keys("AKIA", f"{TOKEN}-secret", f"{TOKEN}-session")
    found: set[str] = set()
    count = 0
    for place in range(1, 4000):
        count = place
        signer = Signer("https://h.test/v2", {"A": "b"}, region="r" + str(place))
        error = interrupted(signer, keys, place)
        if error is None:
            break
        found |= {line for line in shown(error).splitlines() if TOKEN in line}

    assert 20 < count < 3999  # it did go through all of it
    assert not found


def interrupted(signer: Signer, keys: Keys, place: int) -> BaseException | None:
    """Sign, with an exception raised at a line of it; ``None`` when past the end."""
    left = place

    def trace(frame: Any, _event: str, _arg: object) -> Any:
        nonlocal left
        if (
            "sigv4" not in frame.f_code.co_filename
            and "hmac" not in frame.f_code.co_filename
        ):
            return None
        left -= 1
        if left == 0:
            raise InterruptedHereError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        signer.sign(b"body", keys, 1_700_000_000 + place)
    except InterruptedHereError as error:
        return error
    finally:
        sys.settrace(before)
    return None


# Helpers that give keys


def helper(path: Path, script: str) -> dict[str, str]:
    """Make an AWS configuration whose keys come from a program."""
    program = path / "helper"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config = path / "config"
    config.write_text(f"[default]\ncredential_process = {program}\n", encoding="ascii")
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": "/usr/bin:/bin",
    }


HELPERS = {
    "on its error stream": f"echo 'cannot: {TOKEN}' >&2; exit 1",
    "as its version": f"""echo '{{"Version": "{TOKEN}"}}'""",
    "no JSON": f"echo '{TOKEN}'",
    "as an expiry": f"""echo '{{"Version": 1, "AccessKeyId": "a",
        "SecretAccessKey": "{TOKEN}", "Expiration": "{TOKEN}"}}'""",
    "without a half": f"""echo '{{"Version": 1, "SecretAccessKey": "{TOKEN}"}}'""",
}


@pytest.mark.parametrize("said", HELPERS)
def test_what_a_key_helper_says_is_not_quoted(said: str, tmp_path: Path) -> None:
    chain = AwsChain(backend="ses", environ=helper(tmp_path, HELPERS[said]))

    with pytest.raises(DeliveryError) as caught:
        chain.keys()

    assert TOKEN not in shown(caught.value)
    assert "not shown" in str(caught.value)
    assert caught.value.phase == "credentials"


# The local sandbox


@pytest.fixture
def box() -> Any:
    with Sandbox() as started:
        yield started


def ask(box: Sandbox, method: str, path: str, body: bytes = b"", kind: str = "") -> int:
    client = http.client.HTTPConnection("127.0.0.1", box.port("control"), timeout=10)
    try:
        client.request(method, path, body, {"Content-Type": kind} if kind else {})
        reply = client.getresponse()
        reply.read()
        return reply.status
    finally:
        client.close()


@pytest.mark.parametrize(
    "number",
    ["9" * 5000, "9" * 19, "-1", "1.5", "%D9%A3", "x", "0", "1e3"],
    ids=lambda text: text[:8],
)
@pytest.mark.parametrize("end", ["", "/raw"])
def test_no_number_of_a_message_breaks_the_local_sandbox(
    box: Sandbox, number: str, end: str
) -> None:
    assert 400 <= ask(box, "GET", f"/messages/{number}{end}") < 500


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"door":' * 60_000, b"[" * 60_000 + b"]" * 60_000]
)
def test_no_depth_of_json_breaks_it(box: Sandbox, body: bytes) -> None:
    assert ask(box, "POST", "/faults", body, "application/json") in {400, 413}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("Application/JSON", 204),
        ("application/json-evil", 415),
        ("application/jsonx; a=b", 415),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("", 415),
    ],
)
def test_only_json_is_json(box: Sandbox, kind: str, status: int) -> None:
    fault = json.dumps({"door": "ses", "kind": "drop"}).encode()

    assert ask(box, "POST", "/faults", fault, kind) == status
