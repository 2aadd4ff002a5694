"""A gateway's error on every way of sending: the message may be taken, and stays put."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mailbalance import (
    Mailer,
    MailtrapBackend,
    MemoryBackend,
    Message,
    Receipt,
    SesBackend,
    UnknownOutcomeError,
)
from tests.wire.peer import Act, Peer, answering

Backend = SesBackend | MailtrapBackend


def ses(base: str) -> SesBackend:
    return SesBackend(
        endpoint=base, region="eu-west-1", access_key="key", secret_key="secret"
    )


def mailtrap(base: str) -> MailtrapBackend:
    return MailtrapBackend(token="token", base_url=base)


def letter(number: int) -> Message:
    """One of several that SES sends in one bulk call, and Mailtrap in one batch."""
    template = {"template_name": "t", "template_data": {"n": number}}
    return Message(from_="shop@example.com", to=f"p{number}@example.com", ses=template)


def plain(number: int) -> Message:
    to = f"p{number}@example.com"
    return Message(from_="shop@example.com", to=to, subject="s", text="t")


#: What a gateway, or what broke behind it, may say of its own accord.
SAID: list[tuple[int, bytes, tuple[str, ...]]] = [
    (status, body, headers)
    for status in (500, 502, 504)
    for body, headers in (
        (b"", ("x-amzn-ErrorType: ThrottlingException",)),
        (b"", ("x-amzn-ErrorType: AccessDeniedException",)),
        (b'{"__type": "MessageRejected", "message": "not verified"}', ()),
        (b'{"errors": ["Unauthorized: the domain is not allowed"]}', ()),
        (b"<html>502 Bad Gateway</html>", ("Retry-After: 1",)),
    )
]
ANSWERS = [
    (f"{status} {headers or body!r}", answering(status, body, *headers))
    for status, body, headers in SAID
]
acts = pytest.mark.parametrize(
    "act", [a for _, a in ANSWERS], ids=[n for n, _ in ANSWERS]
)
backends = pytest.mark.parametrize("make", [ses, mailtrap])


def outcomes(mailer: Mailer, mails: list[Message]) -> list[Any]:
    return [each.error or each.receipt for each in mailer.send_many(mails)]


def waited_for(mailer: Mailer) -> Callable[[Message], Receipt]:
    return lambda message: asyncio.run(mailer.asend(message))


@acts
@backends
@pytest.mark.parametrize("how", ["sync", "async"])
def test_one_message_is_offered_to_nobody_else(
    act: Act, make: Callable[[str], Backend], how: str
) -> None:
    spare = MemoryBackend("spare")
    with (
        Peer((act,)) as peer,
        Mailer({make(peer.url("")): 100, spare: "backup"}) as mailer,
    ):
        send = mailer.send if how == "sync" else waited_for(mailer)
        with pytest.raises(UnknownOutcomeError):
            send(plain(1))

    assert len(peer.requests) == 1
    assert not spare.sent


@acts
@pytest.mark.parametrize(("make", "mail"), [(ses, letter), (mailtrap, plain)])
def test_several_in_one_call_are_offered_to_nobody_else(
    act: Act, make: Callable[[str], Backend], mail: Callable[[int], Message]
) -> None:
    spare = MemoryBackend("spare")
    with (
        Peer((act,)) as peer,
        Mailer({make(peer.url("")): 100, spare: "backup"}) as mailer,
    ):
        found = outcomes(mailer, [mail(number) for number in range(3)])

    assert [type(each) for each in found] == [UnknownOutcomeError] * 3
    assert len(peer.requests) == 1
    assert not spare.sent


def test_a_control_moves_to_the_other_side_after_a_503() -> None:
    spare = MemoryBackend("spare")
    with (
        Peer((answering(503, b""),)) as peer,
        Mailer({ses(peer.url("")): 100, spare: "backup"}) as mailer,
    ):
        receipt = mailer.send(plain(1))

    assert receipt.backend == "spare"
