"""What a refusing reply means: tables, and the one function that reads them.

What lives here: ``Rule``, the rules that hold for any server, and ``judge``. What must not:
a provider's own replies (``backends`` pass those in, and they are asked first), and any
I/O. Code and text are both needed: providers give passing trouble lasting codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbalance.backend import Refusal
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.errors import Scope
    from mailbalance.wire.smtp.replies import Reply

#: The phases before the first word about a message.
OPENING = frozenset({"connect", "tls", "greeting", "ehlo", "starttls", "auth"})

#: Where a reply is to one recipient.
RECIPIENT = frozenset({"rcpt"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of reply means.

    Attributes:
        code: The digits it begins with: ``"535"``, or ``"4"`` for all of 4yz.
        error: The error it becomes.
        text: A pattern to find in its text, in any case; ``""`` matches every text.
        scope: For an ``UnavailableError``: what is unavailable.
        phases: The phases it is for; empty for all.
    """

    code: str
    error: type[DeliveryError]
    text: str = ""
    scope: Scope = "backend"
    phases: frozenset[str] = frozenset()
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", re.compile(self.text, re.IGNORECASE))

    def fits(self, reply: Reply, phase: str) -> bool:
        """Tell whether this rule is for that reply in that phase."""
        return (
            str(reply.code).startswith(self.code)
            and (not self.phases or phase in self.phases)
            and self._pattern.search(reply.text) is not None
        )

    def make(self, detail: str, **facts: Any) -> DeliveryError:
        """Make the error."""
        if issubclass(self.error, UnavailableError):
            facts["scope"] = self.scope
        return self.error(detail, **facts)


#: Any server's replies, most special first. Sources: RFC 5321 section 4.2 (4yz may pass,
#: 5yz will not), RFC 4954 section 6 (530, 534, 538), RFC 3463 (5.3.4 is the size), Postfix
#: 3.7 for the wordings of its limits. Read 2026-11-23.
ANY_SERVER = (
    Rule("4", ThrottledError, r"throttl|rate limit|too much mail"),
    Rule("4", ThrottledError, r"too many (concurrent )?(connections|messages|emails)"),
    Rule("4", TransientError),
    # RFC 5321 section 4.5.3.1.10: as 452, whatever its first digit.
    Rule("5", TransientError, r"too many recipients|^5\.5\.3\b", phases=RECIPIENT),
    Rule("530", UnavailableError),
    Rule("534", UnavailableError),
    Rule("538", UnavailableError),
    Rule("5", UnavailableError, phases=OPENING),
    Rule("552", RejectedError),
    Rule("5", RejectedError, r"^5\.3\.4\b"),
    # The sender is what a provider checks at MAIL; another may have verified it.
    Rule("5", UnavailableError, scope="sender", phases=frozenset({"mail"})),
    Rule("5", RejectedError),
    # 2yz or 3yz where another was due: the two sides no longer talk of the same thing.
    Rule("", TransientError),
)

_WHAT = {
    "greeting": "the server's greeting",
    "ehlo": "the reply to EHLO",
    "starttls": "the reply to STARTTLS",
    "auth": "the reply to AUTH",
    "rset": "the reply to RSET",
    "mail": "the reply to MAIL",
    "rcpt": "the reply to RCPT",
    "data": "the reply to DATA",
    "body": "a reply in the middle of the message",
    "dot": "the reply to the message",
}


def judge(reply: Reply, phase: str, rules: tuple[Rule, ...] = ()) -> DeliveryError:
    """Make the error that a reply stands for.

    Args:
        reply: A reply that is not the success that was due.
        phase: Where it came.
        rules: The provider's own rules, asked before ``ANY_SERVER``.
    """
    rule = next(each for each in (*rules, *ANY_SERVER) if each.fits(reply, phase))
    out_of_step = "out of step: " if reply.code < 400 else ""
    detail = f"{_WHAT.get(phase, 'a reply')}: {out_of_step}{reply}"
    return rule.make(detail, code=str(reply.code), phase=phase)


def judge_refused(
    refused: Mapping[str, Reply],
    rules: tuple[Rule, ...] = (),
    *,
    last: Reply | None = None,
) -> DeliveryError:
    """Make the error for a message that no recipient was accepted for.

    The one recipient that may still be accepted, later or elsewhere, decides; those
    refused for good are in ``refused`` of the error, so that they are not tried again, and
    those that may be accepted later in ``deferred``.

    Args:
        refused: The reply to each recipient that was not accepted.
        rules: As for ``judge``.
        last: The reply by which the server ended the session, if that decides.
    """
    errors = {each: judge(reply, "rcpt", rules) for each, reply in refused.items()}
    lasting = {
        address
        for address, error in errors.items()
        if not (error.retry_here or error.try_next)
    }
    hopeful = [error for a, error in errors.items() if a not in lasting]
    error = (hopeful or list(errors.values()))[0]
    if last is not None:
        error = judge(last, "rcpt", rules)
    replies = {
        each: Refusal(reply.code, reply.text, passing=each not in lasting)
        for each, reply in refused.items()
    }
    error.refused = {each: replies[each] for each in lasting}
    later = {each: replies[each] for each in replies if each not in lasting}
    if later:
        error.deferred = later
    return error


def refusal_of(reply: Reply, rules: tuple[Rule, ...] = ()) -> Refusal:
    """Return the reply to a recipient as the caller gets it.

    Args:
        reply: One that refuses it.
        rules: As for ``judge``.
    """
    error = judge(reply, "rcpt", rules)
    passing = error.retry_here or error.try_next
    return Refusal(reply.code, reply.text, passing=passing)
