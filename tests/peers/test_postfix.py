"""SMTP against a server that we did not write."""

import asyncio
import smtplib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailbalance import Message
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.envelope import Envelope
from mailbalance.errors import (
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnsuitableError,
)
from mailbalance.wire.smtp import Accepted, Mail, Reuse, SmtpWire
from tests.peers.postfix import PASSWORD, USER, Postfix, postfix
from tests.wire.smtp_ways import HOWS, How, send

__all__ = ["postfix"]

pytestmark = [pytest.mark.postfix, pytest.mark.xdist_group("postfix")]


@pytest.fixture(params=HOWS)
def how(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def mark() -> str:
    """Something that only this test's messages have in them."""
    return uuid.uuid4().hex


def mail(mark: str, *recipients: str, more: bytes = b"") -> Mail:
    content = f"From: a@x.example\r\nSubject: {mark}\r\n\r\n.dot\n..\r\nend".encode()
    return Mail("a@x.example", recipients or ("b@x.example",), content + more)


def wire(peer: Postfix, door: str, **reuse: Any) -> SmtpWire:
    security: Any = "implicit" if door == "implicit" else "starttls"
    server = peer.server(getattr(peer, door), security)
    return SmtpWire(server, backend="postfix", reuse=Reuse(**reuse))


@pytest.mark.parametrize("door", ["starttls", "encrypt", "implicit"])
def test_messages_arrive_once_and_as_they_were(
    how: How, postfix: Postfix, mark: str, door: str
) -> None:
    results = send(how, wire(postfix, door), mail(mark), mail(mark))

    assert all(isinstance(each, Accepted) for each in results), results
    found = postfix.messages(mark, 2)
    assert len(found) == 2
    assert all(each.endswith("\n\n.dot\n..\nend\n") for each in found)


def test_a_wrong_password_makes_the_backend_unavailable(
    how: How, postfix: Postfix, mark: str
) -> None:
    server = postfix.server(postfix.encrypt, password="wrong")

    (error,) = send(how, SmtpWire(server, backend="postfix"), mail(mark))

    assert type(error) is UnavailableError
    assert (error.code, error.phase) == ("535", "auth")


@pytest.mark.parametrize(
    ("recipients", "kind", "refused"),
    [
        (["reject-550@x.example"], RejectedError, ["reject-550@x.example"]),
        (["reject-451@x.example"], TransientError, []),
        (
            ["reject-550@x.example", "reject-451@x.example"],
            TransientError,
            ["reject-550@x.example"],
        ),
    ],
)
def test_when_every_recipient_is_refused_nothing_arrives(
    how: How,
    postfix: Postfix,
    mark: str,
    recipients: list[str],
    kind: type[Exception],
    refused: list[str],
) -> None:
    door = wire(postfix, "starttls")

    error, after = send(how, door, mail(mark, *recipients), mail(mark))

    assert type(error) is kind
    assert list(error.refused) == refused  # type: ignore[union-attr]
    assert isinstance(after, Accepted)
    assert len(postfix.messages(mark, 1)) == 1


def test_the_accepted_among_the_recipients_get_the_message(
    how: How, postfix: Postfix, mark: str
) -> None:
    people = ("b@x.example", "reject-550@x.example", "reject-451@x.example")

    (result,) = send(how, wire(postfix, "encrypt"), mail(mark, *people))

    assert isinstance(result, Accepted)
    assert result.recipients == ("b@x.example",)
    assert {a: r.code for a, r in result.refused.items()} == {
        "reject-550@x.example": 550,
        "reject-451@x.example": 451,
    }
    assert len(postfix.messages(mark, 1)) == 1


def test_a_session_that_the_server_ended_is_replaced_unseen(
    how: How, postfix: Postfix, mark: str
) -> None:
    door = wire(postfix, "idle", idle=30)
    pause = 1.6  # the server ends a session that rests for a second

    async def run() -> list[Accepted]:
        first = await door.asend(mail(mark), timeout=10)
        await asyncio.sleep(pause)
        second = await door.asend(mail(mark), timeout=10)
        await door.aclose()
        return [first, second]

    if how == "async":
        asyncio.run(run())
    else:
        door.send(mail(mark), timeout=10)
        time.sleep(pause)
        door.send(mail(mark), timeout=10)
        door.close()

    assert len(postfix.messages(mark, 2)) == 2


def test_a_message_over_the_size_the_server_announced_is_not_begun(
    how: How, postfix: Postfix, mark: str
) -> None:
    big = mail(mark, more=b"\r\n" + b"x" * 70 * 200)

    error, after = send(how, wire(postfix, "small"), big, mail(mark))

    assert type(error) is UnsuitableError
    assert "10,000" in error.detail
    assert isinstance(after, Accepted)


def test_too_many_connections_is_a_matter_of_pace(
    how: How, postfix: Postfix, mark: str
) -> None:
    held = [smtplib.SMTP("127.0.0.1", postfix.few, "localhost") for _ in range(2)]
    try:
        (error,) = send(how, wire(postfix, "few"), mail(mark))
    finally:
        for client in held:
            client.quit()

    assert type(error) is ThrottledError
    assert error.code == "421"


def test_many_threads_deliver_every_message_once(postfix: Postfix, mark: str) -> None:
    door = wire(postfix, "implicit", messages=7)
    marks = [f"{mark}-{n}-" for n in range(60)]

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda each: door.send(mail(each), timeout=20), marks))
    door.close()

    found = postfix.messages(mark, 60)
    assert len(found) == 60
    assert all(sum(each in text for text in found) == 1 for each in marks)


def test_many_tasks_deliver_every_message_once(postfix: Postfix, mark: str) -> None:
    door = wire(postfix, "encrypt", messages=7)
    marks = [f"{mark}-{n}-" for n in range(60)]

    async def run() -> None:
        sends = (door.asend(mail(each), timeout=20) for each in marks)
        await asyncio.gather(*sends)
        await door.aclose()

    asyncio.run(run())

    found = postfix.messages(mark, 60)
    assert len(found) == 60
    assert all(sum(each in text for text in found) == 1 for each in marks)


def test_a_whole_backend_delivers_a_whole_message(
    how: How, postfix: Postfix, mark: str
) -> None:
    backend = MailtrapSmtpBackend(
        token=PASSWORD,
        user=USER,
        host="localhost",
        port=postfix.encrypt,
        ca=postfix.ca,
    )
    message = Message(
        from_="Ana <ana@x.example>",
        to=["ben@x.example", "reject-550@x.example"],
        subject=f"Grüße {mark}",
        text="Guten Tag",
        category=mark,
        metadata={"order": "7"},
    )
    envelope = Envelope.of(message)

    async def run() -> Any:
        receipt = await backend.asend(message, envelope, timeout=10)
        await backend.aclose()
        return receipt

    if how == "async":
        receipt = asyncio.run(run())
    else:
        receipt = backend.send(message, envelope, timeout=10)
        backend.close()

    assert receipt.outcome == "partial"
    assert receipt.accepted == ("ben@x.example",)
    assert len(receipt.provider_ids) == 1
    (text,) = postfix.messages(f"X-MT-Category: {mark}", 1)
    own = message.stamp().id
    labels = f'{{"mailbalance_id": "{own}", "order": "7"}}'
    assert f"X-MT-Custom-Variables: {labels}" in " ".join(text.split())
