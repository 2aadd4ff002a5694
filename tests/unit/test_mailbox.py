"""The mailbox that users test with."""

import asyncio

import pytest

import mailbalance
from mailbalance import (
    ConfigError,
    Mailer,
    MemoryBackend,
    RejectedError,
    TransientError,
)
from mailbalance.testing import capture

NOTE = {
    "from_": "me@example.com",
    "to": "ana@example.com",
    "subject": "Hi",
    "text": "Hey",
}


def test_the_fixture_catches_what_the_default_mailer_sends(mailbalance_mailbox):
    mailbalance.send(**NOTE)
    asyncio.run(mailbalance.asend(**NOTE))

    assert len(mailbalance_mailbox) == 2
    assert mailbalance_mailbox.last.message.subject == "Hi"


def test_the_fixture_needs_no_configuration_and_no_sender(mailbalance_mailbox):
    mailbalance.send(to="ana@example.com", text="x")

    assert mailbalance_mailbox.to("ana@example.com")


def test_a_captured_mailer_keeps_its_backends_weights_and_order():
    mailer = Mailer({"console": 60, MemoryBackend("other"): 40}, environ={})

    with capture(mailer) as mailbox:
        for _ in range(10):
            mailer.send(**NOTE)

        assert (len(mailbox.by("console")), len(mailbox.by("other"))) == (6, 4)


def test_a_captured_mailer_sends_for_real_again_afterwards(capsys):
    mailer = Mailer({"console": 1}, environ={})
    with capture(mailer) as mailbox:
        mailer.send(**NOTE)

    mailer.send(**NOTE)

    assert len(mailbox) == 1
    assert "Subject: Hi" in capsys.readouterr().out


def test_failover_can_be_played_without_waiting(mailbalance_mailbox):
    mailbalance_mailbox.answer("ses", *[TransientError("down", retry_after=9)] * 5)

    receipts = [mailbalance.send(**NOTE) for _ in range(5)]

    assert {receipt.backend for receipt in receipts} == {"mailtrap"}


def test_a_refusal_can_be_played(mailbalance_mailbox):
    for backend in ("ses", "mailtrap"):
        mailbalance_mailbox.answer(backend, RejectedError("550 no such user"))

    with pytest.raises(RejectedError):
        mailbalance.send(**NOTE)


def test_assert_sent_gives_the_message_it_found(mailbalance_mailbox):
    mailbalance.send(**NOTE)

    found = mailbalance_mailbox.assert_sent(to="ana@example.com", subject="Hi", count=1)

    assert found.message.text == "Hey"


@pytest.mark.parametrize(
    "wanted",
    [{"to": "eve@example.com"}, {"subject": "Ho"}, {"by": "nobody"}, {"count": 2}],
)
def test_assert_sent_says_how_many_match(mailbalance_mailbox, wanted):
    mailbalance.send(**NOTE)

    with pytest.raises(AssertionError, match="of the 1 messages sent match"):
        mailbalance_mailbox.assert_sent(**wanted)


def test_an_empty_mailbox_says_so(mailbalance_mailbox):
    mailbalance.send(**NOTE)
    mailbalance_mailbox.clear()

    with pytest.raises(AssertionError, match="no message was sent"):
        _ = mailbalance_mailbox.last


def test_an_answer_for_an_unknown_backend_names_the_known(mailbalance_mailbox):
    with pytest.raises(ConfigError, match="they are ses, mailtrap"):
        mailbalance_mailbox.answer("nope", None)
