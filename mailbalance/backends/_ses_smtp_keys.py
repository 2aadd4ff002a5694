"""SMTP credentials of SES: found in the environment, or derived from AWS keys.

What lives here: the two ways, both pure. What must not: asking botocore's chain.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.backends._smtp_options import Problems

TEMPORARY = (
    "temporary AWS credentials (with a session token) do not work over SMTP; set "
    "SES_SMTP_USERNAME and SES_SMTP_PASSWORD, or use the ses backend"
)


def smtp_password(secret_key: str, region: str) -> str:
    """Derive the SMTP password that belongs to an IAM secret key in one region.

    Source: Developer Guide, "Converting existing AWS secret access keys": a SigV4 key for
    a fixed date and the terminal "SendRawEmail", behind the version byte 4.
    """
    # Views, since a traceback shows the locals of an interrupted call by their repr.
    key = memoryview(f"AWS4{secret_key}".encode())
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        key = memoryview(hmac.digest(key, part.encode(), "sha256"))
    return base64.b64encode(b"\x04" + key).decode()


def from_environ(
    environ: Mapping[str, str], problems: Problems
) -> tuple[str, str] | None:
    """Give SMTP credentials of the environment, or ``None`` to derive them later."""
    given = problems.pair(
        environ.get("SES_SMTP_USERNAME"),
        environ.get("SES_SMTP_PASSWORD"),
        "SES_SMTP_USERNAME and SES_SMTP_PASSWORD",
    )
    temporary = environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SESSION_TOKEN")
    if given is None and temporary:
        problems.add(TEMPORARY)
    return given
