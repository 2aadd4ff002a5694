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
from mailbalance.backends import _answers, _http
from mailbalance.backends._mailtrap_reply import failure, ids
from mailbalance.backends._mailtrap_request import content_part, own_part
from mailbalance.batch import Load
from mailbalance.errors import UnknownOutcomeError
from mailbalance.secret import hushed
from mailbalance.wire.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.backend import Answer
    from mailbalance.batch import Mail
    from mailbalance.message import Message
    from mailbalance.secret import Secret

#: Of one call: 500 messages, and 50 MB of JSON. JSON may be longer than the finished
#: messages that ``size`` counts, by its escapes, so a fifth is left free.
LOAD = Load(messages=500, size=40 * 1024 * 1024)


def batch_body(mails: Sequence[Mail]) -> dict[str, Any]:
    """Give the JSON body; what all messages say alike stands once, in its base."""
    requests = [own_part(*mail) for mail in mails]
    message, envelope = mails[0]
    if _have_the_same_content([message for message, _ in mails]):
        return {"base": content_part(message, envelope), "requests": requests}
    contents = [content_part(*mail) for mail in mails]
    names = [name for name in contents[0] if _is_said_by_all(name, contents)]
    base = {name: contents[0][name] for name in names}
    for request, content in zip(requests, contents, strict=True):
        request.update((n, text) for n, text in content.items() if n not in base)
    return {"base": base, "requests": requests} if base else {"requests": requests}


def _have_the_same_content(messages: Sequence[Message]) -> bool:
    """Whether they plainly differ in their recipients and variables only."""
    first, *others = messages
    content = _content(first)
    if first.from_ is None or first.mailtrap.template_uuid:
        return False
    return all(_content(each) == content for each in others)


def _content(message: Message) -> tuple[object, ...]:
    """Give all that ``content_part`` is made of, but for a template's variables."""
    sender = message.from_
    return (
        message.text,
        message.html,
        message.subject,
        message.category,
        sender and (sender.email, sender.name),
        message.reply_to,
        message.headers,
        message.attachments,
        message.mailtrap.template_uuid,
    )


def _is_said_by_all(name: str, contents: Sequence[dict[str, Any]]) -> bool:
    first, *others = [each.get(name) for each in contents]
    if name == "template_variables":
        return all(_same(each, first) for each in others)
    return all(each == first for each in others)  # which is made of texts only


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
        text = _answers.scrubbed(_answers.words(response), [token])
        raise UnknownOutcomeError(
            f"Mailtrap took a batch and did not tell of each message: {text}",
            backend=backend,
            phase="reply",
            code=str(response.status),
        )
    if response.before:
        found = [each for item in items if isinstance(item, dict) for each in ids(item)]
        _http.must_be_news(response, found, backend)
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
