"""Replies in the form of the caller's own operation.

What lives here: the tuples that botocore takes from a ``before-call`` handler: an HTTP
response without a body, and the parsed reply. What must not: which reply is due
(``single``, ``bulk``, ``outcomes``).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from botocore.awsrequest import AWSResponse

from mailbalance.dropin.metadata import Ending, Metadata
from mailbalance.dropin.words import WORDS
from mailbalance.errors import DeliveryError

if TYPE_CHECKING:
    from mailbalance.backend import Receipt

#: An HTTP response and the parsed reply: what ends a call early.
Reply: TypeAlias = "tuple[Any, dict[str, Any]]"

#: Sixteen characters, as an id of SES begins; code in the wild checks the form.
_PREFIX = "mailtrap00000000"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_OURS = uuid.UUID("6d7c3f0e-6f0a-4c7e-9d4b-5a5f2f1c8a11")


def message_id(receipt: Receipt) -> str:
    """Give the id of a message that SES did not carry, in the form of SES's own.

    In it is the provider's id for the first recipient; where the provider gave none, or
    none of that form, one made from our Message-ID header.
    """
    first = receipt.provider_ids[0] if receipt.provider_ids else ""
    if _UUID.fullmatch(first):
        own = first.lower()
    elif receipt.message_id:
        own = str(uuid.uuid5(_OURS, first or receipt.message_id))
    else:
        own = str(uuid.uuid4())
    return f"{_PREFIX}-{own}-000000"


def reply(
    service: str,
    url: str,
    body: Mapping[str, Any],
    endings: tuple[Ending, ...] = (),
    *,
    status: int = 200,
    backend: str = "mailbalance",
) -> Reply:
    """Make a reply that no server gave.

    Args:
        service: ``ses`` or ``sesv2``.
        url: Where the request would have gone.
        body: The parsed reply, without its metadata.
        endings: What became of each message.
        status: The HTTP status.
        backend: Who answered; shown in a header.
    """
    request_id = str(uuid.uuid4())
    headers = {
        "date": formatdate(usegmt=True),
        "content-type": WORDS[service].content_type,
        "content-length": "0",
        "x-amzn-requestid": request_id,
        "x-mailbalance-backend": backend,
    }
    http: Any = AWSResponse(url, status, cast("Any", headers), None)
    http._content = b""  # or reading .content would ask the stream that is not there
    fields = {
        "RequestId": request_id,
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": _retries(endings),
    }
    return http, {**body, "ResponseMetadata": Metadata(fields, endings)}


def refusal(
    service: str,
    url: str,
    code: str,
    text: str,
    endings: tuple[Ending, ...] = (),
    *,
    status: int = 400,
) -> Reply:
    """Make an error reply; botocore raises the exception that its code stands for."""
    error = {"Code": code, "Message": text}
    if service == "ses":
        error = {"Type": "Sender" if status < 500 else "Receiver", **error}
    backend = next(
        (e.backend for e in endings if e.backend),
        "mailbalance",
    )
    return reply(
        service, url, {"Error": error}, endings, status=status, backend=backend
    )


def with_endings(answer: Reply, endings: tuple[Ending, ...]) -> Reply:
    """Give SES's own reply, which also knows what became of the messages."""
    http, parsed = answer
    metadata = Metadata(parsed.get("ResponseMetadata", {}), endings)
    metadata["RetryAttempts"] = _retries(endings)
    if http.status_code >= 300 and _gave_up(endings):
        metadata["MaxAttemptsReached"] = True
    return http, {**parsed, "ResponseMetadata": metadata}


def _retries(endings: tuple[Ending, ...]) -> int:
    """Give how often it was tried again, of the message that took the most tries."""
    most = 1
    for each in endings:
        most = max(most, len(each.attempts))
    return most - 1


def _gave_up(endings: tuple[Ending, ...]) -> bool:
    """Say whether it was tried as often as allowed, as botocore notes of itself."""
    return any(
        isinstance(each, DeliveryError)
        # An error itself says no where the caller's own number of attempts is reached.
        and type(each).retry_here
        and (len(each.attempts) > 1 or not each.retry_here)
        for each in endings
    )
