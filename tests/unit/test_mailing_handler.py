"""A handler of log records that mails them, while the provider is down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tenacity import wait_none

from mailbalance import (
    Mailer,
    MailError,
    MemoryBackend,
    Message,
    RetryPolicy,
    TransientError,
)
from mailbalance.delivery.key_store import MemoryKeys

#: Far more mails than are due; where a mail is about a mail, they would never end.
TOO_MANY = 40


class Down(MemoryBackend):
    """Refuses everything for now."""

    def send(self, message: Any, envelope: Any, *, timeout: float) -> Any:
        self.tries += 1
        raise TransientError("busy", backend=self.name, phase="reply", code="503")


class Mailing(logging.Handler):
    """Mails each record, as Django's AdminEmailHandler does.

    Args:
        mail: Sends a record's text.
    """

    def __init__(self, mail: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self.mail = mail
        self.mailed: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.mailed) >= TOO_MANY:
            return
        self.mailed.append(record.getMessage())
        with contextlib.suppress(MailError):
            self.mail(self.mailed[-1])


def mailer_of(*backends: MemoryBackend, **options: Any) -> Mailer:
    weights = dict.fromkeys(backends, 1)
    policy = RetryPolicy(wait=wait_none(), timeout=5)
    return Mailer(weights, from_="shop@example.com", policy=policy, **options)


@pytest.fixture
def handled() -> Iterator[Callable[[Callable[[str], object]], Mailing]]:
    """Put a handler that mails on the root logger."""
    handlers = []

    def add(mail: Callable[[str], object]) -> Mailing:
        handlers.append(Mailing(mail))
        logging.getLogger().addHandler(handlers[-1])
        return handlers[-1]

    yield add
    for each in handlers:
        logging.getLogger().removeHandler(each)


NOTE = {"to": "ana@example.com", "subject": "Hi", "text": "Hello."}


def alarm(text: str) -> dict[str, Any]:
    return {"to": "admin@example.com", "subject": "Log", "text": text}


def test_each_record_is_mailed_once_and_no_mail_is_about_a_mail(handled: Any) -> None:
    mailer = mailer_of(Down("one"), Down("two"))
    handler = handled(lambda text: mailer.send(**alarm(text)))

    for _ in range(2):  # and what comes later is logged again
        handler.mailed.clear()
        with pytest.raises(TransientError) as caught:
            mailer.send(**NOTE)

        about = caught.value.message_id
        records = [text for text in handler.mailed if "is left alone" not in text]
        # One for each attempt, and one for the end.
        assert len(records) == len(caught.value.attempts) + 1
        assert all(about in text for text in records)


@pytest.mark.parametrize("way", ["in its loop", "in a task", "in a thread"])
def test_in_an_event_loop_no_mail_is_about_a_mail_either(
    handled: Any, way: str
) -> None:
    mailer = mailer_of(Down("one"), Down("two"))
    tasks: list[asyncio.Future[Any]] = []

    def mail(text: str) -> None:
        if way == "in its loop":
            mailer.send(**alarm(text))
        elif way == "in a task":
            tasks.append(asyncio.ensure_future(mailer.asend(**alarm(text))))
        else:
            work = asyncio.to_thread(mailer.send, **alarm(text))
            tasks.append(asyncio.ensure_future(work))

    async def main() -> TransientError:
        with pytest.raises(TransientError) as caught:
            await mailer.asend(**NOTE)
        while left := [task for task in tasks if not task.done()]:
            await asyncio.wait(left)
        for task in tasks:
            task.exception()
        return caught.value

    handler = handled(mail)
    error = asyncio.run(main())

    records = [text for text in handler.mailed if "is left alone" not in text]
    assert len(records) == len(error.attempts) + 1
    assert all(error.message_id in text for text in records)


def test_many_messages_are_mailed_about_once_each(handled: Any) -> None:
    mailer = mailer_of(Down("only"))
    handler = handled(lambda text: mailer.send(**alarm(text)))

    letters = [Message(**NOTE, from_="shop@example.com") for _ in range(2)]
    results = list(mailer.send_many(letters, concurrency=2))

    ends = [text for text in handler.mailed if "not_accepted after" in text]
    assert len(ends) == len(results) == 2
    assert len(handler.mailed) < TOO_MANY


def test_an_observer_that_always_fails_is_mailed_about_once_for_each_event(
    handled: Any,
) -> None:
    def broken(_event: object) -> None:
        raise LookupError("no such metric")

    mailer = mailer_of(MemoryBackend("only"), observers=[broken])
    handler = handled(lambda text: mailer.send(**alarm(text)))

    mailer.send(**NOTE)

    assert handler.mailed == [
        f"an observer failed on {event}"
        for event in ("MessageStarted", "AttemptStarted", "Attempted", "Accepted")
    ]


def test_a_key_store_that_fails_is_mailed_about_once(handled: Any) -> None:
    class Forgetful(MemoryKeys):
        def settle(self, *_: Any, **__: Any) -> Any:
            raise LookupError("the table is gone")

    mailer = mailer_of(MemoryBackend("only"), keys=Forgetful())
    handler = handled(lambda text: mailer.send(**alarm(text), key=f"log-{text}"))

    mailer.send(**NOTE, key="bill-17")

    assert len(handler.mailed) == 1


def test_a_handler_that_is_interrupted_leaves_the_log_as_it_was(handled: Any) -> None:
    def interrupt(_text: str) -> None:
        raise KeyboardInterrupt

    mailer = mailer_of(Down("only"))
    handler = handled(interrupt)
    with pytest.raises(KeyboardInterrupt):
        mailer.send(**NOTE)
    handler.mailed.clear()
    handler.mail = lambda _text: None

    with pytest.raises(TransientError):
        mailer.send(**NOTE)

    assert handler.mailed
