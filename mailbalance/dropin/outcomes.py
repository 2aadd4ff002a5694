"""Our outcomes as what existing code catches.

What lives here: from a ``DeliveryError`` of another provider to the error reply or the
botocore exception that says the same, and from one of SES's to exactly what SES or
botocore said. What must not: parsing SES (``verdicts``), sending.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore import exceptions as aws

from mailbalance.backends._ses_errors import HTTP_STATUS
from mailbalance.dropin.errors import UnknownSendError
from mailbalance.dropin.replies import refusal
from mailbalance.dropin.words import WORDS
from mailbalance.errors import (
    DeliveryError,
    MessageError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from mailbalance.dropin.own_client import AskError
    from mailbalance.dropin.replies import Reply

_BOTOCORE = (aws.BotoCoreError, aws.ClientError)

#: SES's own words, which existing code looks for.
_TOO_FAST = "Maximum sending rate exceeded."
_SPENT = "Daily message quota exceeded."
_UNVERIFIED = "Email address is not verified."
_QUOTA = re.compile(r"quota|plan|billing|upgrade|monthly|daily|messages? limit", re.I)

#: Phases in which no server has said anything yet, in the words of every wire.
_CONNECTING = frozenset({"connect", "proxy", "tls", "starttls", "greeting"})


def of_ses(
    error: DeliveryError, answer: Reply | None, failed: AskError | None
) -> Reply:
    """Pass on what SES or botocore said, as it came, unless it leaves the outcome open.

    Raises:
        UnknownSendError: When nobody can know whether the message was accepted.
        Exception: What botocore, or a hook of the user's, raised.
    """
    cause = failed.cause if failed else None
    # An exception of a user's own hook before the request stays what it is.
    hook = failed and failed.phase == "exchange" and not isinstance(cause, _BOTOCORE)
    if isinstance(error, UnknownOutcomeError) and not hook:
        unknown = UnknownSendError.of(error)
        unknown.mailbalance_id = ""  # the caller's own call carried none
        raise unknown from error
    if cause is not None:
        raise cause from error
    if answer is None:  # pragma: no cover - a judgement has a reply or an exception
        raise AssertionError("SES was judged without having been asked")
    return answer


def of_other(error: DeliveryError, service: str, url: str) -> Reply:
    """Say what another provider's outcome means in SES's words.

    Raises:
        UnknownSendError: When nobody can know whether the message was accepted.
        BotoCoreError: When no provider could be reached.
    """
    if isinstance(error, UnknownOutcomeError):
        raise UnknownSendError.of(error) from error
    if _no_reply(error):
        raise _transport(error) from error
    code, text = code_of(error, service)
    status = HTTP_STATUS.get(code, 400)
    return refusal(service, url, code, text, (error,), status=status)


def of_faults(error: MessageError, service: str, url: str, *, code: str = "") -> Reply:
    """Refuse what cannot be sent at all, with the code SES has for it."""
    text = "; ".join(error.problems)
    return refusal(service, url, code or WORDS[service].invalid, text)


def code_of(error: DeliveryError, service: str) -> tuple[str, str]:
    """Give the code and the words for an error that is no transport failure."""
    words, said = WORDS[service], str(error)
    if isinstance(error, ThrottledError):
        return words.throttled[0], f"{_TOO_FAST} {said}"
    if isinstance(error, TransientError):
        return "ServiceUnavailable", said
    if not isinstance(error, UnavailableError):
        return words.refused, said
    if error.scope == "sender":
        return words.refused, f"{_UNVERIFIED} {said}"
    if error.scope == "account" and _QUOTA.search(error.detail):
        return words.spent, f"{_SPENT} {said}"
    return words.paused, said


def _no_reply(error: DeliveryError) -> bool:
    return error.phase in _CONNECTING or (
        isinstance(error, TransientError) and not error.code.isdigit()
    )


def _transport(error: DeliveryError) -> Exception:
    """Make the exception that botocore has for a failure on the way."""
    facts: dict[str, Any] = {"endpoint_url": error.backend, "error": str(error)}
    if error.code in {"tls", "certificate"} or "tls" in error.phase:
        return aws.SSLError(**facts)
    if error.phase == "proxy" or error.code == "proxy":
        return aws.ProxyConnectionError(proxy_url=str(error), error=str(error))
    if "timeout" in error.code.lower() or error.code == "ETIMEDOUT":
        return aws.ConnectTimeoutError(**facts)
    facts["endpoint_url"] = str(error)
    return aws.EndpointConnectionError(**facts)
