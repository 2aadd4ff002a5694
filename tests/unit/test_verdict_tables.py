"""Every line of the tables that say what a provider's reply means, by code and by words.

A row stands for what the provider's pages say, in words it uses; the status or phase of a
row is one by which the reply alone would be judged otherwise, so that only its own line
can be why.
"""

import pytest

from mailbalance.backends import (
    _http,
    _mailtrap_errors,
    _mailtrap_smtp_replies,
    _ses_errors,
    _ses_smtp_replies,
)
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
)
from mailbalance.wire.smtp.replies import Reply
from mailbalance.wire.smtp.verdict import Rule, judge

FACTS = _ses_errors.Facts("me@ours.example", ("you@theirs.example",), named=False)
NAMED = _ses_errors.Facts("me@ours.example", ("you@theirs.example",), named=True)

#: What is meant: the error, and for an unavailable one its scope.
Meant = tuple[type[DeliveryError], str]
THROTTLED, REJECTED = (ThrottledError, "backend"), (RejectedError, "backend")
TRANSIENT, UNSUITABLE = (TransientError, "backend"), (UnsuitableError, "backend")
UNKNOWN, BACKEND = (UnknownOutcomeError, "backend"), (UnavailableError, "backend")
ACCOUNT, SENDER = (UnavailableError, "account"), (UnavailableError, "sender")

SES: list[tuple[int, str, str, Meant, str]] = [
    *(
        (400, code, "Rate exceeded", THROTTLED, "")
        for code in (
            "TooManyRequestsException",
            "ThrottlingException",
            "Throttling",
            "ThrottledException",
            "RequestLimitExceeded",
            "SlowDown",
        )
    ),
    *(
        (400, code, text, ACCOUNT, "")
        for code in ("Throttling", "LimitExceededException")
        for text in (
            "Sending quota exceeded",
            "the daily rate",
            "24-hour rate",
            "the rate limit for the day",
        )
    ),
    (429, "", "slow down", THROTTLED, ""),
    (429, "", "over the daily rate", ACCOUNT, ""),
    (503, "", "the daily rate", TRANSIENT, ""),
    (400, "LimitExceededException", "the sending rate", THROTTLED, ""),
    (400, "LimitExceededException", "a resource", ACCOUNT, ""),
    (400, "AccountSuspendedException", "no", ACCOUNT, ""),
    (400, "SendingPausedException", "for configuration set x", BACKEND, ""),
    (400, "SendingPausedException", "for your account", ACCOUNT, ""),
    (400, "AccountSendingPausedException", "no", ACCOUNT, ""),
    (400, "ConfigurationSetSendingPausedException", "no", BACKEND, ""),
    *(
        (400, "MessageRejected", text, SENDER, "verify")
        for text in (
            "Email address is not verified",
            "You are not authorized to send as this",
            "You do not have authority",
        )
    ),
    *(
        (400, "MessageRejected", text, ACCOUNT, "")
        for text in (
            "Sending is paused",
            "Your account has been suspended",
            "Sending was disabled",
        )
    ),
    (404, "MessageRejected", "a virus", REJECTED, ""),
    (404, "BadRequestException", "Missing final '@domain'", REJECTED, ""),
    (400, "MailFromDomainNotVerifiedException", "no", SENDER, "verify"),
    (400, "NotFoundException", "x", BACKEND, "configuration_set"),
    (400, "ConfigurationSetDoesNotExist", "x", BACKEND, "configuration_set"),
    *(
        (400, "BadRequestException", text, BACKEND, "configuration_set")
        for text in ("It does not exist", "It was not found", "There is no such set")
    ),
    *(
        (400, code, "x", BACKEND, "clock")
        for code in ("RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture")
    ),
    *(
        (400, code, text, BACKEND, "clock")
        for code in ("SignatureDoesNotMatch", "InvalidSignatureException")
        for text in (
            "Signature expired: x",
            "Signature not yet current: x",
            "it is too skewed",
            "Check your clock",
        )
    ),
    *(
        (400, code, "x", BACKEND, "credentials")
        for code in (*sorted(_ses_errors.EXPIRED), "SignatureDoesNotMatch")
    ),
    (400, "InvalidSignatureException", "x", BACKEND, "credentials"),
    (400, "OptInRequired", "x", ACCOUNT, ""),
    *(
        (400, code, text, meant, hint)
        for code in ("AccessDenied", "AccessDeniedException")
        for text, meant, hint in (
            ("on arn:aws:ses:x:1:identity/a.example", SENDER, "IAM"),
            ("ses:SendEmail", BACKEND, "IAM"),
        )
    ),
    (400, "ConcurrentModificationException", "x", TRANSIENT, ""),
    (400, "RequestEntityTooLargeException", "x", UNSUITABLE, ""),
    (503, "InternalServiceErrorException", "x", UNKNOWN, ""),
    (503, "InternalFailure", "x", UNKNOWN, ""),
]


