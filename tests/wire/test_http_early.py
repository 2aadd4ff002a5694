"""What a server says before it has read the request, over real sockets.

The peer counts the whole requests that reached it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from mailbalance import Attachment, Message, ThrottledError, TransientError
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.envelope import Envelope
from mailbalance.errors import UnknownOutcomeError, UnsuitableError

from .peer import Peer

#: Fits no socket's buffers.
MAIL = Message(
    from_="a@example.com",
    to="b@example.com",
    subject="s",
    text="x",
    attachments=[Attachment(content=bytes(6_000_000), filename="a.bin")],
)
ENVELOPE = Envelope.of(MAIL)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
TAKEN = json.dumps({"MessageId": "a", "success": True, "message_ids": ["a"]}).encode()


def ses(base):
    return SesBackend(
        region="eu-west-1", endpoint=base, access_key="AK", secret_key="s", environ={}
    )


def mailtrap(base):
    return MailtrapBackend(token="t" * 30, base_url=base, environ={})


def by_send(backend):
    try:
        return backend.send(MAIL, ENVELOPE, timeout=15)
    finally:
        backend.close()


def by_asend(backend):
    async def sending():
        try:
            return await backend.asend(MAIL, ENVELOPE, timeout=15)
        finally:
            await backend.aclose()

    return asyncio.run(sending())


@pytest.fixture(params=[by_send, by_asend])
def how(request):
    return request.param


@pytest.fixture(params=[ses, mailtrap])
def api(request):
    return request.param


def base(peer):
    return f"http://127.0.0.1:{peer.port}"


def answering_early(status, body=b"{}"):
    """Answer once the head is there, and take the rest only if it comes all the same."""

    def act(caller):
        head = caller.take_head()
        caller.reply(status, body)
        with contextlib.suppress(OSError):
            caller.take_rest(head)

    return act


@pytest.mark.parametrize("at", [0, 12, 30, len(HINTS)])
def test_interim_replies_do_not_stop_a_large_message(how, api, at):
    def act(caller):
        head = caller.take_head()
        caller.say(CONTINUE + HINTS[:at])
        caller.take_rest(head)
        caller.say(HINTS[at:])
        caller.reply(200, TAKEN)

    with Peer((act,)) as peer:
        receipt = how(api(base(peer)))

    assert receipt.outcome == "accepted"
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_servers_trouble_before_it_has_a_message_is_told_truly(how, api, status):
    with Peer((answering_early(status),)) as peer:
        with pytest.raises(TransientError) as caught:
            how(api(base(peer)))
        peer.wait_for_an_end()

    assert not peer.requests
    assert caught.value.phase == "request"


@pytest.mark.parametrize("status", [429, 503])
def test_throttling_before_the_end_of_a_message_is_throttling(how, status):
    said = b'{"__type": "ThrottlingException", "message": "slow down"}'

    with (
        Peer((answering_early(status, said),)) as peer,
        pytest.raises(ThrottledError),
    ):
        how(ses(base(peer)))


def test_a_refusal_before_the_end_of_a_message_keeps_its_meaning(how, api):
    with Peer((answering_early(413),)) as peer, pytest.raises(UnsuitableError):
        how(api(base(peer)))


@pytest.mark.parametrize("begin", [b"0\r\n", b"1;"], ids=["trailers", "an extension"])
def test_a_reply_that_never_ends_is_broken_off(how, api, begin):
    more = b"X: " + b"v" * 9995 + b"\r\n" if begin == b"0\r\n" else b"e" * 10_000
    said = []

    def act(caller):
        caller.take()
        caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + begin)
        for _ in range(5000):
            caller.say(more)
            said.append(len(more))

    with Peer((act,)) as peer, pytest.raises(UnknownOutcomeError) as caught:
        how(api(base(peer)))

    assert caught.value.likely == "accepted"
    assert sum(said) < 30_000_000
    assert len(peer.requests) == 1
