"""What the error replies of SES v2 mean, as dated data.

What lives here: the table, and the few facts about the message that decide between two
readings of one code. What must not: reading a reply, raising.

Sources: botocore's model of sesv2 (1.44, 2026-11), "Amazon SES API v2 errors" and "Common
errors" (API reference), replies recorded from AWS by LocalStack's tests. Several codes say
two things, and only their text tells which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbalance.backends._http import Rule, Verdict, judge
from mailbalance.errors import (
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.message import Envelope, Message

#: Codes after which the keys may be fetched anew, once.
EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)

#: HTTP statuses of codes that are not 400.
HTTP_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "NotFoundException": 404,
        "TooManyRequestsException": 429,
        "ServiceUnavailable": 503,
    }
)

_QUOTA = re.compile(r"quota|daily|24.hour|limit.{0,20}day", re.I)
_PAUSED = re.compile(r"(sending|account)\b.{0,60}\b(paused|suspended|disabled)", re.I)
_SET = re.compile(r"configuration.set", re.I)
_UNVERIFIED = re.compile(r"not verified|not authorized to send|have authority", re.I)
_SKEW = re.compile(r"signature (expired|not yet current)|too skewed|clock", re.I)
_IDENTITY = re.compile(r":identity/", re.I)
_MISSING = re.compile(r"does not exist|not found|no such", re.I)

_THROTTLES = frozenset(
    {
        "TooManyRequestsException",
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestLimitExceeded",
        "SlowDown",
    }
)
_SKEWED = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
_SIGNED = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})

_ACCOUNT = Verdict(UnavailableError, "account")
_BACKEND = Verdict(UnavailableError)
_SENDER = Verdict(
    UnavailableError, "sender", "verify the sender's domain or address in SES"
)
_CLOCK = Verdict(UnavailableError, hint="set this machine's clock")
_KEYS = Verdict(UnavailableError, hint="check the AWS credentials")
_DENIED = Verdict(UnavailableError, hint="the IAM policy must allow ses:SendEmail")
_WRONG_SET = Verdict(UnavailableError, hint="check configuration_set and the region")

#: The first rule that covers a reply counts; then those of HTTP itself.
RULES = (
    Rule(_ACCOUNT, _THROTTLES | {"LimitExceededException"}, text=_QUOTA),
    Rule(Verdict(ThrottledError), _THROTTLES),
    Rule(_ACCOUNT, statuses=frozenset({429}), text=_QUOTA),
    Rule(Verdict(ThrottledError), statuses=frozenset({429})),
    Rule(
        Verdict(ThrottledError),
        frozenset({"LimitExceededException"}),
        text=re.compile("rate"),
    ),
    Rule(_ACCOUNT, frozenset({"LimitExceededException", "AccountSuspendedException"})),
    Rule(_BACKEND, frozenset({"SendingPausedException"}), text=_SET),
    Rule(
        _ACCOUNT, frozenset({"SendingPausedException", "AccountSendingPausedException"})
    ),
    Rule(_BACKEND, frozenset({"ConfigurationSetSendingPausedException"})),
    Rule(_SENDER, frozenset({"MessageRejected"}), text=_UNVERIFIED),
    Rule(_ACCOUNT, frozenset({"MessageRejected"}), text=_PAUSED),
    Rule(_SENDER, frozenset({"MailFromDomainNotVerifiedException"})),
    Rule(_WRONG_SET, frozenset({"NotFoundException", "ConfigurationSetDoesNotExist"})),
    Rule(_WRONG_SET, frozenset({"BadRequestException"}), text=_MISSING),
    Rule(_CLOCK, _SKEWED),
    Rule(_CLOCK, _SIGNED, text=_SKEW),
    Rule(_KEYS, EXPIRED | _SIGNED),
    Rule(Verdict(UnavailableError, "account"), frozenset({"OptInRequired"})),
    Rule(
        Verdict(UnavailableError, "sender", _DENIED.hint),
        frozenset({"AccessDeniedException", "AccessDenied"}),
        text=_IDENTITY,
    ),
    Rule(_DENIED, frozenset({"AccessDeniedException", "AccessDenied"})),
    Rule(Verdict(TransientError), frozenset({"ConcurrentModificationException"})),
    Rule(Verdict(UnsuitableError), frozenset({"RequestEntityTooLargeException"})),
    Rule(
        Verdict(UnknownOutcomeError),
        frozenset({"InternalServiceErrorException", "InternalFailure"}),
    ),
    Rule(Verdict(RejectedError), frozenset({"MessageRejected", "BadRequestException"})),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the message itself tells about an error.

    Attributes:
        sender: The address it comes from.
        recipients: The addresses it goes to.
        named: Whether it named a template, configuration set, contact list or tenant.
    """

    sender: str
    recipients: tuple[str, ...]
    named: bool

    @classmethod
    def of(cls, message: Message, envelope: Envelope) -> Facts:
        """Read them off a message and its envelope."""
        ses = message.ses
        names = ses.template_name, ses.template_arn, ses.configuration_set, ses.tenant
        named = any((*names, ses.contact_list))
        return cls(envelope.sender, envelope.recipients, named)


def classify(status: int, code: str, text: str, facts: Facts) -> Verdict:
    """Say what a reply means for this message.

    An account in SES's sandbox refuses unverified *recipients* with the words it has for
    senders, and a name that does not exist may have come from the message alone: neither
    says anything against the backend.
    """
    verdict = judge(RULES, status, code, text)
    if verdict is _WRONG_SET and facts.named:
        return Verdict(
            UnsuitableError, hint="the name comes from the message's ses={...}"
        )
    if verdict is _SENDER and _only_recipients(text.lower(), facts):
        return Verdict(UnsuitableError, hint="is the account still in the SES sandbox?")
    return verdict


def _only_recipients(text: str, facts: Facts) -> bool:
    sender = facts.sender.lower()
    if sender in text or sender.rpartition("@")[2] in re.split(r"[\s,]+", text):
        return False
    return any(recipient.lower() in text for recipient in facts.recipients)
