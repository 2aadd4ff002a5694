"""Checked by mypy and pyright, never run: code checked with boto3-stubs still checks.

What lives here: the drop-in's calls, and calls of its clients, in the form that programs
written for boto3 have.
"""

from __future__ import annotations

from typing import Any, assert_type

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from mypy_boto3_ses import SESClient
from mypy_boto3_ses.type_defs import SendEmailResponseTypeDef
from mypy_boto3_sesv2 import SESV2Client

from mailbalance import DeliveryError, Mailer, Receipt, UnknownOutcomeError, dropin


def clients(mailer: Mailer) -> None:
    """The service's name gives the client's type."""
    assert_type(dropin.client("ses"), SESClient)
    assert_type(dropin.client("sesv2", mailer, region_name="eu-west-1"), SESV2Client)
    assert_type(dropin.attach(boto3.client("sesv2"), mailer), SESV2Client)
    dropin.detach(dropin.client("ses", strict=False))


def install(mailer: Mailer) -> None:
    """Every way to install."""
    dropin.install()
    dropin.install(mailer, strict=False)
    with dropin.installed(mailer):
        boto3.client("ses")
    dropin.uninstall()


def send() -> SendEmailResponseTypeDef:
    """A call with the arguments and the reply of boto3-stubs."""
    return dropin.client("ses").send_email(
        Source="shop@example.com",
        Destination={"ToAddresses": ["ana@example.com"]},
        Message={
            "Subject": {"Data": "Hi"},
            "Body": {"Text": {"Data": "Hey", "Charset": "UTF-8"}},
        },
    )


def outcomes(client: SESV2Client, call: dict[str, Any]) -> str:
    """Errors are caught as boto3's, and read as ours."""
    try:
        reply = client.send_email(**call)
    except client.exceptions.TooManyRequestsException as error:
        return str(error.response.get("Error", {}).get("Code"))
    except (ClientError, dropin.UnknownSendError, BotoCoreError) as error:
        assert_type(dropin.delivery_error(error), DeliveryError | None)
        return "failed"
    assert_type(dropin.receipt(reply), Receipt)
    assert_type(dropin.receipts(reply), tuple[Receipt | DeliveryError, ...])
    return reply["MessageId"]


def unknown(error: dropin.UnknownSendError) -> UnknownOutcomeError | BotoCoreError:
    """It is both."""
    return error
