"""The whole library before the local sandbox, counted at the doors."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailbalance import (
    DeliveryError,
    Mailer,
    Message,
    RejectedError,
    UnknownOutcomeError,
)
from mailbalance.sandbox import Sandbox

ALL_DOORS = "ses=30,ses-smtp=30,mailtrap=20,mailtrap-smtp=20"


@pytest.fixture(scope="module")
def running():
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(running):
    running.clear()
    running.heal()
    yield running
    running.heal()


@pytest.fixture(params=["sync", "async"])
def send_all(request):
    """Send many messages at once; give each one's receipt or error."""

    def by_threads(mailer, messages):
        def one(message):
            try:
                return mailer.send(message)
            except DeliveryError as error:
                return error

        with mailer, ThreadPoolExecutor(4) as threads:
            return list(threads.map(one, messages))

    def by_tasks(mailer, messages):
        async def many():
            async with mailer:
                return await asyncio.gather(
                    *map(mailer.asend, messages), return_exceptions=True
                )

        return asyncio.run(many())

    return by_threads if request.param == "sync" else by_tasks


def notes(count):
    return [
        Message(to=f"r{n}@example.com", subject=f"Note {n}", text="Hello", key=str(n))
        for n in range(count)
    ]


def mailer_of(box, split, **more):
    return Mailer.from_env({**box.environ(split), **more})


def accepted_at(box):
    return {door: count.accepted for door, count in box.counts().items()}


def test_sixty_to_forty_through_four_doors_is_exact_at_the_doors(box, send_all):
    mailer = mailer_of(box, ALL_DOORS)

    send_all(mailer, notes(100))

    at = accepted_at(box)
    assert sum(at.values()) == 100
    for door, share in {
        "ses": 30,
        "ses-smtp": 30,
        "mailtrap": 20,
        "mailtrap-smtp": 20,
    }.items():
        assert abs(at[door] - share) < 2
    assert not box.duplicates()


@pytest.mark.parametrize("fault", ["refuse", "throttle", "error"])
@pytest.mark.parametrize("door", ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"])
def test_a_door_that_fails_loses_nothing_and_doubles_nothing(
    box, send_all, door, fault
):
    other = "mailtrap" if door.startswith("ses") else "ses"
    # 500 leaves the outcome unknown; 503 and 451 say that it was not accepted.
    code = (451 if door.endswith("smtp") else 503) if fault == "error" else None
    box.fault(door, fault, code=code)
    mailer = mailer_of(box, f"{door}=50,{other}=50")

    receipts = send_all(mailer, notes(10))

    assert {receipt.backend for receipt in receipts} == {other}
    assert accepted_at(box)[other] == 10
    assert not box.duplicates()
    assert {s.backend: s.assigned for s in mailer.split()} == {door: 5, other: 5}


@pytest.mark.parametrize("door", ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"])
def test_a_lost_reply_is_told_and_never_sent_a_second_time(box, send_all, door):
    box.fault(door, "drop")
    mailer = mailer_of(box, f"{door}=100,console=backup", MAILBALANCE_TIMEOUT="10")

    outcomes = send_all(mailer, notes(3))

    assert {type(outcome) for outcome in outcomes} == {UnknownOutcomeError}
    assert accepted_at(box)[door] == 3
    assert not box.duplicates()


def test_a_lost_reply_is_sent_again_only_when_told(box, send_all):
    box.fault("ses", "drop")
    mailer = mailer_of(box, "ses=100,mailtrap=backup", MAILBALANCE_UNKNOWN="retry")

    outcomes = send_all(mailer, notes(3))

    assert all(receipt.possible_duplicate for receipt in outcomes)
    assert accepted_at(box)["ses"] == accepted_at(box)["mailtrap"] == 3


@pytest.mark.parametrize("door", ["ses-smtp", "mailtrap-smtp"])
def test_a_refused_recipient_is_not_tried_elsewhere(box, send_all, door):
    mailer = mailer_of(box, f"{door}=100,mailtrap=backup")

    outcomes = send_all(mailer, [Message(to="reject-550@example.com", text="x")])

    assert type(outcomes[0]) is RejectedError
    assert sum(accepted_at(box).values()) == 0


def test_some_refused_recipients_make_a_partial_receipt(box, send_all):
    mailer = mailer_of(box, "mailtrap-smtp=100")
    message = Message(to=["ana@example.com", "reject-550@example.com"], text="x")

    (receipt,) = send_all(mailer, [message])

    assert (receipt.outcome, receipt.accepted) == ("partial", ("ana@example.com",))
    assert receipt.refused["reject-550@example.com"].code == 550


def test_a_deferred_recipient_goes_to_the_other_side_alone(box, send_all):
    mailer = mailer_of(box, "mailtrap-smtp=100,memory=backup")
    message = Message(to=["ana@example.com", "reject-451@example.com"], text="x")

    (receipt,) = send_all(mailer, [message])

    assert receipt.outcome == "accepted"
    assert box.messages()[0].recipients == ("ana@example.com",)
    (moved,) = mailer.backends["memory"].sent
    assert moved.envelope.recipients == ("reject-451@example.com",)


def test_the_same_message_arrives_with_the_same_content_by_every_door(box):
    with mailer_of(box, ALL_DOORS) as mailer:
        for door in ("ses", "ses-smtp", "mailtrap", "mailtrap-smtp"):
            mailer.send(
                to="Änne Ö <anne@exämple.com>",
                cc="ben@example.com",
                bcc="eve@example.com",
                reply_to=["help@example.com", "desk@example.com"],
                subject="Grüße 🎉 - your receipt",
                text="Hello wörld",
                html="<p>Hello <b>wörld</b></p>",
                headers={"X-Order": "42"},
                category="receipts",
                metadata={"order": "42"},
                via=door,
            )

    for stored in box.messages():
        parsed = stored.parsed
        assert parsed.subject == "Grüße 🎉 - your receipt"
        assert parsed.text.strip() == "Hello wörld"
        assert parsed.html.strip() == "<p>Hello <b>wörld</b></p>"
        assert {key.lower(): value for key, value in parsed.headers}["x-order"] == "42"
        assert set(stored.recipients) == {
            "anne@xn--exmple-cua.com",
            "ben@example.com",
            "eve@example.com",
        }
