"""mailbalance with one backend or two, in both of its ways with unknown outcomes.

What lives here: mailers for the servers of a case; of the policy only the waits are not
the default.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from faults.http_clients import SOON, Send
from faults.judging import Told
from faults.mail import FROM, SUBJECT, Mail, Place
from mailbalance import (
    DeliveryError,
    Mailer,
    Message,
    Receipt,
    RetryPolicy,
    UnknownOutcomeError,
)
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend

Unknown = Literal["raise", "retry"]


@contextlib.contextmanager
def by_api(place: Place, *, two: bool, unknown: Unknown) -> Iterator[Send]:
    """SES's API, alone or with Mailtrap's."""
    url = "https://127.0.0.1"
    ses = SesBackend(
        region="eu-west-1",
        endpoint=f"{url}:{place.first}",
        access_key="AKIDEXAMPLE",
        secret_key="none",  # noqa: S106 - any will do
        ca=place.ca,
    )
    mailtrap = MailtrapBackend(
        token="token",  # noqa: S106
        base_url=f"{url}:{place.second}",
        ca=place.ca,
    )
    split = {ses: 100, mailtrap: "backup"} if two else {ses: 100}
    with Mailer(split, policy=RetryPolicy(unknown=unknown, wait=SOON)) as mailer:
        yield _telling(mailer)


@contextlib.contextmanager
def by_smtp(place: Place, *, two: bool, unknown: Unknown) -> Iterator[Send]:
    """SES by SMTP, alone or with Mailtrap."""
    ses = SesSmtpBackend(
        region="eu-west-1",
        username="user",
        password="password",  # noqa: S106
        host="127.0.0.1",
        port=place.first,
        tls="implicit",
        ca=place.ca,
    )
    mailtrap = MailtrapSmtpBackend(
        token="token",  # noqa: S106
        host="127.0.0.1",
        port=place.second,
        tls="implicit",
        ca=place.ca,
    )
    split = {ses: 100, mailtrap: "backup"} if two else {ses: 100}
    with Mailer(split, policy=RetryPolicy(unknown=unknown, wait=SOON)) as mailer:
        yield _telling(mailer)


def _telling(mailer: Mailer) -> Send:
    def send(mail: Mail) -> dict[str, Told]:
        message = Message(
            from_=FROM, to=mail.recipients, subject=SUBJECT, text=mail.text
        )
        try:
            return _said(mail, mailer.send(message))
        except DeliveryError as error:
            lost: Told = (
                "doubt" if isinstance(error, UnknownOutcomeError) else "not sent"
            )
            return {
                each: "sent" if each in error.accepted else lost
                for each in mail.recipients
            }

    return send


def _said(mail: Mail, receipt: Receipt) -> dict[str, Told]:
    sent: Told = "sent, perhaps twice" if receipt.possible_duplicate else "sent"
    return {
        each: sent if each in receipt.accepted else "not sent"
        for each in mail.recipients
    }
