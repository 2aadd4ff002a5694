"""What both API backends do with replies and previews, whoever the provider is.

What lives here: verdicts and the rules that find them, previews, the check of base URLs.
What must not: one provider's codes or fields, reading a reply (``_answers``), I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailbalance.backends import _answers as answers
from mailbalance.errors import (
    ConfigError,
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
)
from mailbalance.wire.http.reply import is_of_an_api
from mailbalance.wire.http.request import framed
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.smtp.server import is_loopback

if TYPE_CHECKING:
    from mailbalance.errors import Scope
    from mailbalance.wire.http import HttpRequest, HttpResponse

#: Characters of a string in a preview; attachments are longer and say nothing.
_LONGEST_SHOWN = 2000

#: Headers whose values are secrets.
_SECRET = frozenset({"authorization", "api-token", "x-amz-security-token"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error reply means.

    Attributes:
        error: The class to raise.
        scope: What is unavailable, if it is.
        hint: What to do about it, or ``""``.
    """

    error: type[DeliveryError]
    scope: Scope = "backend"
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a provider's table: which replies it covers, and what they mean.

    Attributes:
        verdict: What a covered reply means.
        codes: The provider's codes it covers; any if empty.
        statuses: The HTTP statuses it covers; any if empty.
        text: What the reply's text must hold, if anything.
    """

    verdict: Verdict
    codes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    text: re.Pattern[str] | None = None

    def covers(self, status: int, code: str, text: str) -> bool:
        """Say whether the reply is one of these."""
        return (
            (not self.codes or code in self.codes)
            and (not self.statuses or status in self.statuses)
            and (self.text is None or self.text.search(text) is not None)
        )


_MISTAKEN = Verdict(
    UnavailableError, hint="is this the right endpoint? the request was not understood"
)

_INTERCEPTED = Verdict(
    UnavailableError,
    hint="a network between here and the provider asks for a login of its own",
)

#: The 5xx that prove that the message was not taken: its method or version is not
#: understood (501, 505; RFC 9110 sections 15.6.2 and 15.6.6), the server did not begin
#: (503; section 15.6.4), or it never saw the request (511; RFC 6585 section 6). Any other
#: may come after it was taken: from what broke then, or from a gateway that lost the reply.
#: So neither its body nor its headers are believed to say otherwise.
_NOT_BEGUN = frozenset({501, 503, 505, 511})

#: What a status means when nothing more is known. Source: RFC 9110 section 15, by which a
#: 4xx that is not listed counts as 400. Those that ask for something in a request that no
#: request of ours has or lacks (410 to 412, 414, 416, 417, 428) come from a server, or from
#: something on the way to it, that is not the provider's API.
BY_STATUS = (
    Rule(_MISTAKEN, statuses=frozenset({*range(300, 400), 404, 405, 406, 410, 411})),
    Rule(_MISTAKEN, statuses=frozenset({412, 414, 415, 416, 417, 421, 426, 428, 431})),
    Rule(_MISTAKEN, statuses=frozenset({501, 505})),
    Rule(_INTERCEPTED, statuses=frozenset({511})),
    Rule(Verdict(UnavailableError), statuses=frozenset({401, 403, 407, 451})),
    Rule(Verdict(UnavailableError, "account"), statuses=frozenset({402})),
    Rule(Verdict(TransientError), statuses=frozenset({408, 409, 425, 503})),
    Rule(Verdict(ThrottledError), statuses=frozenset({429})),
    Rule(Verdict(UnsuitableError), statuses=frozenset({413})),
    Rule(Verdict(RejectedError), statuses=frozenset(range(400, 500))),
)


def judge(rules: Iterable[Rule], status: int, code: str, text: str) -> Verdict:
    """Find the first rule that covers a reply, else what its status means."""
    if status >= 500 and status not in _NOT_BEGUN:
        return Verdict(UnknownOutcomeError)
    for rule in (*rules, *BY_STATUS):
        if rule.covers(status, code, text):
            return rule.verdict
    return Verdict(UnknownOutcomeError)


def failure(
    verdict: Verdict, response: HttpResponse, *, backend: str, code: str, text: str
) -> DeliveryError:
    """Make the error that a verdict calls for; ``text`` is scrubbed already."""
    what = text or f"HTTP {response.status} without a reason"
    detail = f"{what} ({verdict.hint})" if verdict.hint else what
    facts: dict[str, Any] = {"backend": backend, "phase": "reply", "code": code}
    facts["retry_after"] = answers.retry_after(response.headers)
    if issubclass(verdict.error, UnavailableError):
        facts["scope"] = verdict.scope
    if issubclass(verdict.error, UnknownOutcomeError) and 200 <= response.status < 300:
        facts["likely"] = "accepted"
    return verdict.error(detail, **facts)


def unproved(
    what: str, response: HttpResponse, *, backend: str, text: str
) -> UnknownOutcomeError:
    """Make the error for a success that came without what makes it one.

    Args:
        what: What is missing, as a sentence.
        response: The reply.
        backend: The name that the error carries.
        text: What the reply says; scrubbed already.
    """
    return UnknownOutcomeError(
        f"{what}: {text}" if text else what,
        # A page of a proxy says nothing about the message.
        likely="accepted" if is_of_an_api(response.headers, response.body) else None,
        backend=backend,
        phase="reply",
        code=str(response.status),
    )


def must_be_news(response: HttpResponse, ids: Iterable[str], backend: str) -> None:
    """Make sure that a reply is not the one before it once more.

    Providers give each message an id of its own. The connection is then dropped: whatever
    comes over it next would be a reply too late.

    Raises:
        UnknownOutcomeError: When an id in it was in the reply before it.
    """
    before = response.before
    if not any(f'"{each}"'.encode() in before for each in ids):
        return
    if response.connection is not None:
        response.connection.retired = True
    raise UnknownOutcomeError(
        "the reply has the id of the message before it, so it may be no reply to this one",
        backend=backend,
        phase="reply",
        code=str(response.status),
    )


def shown(request: HttpRequest) -> str:
    """Show a request as it would be sent: secrets masked, long contents shortened."""
    headers = framed(request, host=True).items()
    lines = [f"{request.method} {request.url}"]
    lines += [f"{name}: {_masked(name, text)}" for name, text in headers]
    body = json.dumps(
        _shortened(answers.decoded(request.content)), indent=2, ensure_ascii=False
    )
    return "\n".join([*lines, "", body])


def plaintext_problem(url: str, where: str) -> str | None:
    """Say why a base URL cannot be used, or ``None``; ``where`` names what to change."""
    no_url = f"{where} is no URL that begins with https://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return no_url
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return no_url
    if parts.username is not None or parts.query or parts.fragment:
        return f"{where} may hold a host, a port and a path only"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return f"{where} is plaintext to another machine; use https://"
    return None


def check_base(
    name: str, option: str, url: str | None, ca: str | None, others: Iterable[str] = ()
) -> None:
    """Make sure that a base URL and a CA file can be used.

    Args:
        name: The backend's name.
        option: What the base URL is called.
        url: The base URL, if one is given.
        ca: The CA file, if one is given.
        others: Problems found already, to be reported together.

    Raises:
        ConfigError: With every problem; neither value is shown.
    """
    problems = list(others)
    if url is not None and (problem := plaintext_problem(url, f"{name}: {option}")):
        problems.append(problem)
    if ca is not None:
        try:
            client_context(ca)
        except OSError as error:
            reason = error.strerror or "it holds no certificate"
            problems.append(f"{name}: ca cannot be read: {reason}")
    if problems:
        raise ConfigError(problems)


def with_hint(verdict: Verdict, hint: str) -> Verdict:
    """Give the same verdict with a hint."""
    return replace(verdict, hint=hint)


def _masked(name: str, value: str) -> str:
    if name.lower() not in _SECRET:
        return value
    signed = re.sub(r"(?<=Signature=).*", "***", value)
    return (
        signed if signed != value else f"{'Bearer ' * value.startswith('Bearer ')}***"
    )


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return f"{value[:60]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value
