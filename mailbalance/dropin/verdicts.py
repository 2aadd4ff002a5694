"""What came of one request to SES, as our outcomes: the table for botocore's world.

What lives here: botocore's exceptions and SES's replies (of both APIs) as
``DeliveryError``. What must not: raising towards the caller (``outcomes``), and the table
of SES's codes, which is that of the SES backend.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from botocore import exceptions as aws

from mailbalance.backends import _answers, _http
from mailbalance.backends._ses_errors import HTTP_STATUS, Facts, classify
from mailbalance.backends._ses_reply import without_id
from mailbalance.dropin.words import SYNONYMS, WORDS
from mailbalance.errors import (
    DeliveryError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.wire.aws import told
from mailbalance.wire.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from mailbalance.dropin.own_client import AskError
    from mailbalance.dropin.replies import Reply
    from mailbalance.message import Envelope, Message

#: Raised only while connecting, whichever urllib3 is below.
_BEFORE = (aws.EndpointConnectionError, aws.ConnectTimeoutError)

#: Functions of urllib3, http.client and ssl that run before the first byte of a request
#: is written. One of them in an exception's own traceback proves that nothing was sent.
_CONNECTING = frozenset(
    {"connect", "_new_conn", "_validate_conn", "_prepare_proxy", "do_handshake"}
)


def of_exception(failed: AskError, backend: str) -> DeliveryError:
    """Say what a request without a response means for the message."""
    error = failed.cause
    facts: dict[str, Any] = {"backend": backend, "code": type(error).__name__}
    detail = str(error) or type(error).__name__
    if failed.phase == "sign":
        return UnavailableError(
            f"the request could not be signed: {told(error)}",
            phase="credentials",
            **facts,
        )
    if failed.phase == "exchange" and _never_sent(error, failed.outer):
        chain = _chain(error, failed.outer)
        untrusted = any(isinstance(e, ssl.SSLCertVerificationError) for e in chain)
        kind = UnavailableError if untrusted else TransientError
        return kind(detail, phase="connect", **facts)
    if failed.phase == "reply":
        detail = f"the reply could not be read: {error!r}"
    return UnknownOutcomeError(detail, phase="reply", **facts)


def of_reply(
    answer: Reply, message: Message, envelope: Envelope, backend: str
) -> DeliveryError | str:
    """Give the MessageId of a reply, or what it means that there is none."""
    http, parsed = answer
    if http.status_code >= 300:
        return of_error(answer, message, envelope, backend)
    provider_id = parsed.get("MessageId")
    if isinstance(provider_id, str) and provider_id:
        return provider_id
    return of_success_without_ids(http, backend)


def of_success_without_ids(http: Any, backend: str) -> DeliveryError:
    """Judge a success that does not say what became of the message."""
    low = {name.lower(): value for name, value in http.headers.items()}
    response = HttpResponse(http.status_code, low, http.content)
    text = _answers.scrubbed(_answers.words(response), ())
    return without_id(backend, response, text)


def of_error(
    answer: Reply, message: Message, envelope: Envelope, backend: str
) -> DeliveryError:
    """Judge a reply whose status says that it failed as a whole."""
    http, parsed = answer
    error = parsed.get("Error", {})
    code, text = str(error.get("Code") or ""), str(error.get("Message") or "")
    return _judged(
        http.status_code, http.headers, code, text, message, envelope, backend
    )


def of_entry(
    entry: Mapping[str, Any],
    service: str,
    message: Message,
    envelope: Envelope,
    backend: str,
) -> DeliveryError | str:
    """Give the MessageId of a bulk entry, or what it means that there is none."""
    words, status = WORDS[service], str(entry.get("Status") or "")
    provider_id = entry.get("MessageId")
    if status == words.success:
        taken = HttpResponse(200, {}, b"")
        return str(provider_id) if provider_id else without_id(backend, taken)
    if provider_id or status not in words.refusals:
        return UnknownOutcomeError(
            f"SES did not tell what became of an entry of a bulk call: {status}",
            likely="accepted" if provider_id else None,
            backend=backend,
            phase="reply",
            code="200",
        )
    code, text = words.code(status), str(entry.get("Error") or status)
    return _judged(
        HTTP_STATUS.get(code, 400), {}, code, text, message, envelope, backend
    )


def _judged(
    status: int,
    headers: Mapping[str, str],
    code: str,
    text: str,
    message: Message,
    envelope: Envelope,
    backend: str,
) -> DeliveryError:
    facts = Facts.of(message, envelope)
    verdict = classify(status, SYNONYMS.get(code, code), text, facts)
    low = {name.lower(): value for name, value in headers.items()}
    return _http.failure(
        verdict,
        HttpResponse(status, low, b""),
        backend=backend,
        code=code or str(status),
        text=_answers.scrubbed(text, ()),
    )


def _never_sent(error: Exception, outer: BaseException | None) -> bool:
    """Say whether an exception comes from before the request was written.

    botocore's classes do not always tell: a reset during the TLS handshake and one after
    the whole request are both ``ConnectionClosedError``. The functions that it passed
    through do.
    """
    if isinstance(error, _BEFORE):
        return True
    return any(
        trace.tb_frame.f_code.co_name in _CONNECTING
        for found in _chain(error, outer)
        for trace in _frames(found)
    )


def _frames(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _chain(
    error: BaseException, outer: BaseException | None
) -> Iterator[BaseException]:
    """Walk from an exception through all that led to it, but not to what came before."""
    seen: set[int] = {id(outer)}
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        yield at
        seen.add(id(at))
        at = at.__cause__ or at.__context__
