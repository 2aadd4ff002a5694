"""Clients of the HTTP APIs: boto3 and Mailtrap's SDK as people use them.

What lives here: the call, and what its exceptions tell a careful reader.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import mailtrap
import requests
import tenacity
import urllib3
from botocore import exceptions as boto
from botocore.config import Config

from faults.judging import Told
from faults.mail import FROM, SUBJECT, Mail, Place

#: Seconds; the defaults are 60 and 30, and change nothing but how long this takes.
TIMEOUT = 1.0
Send = Callable[[Mail], dict[str, Told]]

#: What many wrap around any call: three attempts, whatever the exception.
THREE = tenacity.stop_after_attempt(3)
#: Short waits between them, for everybody that lets them be chosen.
SOON = tenacity.wait_fixed(0.05)


@contextlib.contextmanager
def boto3_ses(place: Place, *, retry: bool = False) -> Iterator[Send]:
    """boto3's client with its own defaults, but for the time-out."""
    client = boto3.client(
        "sesv2",
        region_name="eu-west-1",
        endpoint_url=f"https://127.0.0.1:{place.first}",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="none",  # noqa: S106 - any will do
        verify=place.ca,
        config=Config(read_timeout=TIMEOUT, max_pool_connections=50),
    )

    def call(mail: Mail) -> None:
        client.send_email(
            FromEmailAddress=FROM,
            Destination={"ToAddresses": list(mail.recipients)},
            Content={
                "Simple": {
                    "Subject": {"Data": SUBJECT},
                    "Body": {"Text": {"Data": mail.text}},
                }
            },
        )

    yield _telling(_thrice(call) if retry else call, _boto_said)
    client.close()


@contextlib.contextmanager
def mailtrap_sdk(place: Place, *, retry: bool = False) -> Iterator[Send]:
    """Mailtrap's own SDK, which reads its certificates' place from the environment."""
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    os.environ["REQUESTS_CA_BUNDLE"] = place.ca
    client = mailtrap.MailtrapClient("token", api_host=f"127.0.0.1:{place.first}")

    def call(mail: Mail) -> None:
        message = mailtrap.Mail(
            sender=mailtrap.Address(FROM),
            to=[mailtrap.Address(each) for each in mail.recipients],
            subject=SUBJECT,
            text=mail.text,
        )
        client.send(message)

    try:
        yield _telling(_thrice(call) if retry else call, _sdk_said)
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]
        if before is not None:
            os.environ["REQUESTS_CA_BUNDLE"] = before


def _thrice(call: Callable[[Mail], None]) -> Callable[[Mail], None]:
    return tenacity.retry(stop=THREE, wait=SOON, reraise=True)(call)


def _telling(
    call: Callable[[Mail], None], said: Callable[[Exception], Told]
) -> Callable[[Mail], dict[str, Told]]:
    """Take a call that returns for a success."""

    def send(mail: Mail) -> dict[str, Told]:
        told: Told = "sent"
        try:
            call(mail)
        except Exception as error:  # noqa: BLE001 - whatever a caller would get
            told = said(error)
        return dict.fromkeys(mail.recipients, told)

    return send


def _boto_said(error: Exception) -> Told:
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return "not sent"
    if isinstance(error, boto.ClientError):
        return _by_status(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return "doubt"


def _sdk_said(error: Exception) -> Told:
    if isinstance(error, mailtrap.APIError):
        return _by_status(error.status)
    if isinstance(error, requests.ConnectionError):
        reason: Any = getattr(error.args[0], "reason", None)
        if isinstance(reason, urllib3.exceptions.NewConnectionError):
            return "not sent"
    return "doubt"


def _by_status(status: int) -> Told:
    return "not sent" if status < 500 or status == 503 else "doubt"
