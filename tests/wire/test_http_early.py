"""What a server says before it has read the request, on each engine, over real sockets.

The peer counts the whole requests that reached it.
"""

from __future__ import annotations

import asyncio
import json

import httpcore2  # noqa: F401 - late imports must not eat short timeouts
import pytest

from mailbalance import Attachment, Message
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.envelope import Envelope

from .peer import Peer

pytestmark = pytest.mark.usefixtures("engine")

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
