"""What Mailtrap's replies mean; pure.

What lives here: the judgement of a reply to one message, to a probe, and of any refusal.
What must not: hosts, sending, or batches (``_mailtrap_batch``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbalance.backend import Receipt
from mailbalance.backends import _answers, _http
from mailbalance.backends._mailtrap_errors import RULES
from mailbalance.errors import DeliveryError, TransientError
from mailbalance.secret import hushed

if TYPE_CHECKING:
    from mailbalance.batch import Mail
    from mailbalance.secret import Secret
    from mailbalance.wire.http import HttpResponse


@hushed
def receipt(
    response: HttpResponse, mail: Mail, *, backend: str, token: Secret
) -> Receipt:
    """Judge a reply to one message: only 200 with ``success: true`` is a receipt.

    Its ids may be missing.

    Raises:
        DeliveryError: For every other reply.
    """
    message, envelope = mail
    must_be_fine(response, backend=backend, token=token)
    reply = _answers.decoded(response.body)
    if response.status != 200 or not _says(reply, success=True):
        error = _http.unproved(
            f"Mailtrap said {response.status} without success",
            response,
            backend=backend,
            text=text_of(response, token),
        )
        if _says(reply, success=False):
            error.likely = None
        raise error
    found = ids(reply)
    if response.before:
        _http.must_be_news(response, found, backend)
    return Receipt(
        "accepted",
        backend,
        provider_ids=found,
        message_id=message.stamp().message_id,
        accepted=envelope.recipients,
    )


def must_be_fine(response: HttpResponse, *, backend: str, token: Secret) -> None:
    """Raise what a reply means that is no success."""
    if not 200 <= response.status < 300:
        raise failure(response, text_of(response, token), backend)


def must_be_alive(response: HttpResponse, *, backend: str, token: Secret) -> None:
    """Take any clear answer to a probe, a refusal too, for a sign of life."""
    if response.status >= 500:
        raise _http.failure(
            _http.Verdict(TransientError),
            response,
            backend=backend,
            code=str(response.status),
            text=text_of(response, token),
        )


def failure(response: HttpResponse, text: str, backend: str) -> DeliveryError:
    """Make the error that a refusal with these words calls for."""
    code = str(response.status)
    verdict = _http.judge(RULES, response.status, "", text)
    return _http.failure(verdict, response, backend=backend, code=code, text=text)


def text_of(response: HttpResponse, token: Secret) -> str:
    """Give what a reply says, without the token."""
    return _answers.scrubbed(_answers.words(response), [token])


def ids(item: dict[str, Any]) -> tuple[str, ...]:
    """Give the ids: one for each of To, Cc, Bcc; from the Mailtrap Sandbox a single one."""
    found = item.get("message_ids")
    if not isinstance(found, list):
        return ()
    return tuple([str(each) for each in found if each and isinstance(each, (str, int))])


def _says(reply: Any, *, success: bool) -> bool:
    return isinstance(reply, dict) and reply.get("success") is success
