"""The keys the local sandbox hands out, and what SES makes of them.

What lives here: making them, and deriving an SES SMTP password. What must not: checking
a request; each door does that itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, field

#: Regions with an SES endpoint in botocore 1.44 (2026-11). The box plays all of them.
SES_REGIONS = """
af-south-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1
ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4
ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 eu-central-1
eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2
us-gov-east-1 us-gov-west-1 us-west-1 us-west-2
"""


def _key_id() -> str:
    letters = string.ascii_uppercase + "234567"
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16))


def _secret_key() -> str:
    return base64.b64encode(secrets.token_bytes(30)).decode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client must present at the doors; made fresh for each box.

    Attributes:
        access_key: AWS access key id, also the SES SMTP user name.
        secret_key: AWS secret access key.
        region: Region of the SMTP password that is handed out.
        token: Mailtrap API token, also the password of the SMTP user ``api``.
        sandbox_user: SMTP user of the Mailtrap Sandbox.
        sandbox_password: Its password.
    """

    access_key: str = field(default_factory=_key_id)
    secret_key: str = field(default_factory=_secret_key, repr=False)
    region: str = "us-east-1"
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    sandbox_user: str = field(default_factory=lambda: secrets.token_hex(7))
    sandbox_password: str = field(
        default_factory=lambda: secrets.token_hex(7), repr=False
    )

    @property
    def smtp_password(self) -> str:
        """The SES SMTP password for ``region``."""
        return ses_smtp_password(self.secret_key, self.region)

    def ses_smtp_passwords(self) -> frozenset[str]:
        """The SES SMTP passwords of every region."""
        regions = {*SES_REGIONS.split(), self.region}
        return frozenset(ses_smtp_password(self.secret_key, r) for r in regions)


def ses_smtp_password(secret_key: str, region: str) -> str:
    """Derive the SMTP password that belongs to a secret key in a region.

    Source: SES developer guide, "Obtaining Amazon SES SMTP credentials" (2026-11).
    """
    key = b"AWS4" + secret_key.encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return base64.b64encode(b"\x04" + key).decode()
