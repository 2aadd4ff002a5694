"""Clients by SMTP: smtplib and aiosmtplib as people use them.

What lives here: one kept connection, opened anew after an error, and what the exceptions
tell a careful reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import aiosmtplib

from faults.http_clients import TIMEOUT, Send
from faults.judging import Told
from faults.mail import FROM, SUBJECT, Mail, Place


@contextlib.contextmanager
def smtplib_client(place: Place, *, retry: bool = False) -> Iterator[Send]:
    """The standard library's client."""
    context = ssl.create_default_context(cafile=place.ca)
    kept: list[smtplib.SMTP] = []

    def call(mail: Mail) -> dict[str, Any]:
        if not kept:
            client = smtplib.SMTP_SSL(
                "127.0.0.1", place.first, timeout=TIMEOUT, context=context
            )
            kept.append(client)
            client.login("user", "password")
        return kept[0].send_message(_written(mail), FROM, mail.recipients)

    def drop() -> None:
        while kept:
            kept.pop().close()

    yield _telling(_again(call, drop, tries=3 if retry else 1))
    drop()


@contextlib.contextmanager
def aiosmtplib_client(place: Place, *, retry: bool = False) -> Iterator[Send]:
    """Its counterpart for asyncio."""
    context = ssl.create_default_context(cafile=place.ca)
    kept: list[aiosmtplib.SMTP] = []

    async def acall(mail: Mail) -> dict[str, Any]:
        if not kept:
            client = aiosmtplib.SMTP(
                hostname="127.0.0.1",
                port=place.first,
                use_tls=True,
                tls_context=context,
                timeout=TIMEOUT,
                username="user",
                password="password",  # noqa: S106 - any will do
            )
            await client.connect()
            kept.append(client)
        written = _written(mail)
        refused, _ = await kept[0].send_message(
            written, sender=FROM, recipients=list(mail.recipients)
        )
        return refused

    def drop() -> None:
        while kept:
            kept.pop().close()

    with asyncio.Runner() as runner:
        yield _telling(
            _again(lambda mail: runner.run(acall(mail)), drop, tries=3 if retry else 1)
        )
        drop()


def _written(mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = FROM, SUBJECT
    message["To"] = ", ".join(mail.recipients)
    message.set_content(mail.text)
    return message


def _again(
    call: Callable[[Mail], dict[str, Any]], drop: Callable[[], None], *, tries: int
) -> Callable[[Mail], dict[str, Any]]:
    """Try so many times, each after an error on a new connection."""

    def send(mail: Mail) -> dict[str, Any]:
        for left in reversed(range(tries)):
            try:
                return call(mail)
            except Exception:  # whatever it is, as simple retries do
                drop()
                if not left:
                    raise
        raise AssertionError

    return send


def _telling(call: Callable[[Mail], dict[str, Any]]) -> Send:
    def send(mail: Mail) -> dict[str, Told]:
        try:
            refused = call(mail)
        except Exception as error:  # noqa: BLE001 - whatever a caller would get
            return dict.fromkeys(mail.recipients, _said(error))
        return {
            each: "not sent" if each in refused else "sent" for each in mail.recipients
        }

    return send


def _said(error: Exception) -> Told:
    """Tell what an exception shows: a reply, or that there was never a connection."""
    shown = (
        smtplib.SMTPResponseException,
        smtplib.SMTPRecipientsRefused,
        aiosmtplib.SMTPResponseException,
        aiosmtplib.SMTPRecipientsRefused,
        aiosmtplib.SMTPConnectError,
        ConnectionRefusedError,
    )
    return "not sent" if isinstance(error, shown) else "doubt"
