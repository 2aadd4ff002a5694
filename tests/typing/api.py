"""Checked by mypy and pyright, never run: what users write must type-check.

What lives here: each public call in the form the documentation shows.
"""

from __future__ import annotations

import signal
from email.message import EmailMessage

import mailbalance
from mailbalance import (
    Accepted,
    Address,
    Attachment,
    Backend,
    ClosedError,
    Envelope,
    Event,
    Mailer,
    MailtrapBackend,
    MemoryBackend,
    Message,
    Receipt,
    RetryPolicy,
    SesBackend,
    Stopping,
    UnknownOutcomeError,
    stop_on,
)


def observe(event: Event) -> None:
    """An observer is any callable."""
    if isinstance(event, Accepted):
        outcome: str = event.receipt.outcome
        del outcome


def sync_use(mail: EmailMessage) -> Receipt:
    """Every way to make a mailer and to send."""
    mailbalance.send(to="ana@example.com", subject="Hi", text="Hey", via="mailtrap")
    Mailer({"ses": 60, "mailtrap": 40}, observers=[observe])
    Mailer({"ses": "60%", "mailtrap": "40%"}, policy=RetryPolicy(timeout=10))
    ses: Backend = SesBackend(region="eu-west-1")
    mailtrap: Backend = MailtrapBackend(token="token")
    with Mailer({ses: 60, mailtrap: 0.4, MemoryBackend(): "backup"}) as mailer:
        mailer.send(mail)
        mailer.send(b"From: a@example.com\r\n\r\n")
        message = Message(
            from_="Me <me@example.com>",
            to=["ana@example.com", Address(email="ben@example.com", name="Ben")],
            subject="Hi",
            text="Hey",
            attachments=[Attachment(content=b"x", filename="x.txt")],
            ses={"configuration_set": "main"},
        )
        envelope = Envelope("bounce@example.com", ("ana@example.com",))
        try:
            return mailer.send(message, envelope=envelope)
        except UnknownOutcomeError as error:
            print(error.likely, error.attempts[0].phase)  # noqa: T201
            raise


async def async_use() -> tuple[str, ...]:
    """The same names with an ``a``."""
    await mailbalance.asend(to="ana@example.com", text="Hey")
    async with Mailer.from_env({"MAILBALANCE_SPLIT": "console=1"}) as mailer:
        receipt = await mailer.asend(to="ana@example.com", text="Hey")
        share: float = mailer.split()[0].share
        del share
        return receipt.provider_ids


def stopping_use(mailer: Mailer) -> None:
    """A program that ends by a signal."""
    with stop_on(mailer, signal.SIGTERM, grace=5) as stop, stop.hold():
        try:
            mailer.send(to="ana@example.com", text="Hey")
        except ClosedError:
            came: signal.Signals | None = stop.signal
            del came


async def async_stopping_use(mailer: Mailer) -> None:
    """The same for a program of tasks."""
    async with stop_on(mailer) as stop:
        named: Stopping = stop
        while not named.requested:
            await mailer.asend(to="ana@example.com", text="Hey")
