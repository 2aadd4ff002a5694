"""What each door of the local sandbox does wrong, and that its counts stay true."""

import contextlib
import http.client
import json
import smtplib
import socket
import time
from typing import Any

import pytest

from mailbalance.sandbox import DOORS, Door, Sandbox
from tests.peers.sandbox_clients import (
    LETTER,
    TIMEOUT,
    login,
    mailtrap_message,
    post,
    raw,
    read_all,
    ses_simple,
    sesv2,
    smtp,
    tls,
)

HTTP: tuple[Door, ...] = ("ses", "mailtrap")
SMTP: tuple[Door, ...] = ("ses-smtp", "mailtrap-smtp")


def deliver(box: Sandbox, door: Door) -> Any:
    """Send one message through a door with a client of its kind; raises as it does."""
    if door == "ses":
        return ses_simple(sesv2(box))
    if door == "mailtrap":
        status, _, body = post(box, "/api/send", mailtrap_message())
        if status != 200:
            raise OSError(status, body)
        return body
    with smtp(box, door) as client:
        return client.sendmail("ana@example.com", ["bo@example.com"], LETTER)


def fails(box: Sandbox, door: Door) -> bool:
    try:
        deliver(box, door)
    except Exception:  # noqa: BLE001 - each client has errors of its own
        return True
    return False


@pytest.mark.parametrize("door", DOORS)
def test_a_refusing_door_refuses_connections_until_it_is_healed(
    box: Sandbox, door: Door
) -> None:
    box.fault(door, "refuse")

    with pytest.raises(ConnectionRefusedError), raw(box, door):
        pass

    port = box.port(door)
    box.heal(door)
    deliver(box, door)
    assert (box.port(door), box.counts()[door].accepted) == (port, 1)


@pytest.mark.parametrize("door", DOORS)
def test_the_port_of_a_refusing_door_is_not_given_away(
    box: Sandbox, door: Door
) -> None:
    box.fault(door, "refuse")

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", box.port(door)))


@pytest.mark.parametrize("door", DOORS)
def test_a_refusal_can_be_for_one_connection(box: Sandbox, door: Door) -> None:
    box.fault(door, "refuse", count=1)

    assert [fails(box, door) for _ in range(2)] == [True, False]
    assert box.counts()[door].accepted == 1


def test_an_old_http_connection_hears_of_the_refusal(box: Sandbox) -> None:
    body = json.dumps(mailtrap_message())
    headers = {"Api-Token": box.credentials.token, "User-Agent": "test"}
    client = http.client.HTTPConnection("127.0.0.1", box.port("mailtrap"), TIMEOUT)
    with contextlib.closing(client):
        client.request("POST", "/api/send", body, headers)
        client.getresponse().read()
        box.fault("mailtrap", "refuse")
        client.request("POST", "/api/send", body, headers)
        reply = client.getresponse()

        assert (reply.status, reply.getheader("connection")) == (503, "close")
    counts = box.counts()["mailtrap"]
    assert (counts.accepted, counts.refused) == (1, 1)


@pytest.mark.parametrize("door", SMTP)
def test_an_old_smtp_connection_hears_of_the_refusal(box: Sandbox, door: Door) -> None:
    with smtp(box, door) as client:
        box.fault(door, "refuse")

        assert client.mail("ana@example.com")[0] == 421


@pytest.mark.parametrize(("door", "code"), [("ses-smtp", 454), ("mailtrap-smtp", 550)])
def test_throttling_over_smtp_comes_after_the_dot(
    box: Sandbox, door: Door, code: int
) -> None:
    box.fault(door, "throttle", count=1)

    with pytest.raises(smtplib.SMTPDataError) as error:
        deliver(box, door)

    assert error.value.smtp_code == code
    counts = box.counts()[door]
    assert (counts.accepted, counts.refused) == (0, 1)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["throttle", "error", "reject", "drop"])
def test_every_fault_fails_the_client_and_heals_after_its_count(
    box: Sandbox, door: Door, kind: Any
) -> None:
    box.fault(door, kind, count=1)

    assert [fails(box, door) for _ in range(2)] == [True, False]
    counts = box.counts()[door]
    dropped = kind == "drop"
    assert (counts.accepted, counts.unanswered) == (1 + dropped, int(dropped))
    assert counts.refused == (0 if dropped else 1)


@pytest.mark.parametrize("door", DOORS)
def test_a_dropped_message_is_kept_as_unanswered(box: Sandbox, door: Door) -> None:
    box.fault(door, "drop")

    assert fails(box, door)

    assert [m.answered for m in box.messages(door)] == [False]


@pytest.mark.parametrize("door", DOORS)
def test_a_delay_holds_the_reply_back(box: Sandbox, door: Door) -> None:
    box.fault(door, "delay", seconds=0.2, count=1)
    began = time.monotonic()

    deliver(box, door)

    assert time.monotonic() - began >= 0.2
    assert box.messages(door)[0].answered


@pytest.mark.parametrize("door", SMTP)
def test_a_client_that_does_not_wait_is_not_told(box: Sandbox, door: Door) -> None:
    box.fault(door, "delay", seconds=0.2)
    with smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT) as client:
        client.starttls(context=tls(box))
        client.login(*login(box, door))
        client.mail("ana@example.com")
        client.rcpt("bo@example.com")
        client.docmd("DATA")
        client.send(LETTER + ".\r\n")
        client.close()

    _wait_for(box, door)
    assert [m.answered for m in box.messages(door)] == [False]


def test_an_http_client_that_does_not_wait_is_not_told(box: Sandbox) -> None:
    box.fault("mailtrap", "delay", seconds=0.2)
    body = json.dumps(mailtrap_message())
    headers = {"Api-Token": box.credentials.token, "User-Agent": "test"}
    client = http.client.HTTPConnection("127.0.0.1", box.port("mailtrap"), 0.05)
    client.request("POST", "/api/send", body, headers)
    with contextlib.closing(client), pytest.raises(TimeoutError):
        client.getresponse()

    _wait_for(box, "mailtrap")
    assert [m.answered for m in box.messages()] == [False]


def _wait_for(box: Sandbox, door: Door) -> None:
    limit = time.monotonic() + TIMEOUT
    while not box.counts()[door].accepted and time.monotonic() < limit:
        time.sleep(0.01)


@pytest.mark.parametrize("door", SMTP)
def test_code_and_text_of_a_fault_can_be_chosen(box: Sandbox, door: Door) -> None:
    box.fault(door, "error", code=452, text="disk full")

    with pytest.raises(smtplib.SMTPDataError) as error:
        deliver(box, door)

    assert (error.value.smtp_code, error.value.smtp_error) == (452, b"disk full")


def test_half_a_request_is_never_judged(box: Sandbox) -> None:
    body = json.dumps(mailtrap_message())
    head = (
        f"POST /api/send HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\nApi-Token: "
        f"{box.credentials.token}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    )
    with raw(box, "mailtrap") as client:
        client.sendall((head + body).encode())
        client.shutdown(socket.SHUT_WR)
        read_all(client)

    assert box.messages() == []


def test_faults_stay_at_their_door(box: Sandbox) -> None:
    box.fault("ses", "refuse")
    box.fault("ses-smtp", "drop")

    assert [fails(box, door) for door in DOORS] == [True, False, True, False]
