"""How many Python calls one message makes: the cost of a send that a clock cannot blur.

Each function that is entered after a wait costs a microsecond or more, so calls are what a
message costs. They are the same in every run: when one of these numbers rises, either the
change is worth it and says so, or it is a fault.
"""

import asyncio
import logging
import sys

import pytest

from mailbalance import Mailer, Message
from mailbalance.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("calls_are_ours", "quiet")

#: Calls on record, resumed generators and coroutines included, and asyncio's own.
SEND = {"ses": 74, "mailtrap": 85, "ses-smtp": 317, "mailtrap-smtp": 288}
ASEND = {"ses": 117, "mailtrap": 127, "ses-smtp": 543, "mailtrap-smtp": 441}
BATCH = 74

#: Sends of which the least counts: a reply that comes in two pieces costs more calls.
SENDS = 40


def message(number=0):
    """Make a message that no memory of a former one helps with."""
    return Message(
        from_="shop@example.com",
        to=f"ana{number}@example.com",
        subject="Your order",
        text="It is on its way.\n" * 100,
        html="<p>It is on its way.</p>" * 100,
    )


class Calls:
    """Counts the calls of Python functions in this thread."""

    def __init__(self):
        self.number = 0

    def __enter__(self):
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _count(self, _frame, event, _arg):
        self.number += event == "call"


@pytest.fixture
def quiet(caplog):
    """Write no records, whatever level another test has left."""
    caplog.set_level(logging.WARNING, "mailbalance")


@pytest.fixture(scope="module")
def box():
    with Sandbox() as box:
        yield box


@pytest.fixture(params=sorted(SEND))
def backend(request):
    return request.param


@pytest.fixture
def mailer(box, backend):
    with Mailer.from_env(box.environ(f"{backend}=100")) as mailer:
        yield mailer


def test_a_send_makes_no_more_calls_than_on_record(mailer, backend):
    counts = []
    for number in range(SENDS):
        mail = message(number)
        with Calls() as calls:
            mailer.send(mail)
        counts.append(calls.number)

    assert min(counts) <= SEND[backend]


def test_an_asend_makes_no_more_calls_than_on_record(mailer, backend):
    counts = []

    async def story():
        for number in range(SENDS):
            mail = message(number)
            with Calls() as calls:
                await mailer.asend(mail)
            counts.append(calls.number)
        await mailer.aclose()

    asyncio.run(story())

    assert min(counts) <= ASEND[backend]


def test_a_message_of_a_batch_makes_no_more_calls_than_on_record(box):
    with Mailer.from_env(box.environ("mailtrap=100")) as mailer:
        mails = list(map(message, range(500)))
        mailer.send(mails[0])
        with Calls() as calls:
            assert all(each.ok for each in mailer.send_many(mails))

    assert calls.number / 500 <= BATCH


def test_the_count_sees_one_call_more():
    def more():
        return None

    with Calls() as calls:
        more()

    assert calls.number == 2  # and that of ``__exit__``