@pytest.mark.parametrize(("status", "code", "text", "meant", "hint"), SES)
def test_what_each_code_of_ses_means(
    status: int, code: str, text: str, meant: Meant, hint: str
) -> None:
    verdict = _ses_errors.classify(status, code, text, FACTS)

    assert (verdict.error, verdict.scope) == meant
    assert hint in verdict.hint
    assert bool(hint) == bool(verdict.hint)


def test_keys_are_fetched_anew_after_four_codes() -> None:
    assert sorted(_ses_errors.EXPIRED) == [
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    ]


def test_a_name_that_came_with_the_message_says_nothing_against_the_backend() -> None:
    verdict = _ses_errors.classify(404, "NotFoundException", "x", NAMED)

    assert verdict.error is UnsuitableError
    assert "ses=" in verdict.hint


SET = "Configuration set <x> does not exist."


@pytest.mark.parametrize(
    ("code", "text", "named", "named_set", "meant"),
    [
        ("NotFoundException", SET, True, False, UnavailableError),
        ("NotFoundException", SET, False, True, UnsuitableError),
        ("BadRequestException", SET, True, False, UnavailableError),
        ("ConfigurationSetDoesNotExist", "x", True, False, UnavailableError),
        ("ConfigurationSetDoesNotExist", "x", False, True, UnsuitableError),
        ("ConfigurationSetSendingPausedException", "x", True, False, UnavailableError),
        ("ConfigurationSetSendingPausedException", "x", False, True, UnsuitableError),
        (
            "SendingPausedException",
            "the configuration set",
            False,
            True,
            UnsuitableError,
        ),
        ("SendingPausedException", "your account", True, True, UnavailableError),
        (
            "NotFoundException",
            "Template t does not exist",
            True,
            False,
            UnsuitableError,
        ),
        (
            "NotFoundException",
            "Template t does not exist",
            False,
            False,
            UnavailableError,
        ),
    ],
)
def test_a_configuration_set_of_the_backend_is_the_backends_fault(
    code: str, text: str, named: bool, named_set: bool, meant: type[DeliveryError]
) -> None:
    facts = _ses_errors.Facts(
        "me@ours.example", ("you@theirs.example",), named, named_set
    )
    verdict = _ses_errors.classify(400, code, text, facts)

    assert verdict.error is meant


IDENTITY = (
    "not authorized to perform `ses:SendEmail' on resource `arn:aws:ses:x:1:identity/"
)


@pytest.mark.parametrize(
    ("identity", "meant"),
    [
        ("ours.example", UnavailableError),
        ("me@ours.example", UnavailableError),
        ("theirs.example", UnavailableError),
        ("you@theirs.example", UnsuitableError),
    ],
)
def test_an_identity_of_a_recipient_that_is_denied_is_not_the_senders(
    identity: str, meant: type[DeliveryError]
) -> None:
    text = f"{IDENTITY}{identity}'"
    verdict = _ses_errors.classify(403, "AccessDeniedException", text, FACTS)

    assert verdict.error is meant
    assert verdict.scope == ("sender" if meant is UnavailableError else "backend")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("not verified: ome@ours.example.net, you@theirs.example", UnsuitableError),
        ("not verified: you@theirs.example, example", UnsuitableError),
        ("Email address is not verified: YOU@theirs.example", UnsuitableError),
        ("Email address is not verified: other@x, you@theirs.example", UnsuitableError),
        ("Email address is not verified: me@ours.example", UnavailableError),
        ("not verified: you@theirs.example, Me@Ours.Example", UnavailableError),
        ("not verified: you@theirs.example, ours.example", UnavailableError),
        ("Email address is not verified", UnavailableError),
    ],
)
def test_the_account_may_be_in_the_sandbox_of_ses(
    text: str, meant: type[DeliveryError]
) -> None:
    two = ("You@theirs.example", "else@where.example")
    facts = _ses_errors.Facts("me@ours.example", two, named=False)
    verdict = _ses_errors.classify(400, "MessageRejected", text, facts)

    assert verdict.error is meant
    assert ("sandbox" in verdict.hint) == (meant is UnsuitableError)


