"""Clients for the local sandbox that nobody here wrote, ready to use.

Nothing of mailbalance but its sandbox may be imported here.
"""

import contextlib
import http.client
import json
import smtplib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import boto3
import mailtrap
from botocore.config import Config

from mailbalance.sandbox import Door, Sandbox

TIMEOUT = 10
LETTER = (
    "From: Ana <ana@example.com>\r\nTo: bo@example.com\r\nMessage-ID: <1@example.com>\r\n"
    "Subject: hello\r\n\r\ntext\r\n"
)


def tls(box: Sandbox) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(box.ca_file))


def login(box: Sandbox, door: Door) -> tuple[str, str]:
    keys = box.credentials
    if door == "ses-smtp":
        return keys.access_key, keys.smtp_password
    return "api", keys.token


@contextlib.contextmanager
def smtp(box: Sandbox, door: Door, *, implicit: bool = False) -> Iterator[smtplib.SMTP]:
    """A session that has logged in, by STARTTLS or on the port with implicit TLS."""
    with (
        smtplib.SMTP_SSL(
            "127.0.0.1", box.port(f"{door}s"), timeout=TIMEOUT, context=tls(box)
        )
        if implicit
        else smtplib.SMTP("127.0.0.1", box.port(door), timeout=TIMEOUT)
    ) as client:
        if not implicit:
            client.starttls(context=tls(box))
        client.login(*login(box, door))
        yield client


def sesv2(box: Sandbox, **changes: Any) -> Any:
    """boto3's SES client; it never retries."""
    keys = box.credentials
    settings: dict[str, Any] = {
        "region_name": "eu-west-1",
        "endpoint_url": box.urls()["ses"],
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "config": Config(
            retries={"total_max_attempts": 1},
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
        ),
    }
    return boto3.client("sesv2", **(settings | changes))


def ses_simple(client: Any, **changes: Any) -> Any:
    request: dict[str, Any] = {
        "FromEmailAddress": "Ana <ana@example.com>",
        "Destination": {"ToAddresses": ["bo@example.com"]},
        "Content": {
            "Simple": {
                "Subject": {"Data": "hello"},
                "Body": {"Text": {"Data": "grüße", "Charset": "UTF-8"}},
            }
        },
    }
    return client.send_email(**(request | changes))


def mailtrap_client(box: Sandbox, **changes: Any) -> mailtrap.MailtrapClient:
    """The official SDK; it speaks https only, so ``REQUESTS_CA_BUNDLE`` must be set."""
    host = f"127.0.0.1:{box.port('mailtrap-tls')}"
    settings = {"token": box.credentials.token, "api_host": host}
    return mailtrap.MailtrapClient(**(settings | changes))


def mailtrap_message(**changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "from": {"email": "ana@example.com"},
        "to": [{"email": "bo@example.com"}],
        "subject": "hello",
        "text": "text",
    }
    return good | changes


def post(
    box: Sandbox, path: str, body: Any, headers: dict[str, str | None] | None = None
) -> tuple[int, dict[str, str], Any]:
    """Post JSON to the Mailtrap door; a header of ``None`` is left out."""
    usual: dict[str, str | None] = {
        "Authorization": f"Bearer {box.credentials.token}",
        "User-Agent": "test",
        "Content-Type": "application/json",
    }
    sent = {k: v for k, v in (usual | (headers or {})).items() if v is not None}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(box, "mailtrap", "POST", path, data, sent)


def request(
    box: Sandbox,
    port: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], Any]:
    """One HTTP request; the reply's status, headers and JSON (or bytes)."""
    client = http.client.HTTPConnection("127.0.0.1", box.port(port), timeout=TIMEOUT)
    with contextlib.closing(client):
        client.request(method, path, body, headers or {})
        reply = client.getresponse()
        content = reply.read()
        found = {name.lower(): value for name, value in reply.getheaders()}
    is_json = found.get("content-type", "").startswith("application/json")
    return reply.status, found, json.loads(content) if is_json else content


@contextlib.contextmanager
def raw(box: Sandbox, port: str) -> Iterator[socket.socket]:
    """A bare connection."""
    address = ("127.0.0.1", box.port(port))
    with socket.create_connection(address, TIMEOUT) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            found += chunk
    return found
