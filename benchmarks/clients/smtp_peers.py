"""SMTP by smtplib, aiosmtplib and Django, each with its connection kept open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from measuring import mail

from clients.loops import loop_of, repeated


def written(file: bytes | None = None) -> EmailMessage:
    """Build the mail with the standard library."""
    message = EmailMessage()
    message["From"], message["To"] = mail.FROM, mail.TO
    message["Subject"] = mail.SUBJECT
    message.set_content(mail.text())
    message.add_alternative(mail.html(), subtype="html")
    if file is not None:
        message.add_attachment(
            file, maintype="application", subtype="octet-stream", filename="report.bin"
        )
    return message


def smtplib(port: int, build: bool = False) -> Callable[[int], None]:
    """Send by the standard library's client; what is ready, or built each time."""
    from smtplib import SMTP

    client, ready = SMTP("127.0.0.1", port), written().as_bytes()

    def run(number: int) -> None:
        for _ in range(number):
            if build:
                client.send_message(written())
            else:
                client.sendmail(mail.FROM, [mail.TO], ready)

    return run


def aiosmtplib(
    port: int, build: bool = False, loop: str = "asyncio", at_once: int = 1
) -> Callable[[int], None]:
    """Send by aiosmtplib, over so many connections; what is ready, or built each time."""
    from aiosmtplib import SMTP

    runs_in, ready = loop_of(loop), written().as_bytes()
    free: asyncio.Queue[Any] = asyncio.Queue()

    async def connect() -> None:
        for _ in range(at_once):
            client = SMTP(hostname="127.0.0.1", port=port, start_tls=False)
            await client.connect()
            free.put_nowait(client)

    async def one() -> None:
        client = await free.get()
        if build:
            await client.send_message(written())
        else:
            await client.sendmail(mail.FROM, [mail.TO], ready)
        free.put_nowait(client)

    runs_in.run_until_complete(connect())
    return repeated(runs_in, one, at_once)


def django(port: int, size: int = 0) -> Callable[[int], None]:
    """Build and send by Django, over one backend that is kept open."""
    from django.conf import settings

    settings.configure(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend")
    from django.core.mail import EmailMultiAlternatives, get_connection

    connection = get_connection(host="127.0.0.1", port=port)
    connection.open()
    file = mail.file(size) if size else None

    def run(number: int) -> None:
        for _ in range(number):
            message = EmailMultiAlternatives(
                mail.SUBJECT, mail.text(), mail.FROM, [mail.TO]
            )
            message.attach_alternative(mail.html(), "text/html")
            if file is not None:
                message.attach("report.bin", file, "application/octet-stream")
            connection.send_messages([message])

    return run
