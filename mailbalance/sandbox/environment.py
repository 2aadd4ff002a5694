"""The environment variables that point programs at a box.

What lives here: the variables, for mailbalance and for boto3. What must not: reading or
setting any.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.listening import HOST

_quoted = partial(quote, safe="")


def environment(
    split: str, keys: Credentials, ports: Mapping[str, int], ca_file: Path
) -> dict[str, str]:
    """Give everything a program needs to send to the box, and nowhere else."""
    return {
        "MAILBALANCE_SPLIT": split,
        "MAILBALANCE_FROM": "demo@example.com",
        **_dsns(keys, ports, _quoted(str(ca_file))),
        **_for_boto3(keys, ports),
    }


def _dsns(keys: Credentials, ports: Mapping[str, int], ca: str) -> dict[str, str]:
    aws = f"{_quoted(keys.access_key)}:{_quoted(keys.secret_key)}"
    smtp = f"{_quoted(keys.access_key)}:{_quoted(keys.smtp_password)}"
    token, endpoint = _quoted(keys.token), _quoted(_ses(ports))
    return {
        "MAILBALANCE_SES_URL": (
            f"ses+api://{aws}@default?region={keys.region}&endpoint={endpoint}"
        ),
        "MAILBALANCE_SES_SMTP_URL": (
            f"ses+smtp://{smtp}@{HOST}:{ports['ses-smtp']}?region={keys.region}&ca={ca}"
        ),
        "MAILBALANCE_MAILTRAP_URL": (
            f"mailtrap+api://{token}@{HOST}:{ports['mailtrap']}?tls=off"
        ),
        "MAILBALANCE_MAILTRAP_SMTP_URL": (
            f"mailtrap+smtp://{token}@{HOST}:{ports['mailtrap-smtp']}?ca={ca}"
        ),
    }


def _for_boto3(keys: Credentials, ports: Mapping[str, int]) -> dict[str, str]:
    """Give what keeps boto3's own SES clients here, under the drop-in or without it.

    The door knows no v1 calls, but they had better fail here than reach AWS. A session
    token or a wish to ignore such variables, left over in the user's own environment,
    must not undo this.
    """
    return {
        "AWS_ENDPOINT_URL_SESV2": _ses(ports),
        "AWS_ENDPOINT_URL_SES": _ses(ports),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_REGION": keys.region,
        "AWS_DEFAULT_REGION": keys.region,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": "",
    }


def _ses(ports: Mapping[str, int]) -> str:
    return f"http://{HOST}:{ports['ses']}"