UNVERIFIED = [
    "Your domain is not verified",
    "The domain isn't verified",
    "domain a.example: unverified",
    "domain a.example un-verified",
    "The domain is not allowed",
    "The domain is not authorized",
    "The domain was not found",
    "The domain is not compliant",
    "an unverified sending domain",
    "this demo domain",
    "Sending from a@b.example is not allowed",
    "It does not match the sender's domain",
]
MAILTRAP: list[tuple[int, str, Meant, str]] = [
    *((s, t, SENDER, "verify") for s in (400, 401, 403, 422) for t in UNVERIFIED),
    (404, "The domain is not found", BACKEND, "endpoint"),
    *(
        (status, f"Your account is {word}", ACCOUNT, "")
        for status in (401, 403)
        for word in (
            "banned",
            "suspended",
            "blocked",
            "deactivated",
            "paused",
            "disabled",
        )
    ),
    (400, "The recipient is blocked", REJECTED, ""),
    (422, "x", REJECTED, ""),
    (401, "Unauthorized", BACKEND, "token"),
    (403, "Forbidden", BACKEND, "token"),
    *(
        (429, text, ACCOUNT, "")
        for text in (
            "Upgrade",
            "over your plan",
            "the quota",
            "see billing",
            "the monthly limit",
            "the daily limit",
            "the message limit",
            "the messages limit",
        )
    ),
    (429, "too many requests", THROTTLED, ""),
    (400, "the monthly digest", REJECTED, ""),
    (500, "your plan", UNKNOWN, ""),
]


@pytest.mark.parametrize(("status", "text", "meant", "hint"), MAILTRAP)
def test_what_each_reply_of_mailtrap_means(
    status: int, text: str, meant: Meant, hint: str
) -> None:
    verdict = _http.judge(_mailtrap_errors.RULES, status, "", text)

    assert (verdict.error, verdict.scope) == meant
    assert hint in verdict.hint
    assert bool(hint) == bool(verdict.hint)


#: By RFC 9110 section 15, for whoever says nothing more.
STATUSES: dict[int, Meant] = {
    **dict.fromkeys((100, 101, 199, 299, 500, 502, 504, *range(506, 511)), UNKNOWN),
    **dict.fromkeys((*range(520, 531), 598, 599), UNKNOWN),
    **dict.fromkeys((300, 301, 302, 307, 399, 404, 405, 406, 415), BACKEND),
    **dict.fromkeys((410, 411, 412, 414, 416, 417, 421, 426, 428, 431), BACKEND),
    **dict.fromkeys((401, 403, 407, 451, 501, 505, 511), BACKEND),
    402: ACCOUNT,
    **dict.fromkeys((408, 409, 425, 503), TRANSIENT),
    413: UNSUITABLE,
    429: THROTTLED,
    **dict.fromkeys((400, 418, 422, 423, 424, 499), REJECTED),
}


@pytest.mark.parametrize(("status", "meant"), STATUSES.items())
def test_what_a_status_alone_means(status: int, meant: Meant) -> None:
    verdict = _http.judge((), status, "", "")

    assert (verdict.error, verdict.scope) == meant


@pytest.mark.parametrize(
    "status", [*range(300, 400), 404, 405, 406, 410, 415, 421, 426, 431, 501, 505]
)
def test_an_answer_from_elsewhere_asks_for_the_right_endpoint(status: int) -> None:
    assert "endpoint" in _http.judge((), status, "", "").hint


def test_a_login_page_on_the_way_is_named() -> None:
    assert "network between" in _http.judge((), 511, "", "").hint


#: Not 501, 503, 505 and 511: none of these can come after a message was taken.
OPEN = [each for each in range(500, 600) if each not in {501, 503, 505, 511}]
CODES = sorted(set().union(*(rule.codes for rule in _ses_errors.RULES)))


@pytest.mark.parametrize("code", CODES)
def test_a_status_that_leaves_the_outcome_open_does_so_whatever_ses_adds(
    code: str,
) -> None:
    texts = ("", "Maximum sending rate exceeded", "Daily message quota", "not verified")
    found = {
        _ses_errors.classify(status, code, text, facts).error
        for status in OPEN
        for text in texts
        for facts in (FACTS, NAMED)
    }

    assert found == {UnknownOutcomeError}


