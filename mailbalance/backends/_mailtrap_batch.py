"""Several messages in one ``POST /api/batch``, and what its reply says of each; pure.

What lives here: the body with what all messages share said once, and the judgement of the
reply item by item. What must not: hosts, tokens, sending.

Source: Mailtrap's OpenAPI files for batch sending (2026-06). ``success`` at the top is true
even when every item failed, so only the items count.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbalance.backend import Receipt
from mailbalance.backends import _answers
from mailbalance.backends._mailtrap_reply import failure, ids
from mailbalance.backends._mailtrap_request import request_body
from mailbalance.batch import Load
from mailbalance.errors import UnknownOutcomeError
from mailbalance.secret import hushed
from mailbalance.wire.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.backend import Answer
    from mailbalance.batch import Mail
    from mailbalance.secret import Secret

#: Of one call: 500 messages, and 50 MB of JSON. JSON may be longer than the finished
#: messages that ``size`` counts, by its escapes, so a fifth is left free.
LOAD = Load(messages=500, size=40 * 1024 * 1024)

#: What each item must say for itself.
_OWN = frozenset({"to", "cc", "bcc"})


def batch_body(mails: Sequence[Mail]) -> dict[str, Any]:
    """Give the JSON body; what all messages say alike stands once, in its base."""
    items = [request_body(message, envelope) for message, envelope in mails]
    first, *others = items
    base = {
        name: value
        for name, value in first.items()
        if name not in _OWN and all(_same(each.get(name), value) for each in others)
    }
    requests = [{n: v for n, v in item.items() if n not in base} for item in items]
    return {"base": base, "requests": requests} if base else {"requests": requests}


@hushed
def answers(
    response: HttpResponse, mails: Sequence[Mail], *, backend: str, token: Secret
) -> list[Answer]:
    """Judge a reply with status 200, item by item.

    Raises:
        UnknownOutcomeError: When it does not tell of each message.
    """
    reply = _answers.decoded(response.body)
    items = reply.get("responses") if isinstance(reply, dict) else None
    if not isinstance(items, list) or len(items) != len(mails):
        text = _answers.scrubbed(_answers.texts(response.body), [token])
        raise UnknownOutcomeError(
            f"Mailtrap took a batch and did not tell of each message: {text}",
            backend=backend,
            phase="reply",
            code=str(response.status),
        )
    return [
        _answer(item, mail, backend, token)
        for item, mail in zip(items, mails, strict=True)
    ]


def _answer(item: Any, mail: Mail, backend: str, token: Secret) -> Answer:
    message, envelope = mail
    said = item.get("success") if isinstance(item, dict) else None
    if said is True:
        return Receipt(
            "accepted",
            backend,
            provider_ids=ids(item),
            message_id=message.stamp().message_id,
            accepted=envelope.recipients,
        )
    text = _answers.scrubbed(_answers.texts(json.dumps(item).encode()), [token])
    if said is False:
        # As the same words with status 400 would be judged.
        return failure(HttpResponse(400, {}, b""), text, backend)
    return UnknownOutcomeError(
        f"Mailtrap did not tell what became of this message of a batch: {text}",
        backend=backend,
        phase="reply",
        code="200",
    )


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; to Python, 1 and ``True`` are equal too."""
    if one is other:
        return True
    if type(one) is not type(other) or not isinstance(one, dict | list):
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one.keys() == other.keys() and all(
        _same(value, other[name]) for name, value in one.items()
    )
