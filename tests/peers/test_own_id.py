"""The id that settles an unknown outcome, as each door has it."""

import asyncio
import base64
import json

import pytest

from mailbalance import Mailer, Message, UnknownOutcomeError
from mailbalance.sandbox import Sandbox

DOORS = ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"]
NAMES = {"ses": "mailbalance-id", "mailtrap": "mailbalance_id"}
RAW = b"From: ana@example.com\r\nTo: ben@example.com\r\nSubject: Hi\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def running():
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(running):
    running.clear()
    yield running
    running.heal()


def labels(stored):
    """Give what the provider would show of a message beside its content."""
    return dict(stored.parsed.variables)


def ids(box):
    return [labels(stored)[NAMES[stored.provider]] for stored in box.messages()]


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_given_the_id(box, door):
    message = Message(
        to="ben@example.com", subject="Hi", text="Hello", metadata={"order": "7"}
    )

    with Mailer.from_env(box.environ(f"{door}=1")) as mailer:
        mailer.send(message)

    [stored] = box.messages()
    assert labels(stored) == {"order": "7", NAMES[stored.provider]: message.stamp().id}


@pytest.mark.parametrize("door", DOORS)
def test_a_lost_reply_can_be_settled_by_the_id_in_the_error(box, door):
    box.fault(door, "drop")
    message = Message(to="ben@example.com", subject="Hi", text="Hello")

    with (
        Mailer.from_env(box.environ(f"{door}=1")) as mailer,
        pytest.raises(UnknownOutcomeError) as caught,
    ):
        mailer.send(message)

    assert ids(box) == [caught.value.mailbalance_id] == [message.stamp().id]


def test_a_retry_at_another_provider_carries_the_same_id(box):
    box.fault("ses", "drop")
    environ = {**box.environ("ses=1,mailtrap=backup"), "MAILBALANCE_UNKNOWN": "retry"}

    async def once():
        async with Mailer.from_env(environ) as mailer:
            return await mailer.asend(to="ben@example.com", subject="Hi", text="Hello")

    receipt = asyncio.run(once())

    assert receipt.possible_duplicate
    assert [stored.provider for stored in box.messages()] == ["ses", "mailtrap"]
    assert len(set(ids(box))) == 1


def test_a_raw_message_is_labelled_outside_its_bytes(box):
    dated = b"Date: Mon, 23 Nov 2026 05:06:07 +0000\r\nMessage-ID: <a@b.c>\r\n"

    with Mailer.from_env(box.environ("ses=1")) as mailer:
        mailer.send(dated + RAW)

    [stored] = box.messages()
    content = json.loads(stored.raw)["Content"]["Raw"]["Data"]
    assert base64.b64decode(content) == dated + RAW
    assert "mailbalance-id" in labels(stored)
