"""SES's API by boto3: one attempt for each call, as this library makes for each try."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from measuring import mail

REGION = "eu-west-1"
#: Nobody's keys.
KEYS: dict[str, Any] = {
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI",
}


def call(file: bytes | None) -> dict[str, Any]:
    """Say the mail as ``send_email`` is told it."""
    simple: dict[str, Any] = {
        "Subject": {"Data": mail.SUBJECT, "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": mail.text(), "Charset": "UTF-8"},
            "Html": {"Data": mail.html(), "Charset": "UTF-8"},
        },
    }
    if file is not None:
        simple["Attachments"] = [{"FileName": "report.bin", "RawContent": file}]
    return {
        "FromEmailAddress": mail.FROM,
        "Destination": {"ToAddresses": [mail.TO]},
        "Content": {"Simple": simple},
    }


def _client(url: str, ca: str | None, connections: int = 10) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "sesv2",
        REGION,
        endpoint_url=url,
        verify=ca,
        config=Config(
            retries={"total_max_attempts": 1}, max_pool_connections=connections
        ),
        **KEYS,
    )


def send(url: str, ca: str | None = None, size: int = 0) -> Callable[[int], None]:
    """Send one after another."""
    client, file = _client(url, ca), mail.file(size) if size else None

    def run(number: int) -> None:
        for _ in range(number):
            client.send_email(**call(file))

    return run


def in_threads(url: str, at_once: int) -> Callable[[int], None]:
    """Send so many at once."""
    client, pool = _client(url, None, at_once), ThreadPoolExecutor(at_once)

    def several(number: int) -> None:
        for _ in range(number):
            client.send_email(**call(None))

    def run(number: int) -> None:
        list(pool.map(several, [number // at_once] * at_once))

    return run
