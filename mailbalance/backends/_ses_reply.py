"""What SES answered: a receipt, or the error that its reply amounts to; pure.

What lives here: reading a reply of SendEmail. What must not: the table of codes
(``_ses_errors``), sending.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailbalance.backend import Receipt
from mailbalance.backends import _answers, _http
from mailbalance.backends._ses_errors import Facts, classify
from mailbalance.secret import hushed

if TYPE_CHECKING:
    from mailbalance.errors import DeliveryError, UnknownOutcomeError
    from mailbalance.message import Envelope, Message
    from mailbalance.wire.http import HttpResponse
    from mailbalance.wire.sigv4 import Keys

#: How SES says that it took a message. Any other JSON with a MessageId will do, too.
_TAKEN = re.compile(rb'\{"MessageId": ?"([!#-\[\]-~]+)"\}')


def receipt(
    backend: str,
    response: HttpResponse,
    message: Message,
    envelope: Envelope,
    keys: Keys,
) -> Receipt:
    """Judge a reply: only 200 with a MessageId is a success (botocore takes less)."""
    taken = _TAKEN.fullmatch(response.body) if response.status == 200 else None
    if taken is not None:
        provider_id = taken[1].decode()
    else:
        provider_id = _unusual_id(backend, response, message, envelope, keys)
    if response.before:
        _http.must_be_news(response, (provider_id,), backend)
    return Receipt(
        "accepted",
        backend,
        provider_ids=(provider_id,),
        message_id=message.stamp().message_id,
        accepted=envelope.recipients,
    )


@hushed
def _unusual_id(
    backend: str,
    response: HttpResponse,
    message: Message,
    envelope: Envelope,
    keys: Keys,
) -> str:
    """Find the id in a reply that does not look as usual, or raise what it means."""
    if response.status >= 300:
        raise failure(backend, response, message, envelope, keys)
    reply = _answers.decoded(response.body)
    provider_id = reply.get("MessageId") if isinstance(reply, dict) else None
    if response.status != 200 or not isinstance(provider_id, str) or not provider_id:
        raise without_id(backend, response, said(response, keys)[1])
    return provider_id


def failure(
    backend: str,
    response: HttpResponse,
    message: Message,
    envelope: Envelope,
    keys: Keys,
) -> DeliveryError:
    """Make the error that a refusal amounts to."""
    code, text = said(response, keys)
    facts = Facts.of(message, envelope)
    verdict = classify(response.status, code, text, facts)
    skew = _answers.clock_skew(response.headers, datetime.now(UTC))
    if "clock" in verdict.hint and skew is not None:
        verdict = _http.with_hint(verdict, f"{verdict.hint}: it is {skew:+.0f} s off")
    return _http.failure(
        verdict,
        response,
        backend=backend,
        code=code or str(response.status),
        text=text,
    )


def without_id(
    backend: str, response: HttpResponse, text: str = ""
) -> UnknownOutcomeError:
    """Make the error for a success that came without the id that makes it one."""
    what = f"SES said {response.status}, which is no 200 with a MessageId"
    return _http.unproved(what, response, backend=backend, text=text)


def said(response: HttpResponse, keys: Keys) -> tuple[str, str]:
    """Give SES's code for an error, or ``""``, and its words, both fit to be shown."""
    secrets = keys.secret_key, keys.token, keys.access_key
    code = _answers.scrubbed(error_code(response), secrets)
    return code, _answers.scrubbed(_answers.words(response), secrets)


def error_code(response: HttpResponse) -> str:
    """Give SES's code for an error, or ``""``.

    It is in a header, with a URL after a colon, or in the body, with a namespace before a
    ``#`` (AWS restJson1 protocol, "Operation error serialization").
    """
    found: Any = response.headers.get("x-amzn-errortype")
    if not found:
        reply = _answers.decoded(response.body)
        fields = reply if isinstance(reply, dict) else {}
        found = fields.get("__type") or fields.get("code") or fields.get("Code")
    if not isinstance(found, str):
        return ""
    return found.partition(":")[0].rpartition("#")[2].strip()[:100]
