"""Whether a request carries a good AWS signature (SigV4), in SES's words if not.

What lives here: the check, written from AWS's description and not from any client's code.
What must not: making signatures for requests.

Source: AWS General Reference, "Signature Version 4 signing process" (2026-11).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.sandbox.credentials import Credentials
    from mailbalance.sandbox.http import Call

ALGORITHM = "AWS4-HMAC-SHA256"
#: How far the client's clock may be off.
MAX_SKEW = timedelta(minutes=15)

_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^\s,]+)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a signature is not accepted: SES's error code and words."""

    code: str
    text: str


def check(call: Call, credentials: Credentials, now: datetime) -> Refusal | None:
    """Judge the signature of a request; ``None`` if it is good."""
    header = call.headers.get("authorization", "")
    if not header:
        return Refusal(
            "MissingAuthenticationTokenException", "Missing Authentication Token"
        )
    fields = dict(_FIELD.findall(header))
    if not header.startswith(ALGORITHM + " ") or len(fields) != 3:
        return Refusal(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.",
        )
    scope = fields["Credential"].split("/")
    signed = fields["SignedHeaders"].split(";")
    return (
        _check_scope(scope, call.headers, credentials)
        or _check_time(call.headers, scope, now)
        or _check_headers(call, signed)
        or _check_signature(call, signed, scope, credentials, fields["Signature"])
    )


def _check_scope(
    scope: list[str], headers: Mapping[str, str], credentials: Credentials
) -> Refusal | None:
    if len(scope) != 5:
        return Refusal(
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            "keyid/date/region/service/term",
        )
    if scope[0] != credentials.access_key:
        return Refusal(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    if scope[3:] != ["ses", "aws4_request"]:
        return _mismatch("Credential should be scoped to correct service: 'ses'.")
    return None


def _check_time(
    headers: Mapping[str, str], scope: list[str], now: datetime
) -> Refusal | None:
    stamp = headers.get("x-amz-date", "")
    try:
        when = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return Refusal(
            "IncompleteSignatureException",
            "Authorization header requires existence of either a 'X-Amz-Date' or a "
            "'Date' header.",
        )
    if scope[1] != stamp[:8]:
        return _mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
            "date from HTTP"
        )
    if when < now - MAX_SKEW:
        limit = f"{now - MAX_SKEW:%Y%m%dT%H%M%SZ}"
        return _mismatch(f"Signature expired: {stamp} is now earlier than {limit}")
    if when > now + MAX_SKEW:
        limit = f"{now + MAX_SKEW:%Y%m%dT%H%M%SZ}"
        return _mismatch(
            f"Signature not yet current: {stamp} is still later than {limit}"
        )
    return None


def _check_headers(call: Call, signed: list[str]) -> Refusal | None:
    must = ["host", *(name for name in call.headers if name.startswith("x-amz-"))]
    missing = [name for name in must if name not in signed]
    if missing:
        return _mismatch(
            f"'{missing[0]}' must be a 'SignedHeader' in the AWS Authorization."
        )
    if signed != sorted(signed) or any(name not in call.headers for name in signed):
        return _mismatch("SignedHeaders must be sorted and present in the request.")
    declared = call.headers.get("x-amz-content-sha256")
    if declared not in {None, hashlib.sha256(call.body).hexdigest()}:
        return _mismatch("The value of x-amz-content-sha256 does not match the body.")
    return None


def _check_signature(
    call: Call,
    signed: list[str],
    scope: list[str],
    credentials: Credentials,
    given: str,
) -> Refusal | None:
    key = b"AWS4" + credentials.secret_key.encode()
    for part in scope[1:]:
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    text = "\n".join(
        (
            ALGORITHM,
            call.headers["x-amz-date"],
            "/".join(scope[1:]),
            hashlib.sha256(canonical_request(call, signed).encode()).hexdigest(),
        )
    )
    good = hmac.digest(key, text.encode(), hashlib.sha256).hex()
    if hmac.compare_digest(good.encode(), given.encode()):
        return None
    return _mismatch(
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service "
        "documentation for details."
    )


def canonical_request(call: Call, signed: list[str]) -> str:
    """The text over which the signature is made; paths are encoded a second time."""
    pairs = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, _, value in (p.partition("=") for p in call.query.split("&") if p)
    )
    headers = "".join(f"{n}:{' '.join(call.headers[n].split())}\n" for n in signed)
    return "\n".join(
        (
            call.method,
            quote(call.path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            headers,
            ";".join(signed),
            hashlib.sha256(call.body).hexdigest(),
        )
    )


def _mismatch(text: str) -> Refusal:
    return Refusal("SignatureDoesNotMatch", text)
