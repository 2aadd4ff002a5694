"""Mailtrap's API by its own SDK, and by httpx with its connection kept."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from measuring import mail

SENDER, NAME = "ana@example.com", "Ana"


def _sdk(url: str, ca: str) -> tuple[Any, Any]:
    os.environ["REQUESTS_CA_BUNDLE"] = ca  # the only way to tell it
    import mailtrap

    host = f"127.0.0.1:{urlsplit(url).port}"
    return mailtrap, mailtrap.MailtrapClient("token", api_host=host)


def sdk(url: str, ca: str) -> Callable[[int], None]:
    """Send by the SDK, as its pages show it."""
    mailtrap, client = _sdk(url, ca)

    def run(number: int) -> None:
        for _ in range(number):
            client.send(
                mailtrap.Mail(
                    sender=mailtrap.Address(SENDER, NAME),
                    to=[mailtrap.Address(mail.TO)],
                    subject=mail.SUBJECT,
                    text=mail.text(),
                    html=mail.html(),
                )
            )

    return run


def sdk_batch(
    url: str, ca: str, messages: int, distinct: bool
) -> Callable[[int], None]:
    """Send many in one call of the SDK; what they share is said once, if they do."""
    mailtrap, client = _sdk(url, ca)

    def request(number: int) -> Any:
        own: dict[str, Any] = {"to": [mailtrap.Address(f"m{number}@example.com")]}
        if distinct:
            own["text"] = f"Number {number}. {mail.text()}"
            own["html"] = mail.html()
        return mailtrap.BatchEmailRequest(**own)

    def run(number: int) -> None:
        shared = {} if distinct else {"text": mail.text(), "html": mail.html()}
        for _ in range(number):
            client.batch_send(
                mailtrap.BatchSendEmailParams(
                    base=mailtrap.BatchMail(
                        sender=mailtrap.Address(SENDER, NAME),
                        subject=mail.SUBJECT,
                        **shared,
                    ),
                    requests=[request(each) for each in range(messages)],
                )
            )

    return run


def httpx_kept(url: str, ca: str) -> Callable[[int], None]:
    """Send by httpx, over one connection."""
    import httpx

    context = ssl.create_default_context(cafile=ca)
    client = httpx.Client(verify=context, headers={"Authorization": "Bearer token"})

    def run(number: int) -> None:
        for _ in range(number):
            client.post(
                f"{url}/api/send",
                json={
                    "from": {"email": SENDER, "name": NAME},
                    "to": [{"email": mail.TO}],
                    "subject": mail.SUBJECT,
                    "text": mail.text(),
                    "html": mail.html(),
                },
            ).raise_for_status()

    return run