@pytest.mark.parametrize("text", [text for _, text, *_ in MAILTRAP])
def test_a_status_that_leaves_the_outcome_open_does_so_whatever_mailtrap_adds(
    text: str,
) -> None:
    found = {
        _http.judge(_mailtrap_errors.RULES, status, "", text).error for status in OPEN
    }

    assert found == {UnknownOutcomeError}


OPENING = ("connect", "tls", "greeting", "ehlo", "starttls", "auth")
SMTP: list[tuple[tuple[Rule, ...], str, str, Meant]] = [
    *(
        ((), phase, f"4{text}", THROTTLED)
        for phase in ("auth", "rcpt")
        for text in (
            "21 Throttled",
            "51 rate limit",
            "50 too much mail",
            "21 too many connections",
            "21 Too many concurrent connections",
            "51 too many messages",
            "51 too many emails",
        )
    ),
    ((), "dot", "451 later", TRANSIENT),
    ((), "mail", "450 later", TRANSIENT),
    *(((), "dot", f"{code} no", BACKEND) for code in (530, 534, 538)),
    *(((), phase, "550 no", BACKEND) for phase in OPENING),
    ((), "mail", "552 too big", REJECTED),
    ((), "mail", "554 5.3.4 too big", REJECTED),
    ((), "mail", "554 no 5.3.4", SENDER),
    ((), "mail", "554 5.3.45 no", SENDER),
    ((), "mail", "550 no", SENDER),
    ((), "rcpt", "550 no", REJECTED),
    ((), "data", "250 ok", TRANSIENT),
    ((), "rcpt", "354 go", TRANSIENT),
]
SMTP += [
    (_ses_smtp_replies.REPLIES, phase, text, meant)
    for phase, text, meant in [
        ("dot", "454 Throttling failure: Daily message quota exceeded.", ACCOUNT),
        ("dot", "450 maximum sending rate exceeded", THROTTLED),
        ("dot", "421 Too many concurrent SMTP sessions", THROTTLED),
        ("dot", "535 not subscribed", ACCOUNT),
        ("dot", "554 sending is paused", ACCOUNT),
        ("dot", "554 sending suspended", ACCOUNT),
        ("dot", "554 Email address is not verified", SENDER),
        ("dot", "554 Access denied: x", BACKEND),
        ("dot", "554 not authorized to perform", BACKEND),
        ("dot", "554 Configuration set x", BACKEND),
        ("dot", "554 not authorized on identity/a.example", SENDER),
        ("dot", "554 tenant x does not exist", UNSUITABLE),
        ("dot", "554 a virus", REJECTED),
        ("dot", "454 Configuration set, not verified, not authorized", TRANSIENT),
        ("dot", "554 maximum rate exceeded", REJECTED),
        ("dot", "550 not subscribed", REJECTED),
    ]
]
SMTP += [
    (_mailtrap_smtp_replies.REPLIES, phase, text, meant)
    for phase, text, meant in [
        ("auth", "535 5.7.8 Too many connections", THROTTLED),
        ("auth", "535 limit reached", ACCOUNT),
        ("auth", "535 over the quota", ACCOUNT),
        ("dot", "535 no", BACKEND),
        ("dot", "550 too many emails per second", THROTTLED),
        ("dot", "550 sending from domain x is not allowed", SENDER),
        ("dot", "554 must match the sender's domain", SENDER),
        ("dot", "554 must match the senders domain", SENDER),
        ("dot", "550 no", REJECTED),
        ("dot", "550 too many connections, over the quota", REJECTED),
    ]
]


@pytest.mark.parametrize(("rules", "phase", "text", "meant"), SMTP)
def test_what_each_reply_over_smtp_means(
    rules: tuple[Rule, ...], phase: str, text: str, meant: Meant
) -> None:
    error = judge(Reply(int(text[:3]), (text[4:],)), phase, rules)

    assert (type(error), getattr(error, "scope", "backend")) == meant
    assert (error.code, error.phase) == (text[:3], phase)


@pytest.mark.parametrize(("code", "out"), [(399, True), (250, True), (400, False)])
def test_an_answer_to_something_else_is_called_out_of_step(
    code: int, out: bool
) -> None:
    assert ("out of step" in judge(Reply(code, ("x",)), "data").detail) == out
