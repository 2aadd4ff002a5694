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
from urllib.parse import unquote

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
_SET = re.compile(r"configuration.?set", re.I)
_UNVERIFIED = re.compile(r"not verified|not authorized to send|have authority", re.I)
_SKEW = re.compile(r"signature (expired|not yet current)|too skewed|clock", re.I)
_IDENTITY = re.compile(r"\bidentity/", re.I)
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
_SENDER = Verdict(
    UnavailableError, "sender", "verify the sender's domain or address in SES"
)
_CLOCK = Verdict(UnavailableError, hint="set this machine's clock")
_KEYS = Verdict(UnavailableError, hint="check the AWS credentials")
_DENIED = Verdict(UnavailableError, hint="the IAM policy must allow ses:SendEmail")
_WRONG_SET = Verdict(UnavailableError, hint="check configuration_set and the region")

_PAUSED_SET = Verdict(UnavailableError)
_DENIED_IDENTITY = Verdict(UnavailableError, "sender", _DENIED.hint)

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
    Rule(_PAUSED_SET, frozenset({"SendingPausedException"}), text=_SET),
    Rule(
        _ACCOUNT, frozenset({"SendingPausedException", "AccountSendingPausedException"})
    ),
    Rule(_PAUSED_SET, frozenset({"ConfigurationSetSendingPausedException"})),
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
        _DENIED_IDENTITY,
        frozenset({"AccessDeniedException", "AccessDenied"}),
        text=_IDENTITY,
    ),
    Rule(_DENIED, frozenset({"AccessDeniedException", "AccessDenied"})),
    Rule(Verdict(TransientError), frozenset({"ConcurrentModificationException"})),
    Rule(Verdict(UnsuitableError), frozenset({"RequestEntityTooLargeException"})),
    # With 503 too; with 500, their own status, the outcome is open anyway.
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
        named: Whether it named a template, contact list or tenant.
        named_set: Whether it named a configuration set; else that is the backend's own.
    """

    sender: str
    recipients: tuple[str, ...]
    named: bool = False
    named_set: bool = False

    @classmethod
    def of(cls, message: Message, envelope: Envelope) -> Facts:
        """Read them off a message and its envelope."""
        ses = message.ses
        names = ses.template_name, ses.template_arn, ses.tenant, ses.contact_list
        named, named_set = any(names), bool(ses.configuration_set)
        return cls(envelope.sender, envelope.recipients, named, named_set)

    def named_what(self, said: str) -> bool:
        """Report whether the message itself named what a reply speaks of."""
        return self.named_set if _SET.search(said) else self.named or self.named_set


#: What a reply means that is about this message's own options or recipients.
THEIR_NAME = Verdict(
    UnsuitableError, hint="the name comes from the message's ses={...}"
)
THEIR_RECIPIENT = Verdict(
    UnsuitableError, hint="is the account still in the SES sandbox?"
)


def classify(status: int, code: str, text: str, facts: Facts) -> Verdict:
    """Say what a reply means for this message.

    An account in SES's sandbox refuses unverified *recipients* with the words it has for
    senders, and a name that does not exist may have come from the message alone: neither
    says anything against the backend.
    """
    verdict = judge(RULES, status, code, text)
    about_a_name = verdict is _WRONG_SET or verdict is _PAUSED_SET
    if about_a_name and facts.named_what(f"{code} {text}"):
        return THEIR_NAME
    if verdict is _SENDER and is_about_recipients(text, facts):
        return THEIR_RECIPIENT
    if verdict is _DENIED_IDENTITY and is_about_recipients(text, facts):
        return THEIR_RECIPIENT
    return verdict


def is_about_recipients(text: str, facts: Facts) -> bool:
    """Report whether the identities that a refusal names are recipients' only.

    A domain that is denied is taken for the sender's: no recipient is asked for one.
    """
    sender = facts.sender.lower()
    domain = sender.rpartition("@")[2]
    said = {
        each.strip(".:").rpartition("identity/")[2] or each
        for each in re.split(r"[\s,;<>()\"'`]+", unquote(text).lower())
    }
    if sender in said or any(
        "." in each and f".{domain}".endswith(f".{each}") for each in said
    ):
        return False
    return any(recipient.lower() in said for recipient in facts.recipients)
