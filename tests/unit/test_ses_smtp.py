import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailbalance import Message
from mailbalance.backends._ses_smtp_keys import smtp_password
from mailbalance.backends._ses_smtp_replies import REPLIES
from mailbalance.backends.ses_smtp import SesSmtpBackend
from mailbalance.config import BackendSettings
from mailbalance.envelope import Envelope
from mailbalance.errors import (
    ConfigError,
    DeliveryError,
    UnavailableError,
    UnsuitableError,
)
from mailbalance.frozen import FrozenDict
from mailbalance.wire.net.deadline import Deadline
from tests.unit.smtp_mails import headers, known_replies, meaning, message, refusal
from tests.wire.smtp_peer import SmtpPeer

#: The example key of the AWS documentation.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KNOWN = [
    ("us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"),
    ("eu-west-1", "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk"),
]


def backend(**options: Any) -> SesSmtpBackend:
    return SesSmtpBackend(
        **{
            "region": "eu-west-1",
            "username": "AKIDEXAMPLE",
            "password": "BPassword",
            "environ": {},
            **options,
        }
    )


@pytest.mark.parametrize(("region", "password"), KNOWN)
def test_the_smtp_password_is_derived_from_the_secret_key(
    region: str, password: str
) -> None:
    assert smtp_password(SECRET, region) == password


@pytest.mark.parametrize(
    "given",
    [
        {"access_key": "AKIDEXAMPLE", "secret_key": SECRET},
        {
            "environ": {
                "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": SECRET,
            }
        },
        {
            "environ": {
                "SES_SMTP_USERNAME": "AKIDEXAMPLE",
                "SES_SMTP_PASSWORD": KNOWN[1][1],
                "AWS_SESSION_TOKEN": "irrelevant",
            }
        },
    ],
)
def test_credentials_are_found_wherever_they_are_said(given: dict[str, Any]) -> None:
    made = backend(username=None, password=None, **given)

    server = made.wire(message()).server

    assert server.host == "email-smtp.eu-west-1.amazonaws.com"
    assert server.credentials is not None
    assert server.credentials.user == "AKIDEXAMPLE"
    assert server.credentials.password == KNOWN[1][1]


def test_temporary_credentials_are_no_configuration() -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "ASIA",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": "token",
    }

    with pytest.raises(ConfigError, match="temporary AWS credentials"):
        backend(username=None, password=None, environ=environ)


PROFILE = f"""
[default]
region = us-east-1
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = {SECRET}
"""


@pytest.mark.parametrize("how", ["sync", "async"])
def test_keys_and_region_may_be_in_a_profile(how: str, tmp_path: Path) -> None:
    made = backend(region=None, username=None, password=None, environ=profile(tmp_path))

    if how == "sync":
        server = made.wire(message()).server
    else:
        server = asyncio.run(made.awire(message(), Deadline(20))).server

    assert server.host == "email-smtp.us-east-1.amazonaws.com"
    assert server.credentials is not None
    assert server.credentials.password == KNOWN[0][1]
    assert made.account == "ses/us-east-1"


def test_temporary_credentials_in_a_profile_make_it_unavailable(
    tmp_path: Path,
) -> None:
    environ = profile(tmp_path, "aws_session_token = token\n")
    made = backend(username=None, password=None, environ=environ)

    with pytest.raises(UnavailableError, match="temporary AWS credentials"):
        made.wire(message())


def test_without_any_keys_it_is_unavailable() -> None:
    environ = {"AWS_EC2_METADATA_DISABLED": "true"}
    made = backend(region=None, username=None, password=None, environ=environ)

    with pytest.raises(UnavailableError):
        made.send(message(), Envelope.of(message()), timeout=5)

    assert made.account == "ses"


def profile(folder: Path, more: str = "") -> dict[str, str]:
    """Write a profile and give the environment that points to it."""
    path = folder / "credentials"
    path.write_text(PROFILE + more)
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(path),
        "AWS_CONFIG_FILE": str(path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": None}, "go together"),
        ({"username": None, "password": None, "access_key": "A"}, "go together"),
        ({"tls": "maybe"}, "tls="),
        ({"tls": "off"}, "loopback"),
        ({"ca": "/nowhere.pem"}, "ca="),
        ({"region": "eu west"}, "region"),
        ({"password": "pass\nword"}, "printable"),
    ],
)
def test_a_wrong_option_is_told_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        backend(**options)

    assert str(caught.value).startswith("ses-smtp: ")
    assert "BPassword" not in str(caught.value)


def test_all_problems_of_its_settings_are_told_at_once() -> None:
    settings = BackendSettings(
        "ses-smtp",
        "ses+smtp",
        user="AKID",
        options=FrozenDict({"tls": "no", "colour": "red", "ca": "/nowhere"}),
        environ={},
    )

    with pytest.raises(ConfigError) as caught:
        SesSmtpBackend.from_settings(settings)

    assert len(caught.value.problems) == 4


def test_settings_become_a_backend() -> None:
    settings = BackendSettings(
        "mine",
        "ses+smtp",
        host="127.0.0.1",
        port=2465,
        user="AKID",
        secret=SecretStr("BSecret"),
        options=FrozenDict({"region": "us-east-1", "configuration_set": "main"}),
        environ={},
    )

    made = SesSmtpBackend.from_settings(settings)
    server = made.wire(message()).server

    assert (made.name, made.account) == ("mine", "ses/us-east-1")
    assert (server.where, server.security) == ("127.0.0.1:2465", "implicit")
    assert headers(made, message())["X-SES-CONFIGURATION-SET"] == "main"
    assert "BSecret" not in repr(made) + repr(server) + repr(vars(made))


def test_what_only_ses_knows_travels_in_its_headers() -> None:
    sent = message(
        category="welcome",
        metadata={"order no": "7", "user": "ana@x"},
        ses={
            "configuration_set": "main",
            "contact_list": "news",
            "topic": "weekly",
            "tenant": "acme",
            "source_arn": "arn:aws:ses:eu-west-1:1:identity/a.com",
            "from_arn": "arn:from",
            "feedback_arn": "arn:feedback",
        },
    )

    read = headers(backend(configuration_set="other"), sent)

    assert read["X-SES-CONFIGURATION-SET"] == "main"
    assert read["X-SES-MESSAGE-TAGS"] == (
        f"category=welcome, order_-20no=7, user=ana@x, mailbalance-id={sent.stamp().id}"
    )
    assert read["X-SES-LIST-MANAGEMENT-OPTIONS"] == "news; topic=weekly"
    assert read["X-SES-TENANT"] == "acme"
    assert read["X-SES-SOURCE-ARN"] == "arn:aws:ses:eu-west-1:1:identity/a.com"
    assert read["X-SES-FROM-ARN"] == "arn:from"
    assert read["X-SES-RETURN-PATH-ARN"] == "arn:feedback"


def test_a_plain_message_has_no_control_header_but_our_own_id() -> None:
    sent = message()

    assert backend().control_headers(sent) == [
        ("X-SES-MESSAGE-TAGS", f"mailbalance-id={sent.stamp().id}")
    ]


def test_bounces_go_to_the_feedback_address() -> None:
    sent = message(ses={"feedback_address": "bounce@example.com"})

    mail = backend()._mail(sent, Envelope.of(sent))

    assert mail.sender == "bounce@example.com"
    assert mail.recipients == ("ben@example.net",)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": None, "ses": {"template_name": "t"}}, "template"),
        ({"ses": {"open_tracking": False}}, "tracking"),
        ({"ses": {"click_tracking": True}}, "tracking"),
        ({"ses": {"endpoint_id": "abc.def"}}, "endpoint"),
        ({"to": [f"r{n}@example.net" for n in range(51)]}, "51 recipients"),
        ({"text": "x" * 42_000_000}, "over 41,943,040"),
        ({"metadata": {"k": "ü" * 200}}, "characters for a tag"),
        ({"to": "jürgen@example.net"}, "before the @"),
    ],
)
def test_what_cannot_be_said_over_smtp_is_refused_with_a_reason(
    fields: dict[str, Any], words: str
) -> None:
    assert words in str(refusal(backend(), message(**fields)))


def test_an_ordinary_message_is_not_refused() -> None:
    assert refusal(backend(), message(category="x", metadata={"a": "b"})) is None


def test_the_preview_shows_the_dialogue_and_no_secret() -> None:
    shown = backend().preview(message(category="x"), Envelope.of(message()))

    assert "MAIL FROM:<ana@example.com>" in shown
    assert "RCPT TO:<ben@example.net>" in shown
    assert "X-SES-MESSAGE-TAGS: category=x" in shown
    assert "BPassword" not in shown


def test_the_message_id_is_read_off_the_reply() -> None:
    known = "010001870dbae81e-35118332-f389-474c-8b37-69ce1e1934ae-000000"

    assert backend().ids(f"Ok {known}") == (known,)
    assert backend().ids("2.0.0 what else") == ()


TABLE = """
dot      Throttled           454 Throttling failure: Maximum sending rate exceeded
dot      Unavailable/account 454 Throttling failure: Daily message quota exceeded
auth     Transient           454 Temporary authentication failure
dot      Transient           451 Temporary service failure
greeting Throttled           421 Too many concurrent SMTP connections
mail     Unavailable/backend 530 Authentication required
auth     Unavailable/backend 535 Authentication Credentials Invalid
auth     Unavailable/account 535 Account not subscribed to SES
dot      Rejected            552 Message is too long.
dot      Unavailable/sender  554 Message rejected: Email address is not verified.
dot      Unavailable/backend 554 Access denied: User is not authorized to do that
dot      Unavailable/account 554 Message rejected: Sending suspended for this account.
dot      Unavailable/account 554 Message rejected: Sending paused for this account.
dot      Unavailable/backend 554 Configuration set <x> does not exist.
dot      Unavailable/backend 554 Sending is paused for configuration set <x>
dot      Unsuitable          554 Contact list <x> does not exist.
dot      Unsuitable          554 Tenant <x> not found
dot      Unavailable/sender  554 Access denied: User `u' on `arn:aws:ses:x:1:identity/o.org'
dot      Rejected            554 Transaction failed
mail     Unavailable/sender  501 Invalid MAIL FROM address provided
rcpt     Rejected            553 Invalid email address
"""


@pytest.mark.parametrize(("reply", "phase", "expected"), known_replies(TABLE))
def test_each_known_reply_has_its_meaning(
    reply: str, phase: str, expected: str
) -> None:
    assert meaning(reply, phase, REPLIES) == expected


NOT_VERIFIED = (
    "554 Message rejected: Email address is not verified. The following identities failed "
    "the check in region EU-WEST-1: {}"
)
NOT_ALLOWED = (
    "554 Access denied: User `arn:aws:iam::1:user/u' is not authorized to perform "
    "`ses:SendRawEmail' on resource `arn:aws:ses:eu-west-1:1:identity/{}'"
)
NO_SET = "554 Configuration set <news> does not exist."
PAUSED_SET = "554 Message rejected: Sending is paused for configuration set <news>"

#: The reply to a message from an@example.com to ben@example.net, what the message says of
#: its configuration set, and whose fault it is: the message's alone, the sender's, or the
#: backend's.
WHOSE = [
    (NOT_VERIFIED.format("ben@example.net"), {}, "message"),
    (NOT_VERIFIED.format("Ben <BEN@Example.NET>"), {}, "message"),
    (NOT_VERIFIED.format("ben@example.net, an@example.com"), {}, "sender"),
    (NOT_VERIFIED.format("an@example.com"), {}, "sender"),
    (NOT_VERIFIED.format("example.com"), {}, "sender"),
    ("554 Message rejected: Email address is not verified.", {}, "sender"),
    (NOT_ALLOWED.format("example.com"), {}, "sender"),
    (NOT_ALLOWED.format("other.org"), {}, "sender"),
    (NOT_ALLOWED.format("an@example.com"), {}, "sender"),
    (NOT_ALLOWED.format("ben@example.net"), {}, "message"),
    (NO_SET, {}, "backend"),
    (NO_SET, {"configuration_set": "news"}, "message"),
    (PAUSED_SET, {}, "backend"),
    (PAUSED_SET, {"configuration_set": "news"}, "message"),
]
FAULTS = {
    "message": (UnsuitableError, None),
    "sender": (UnavailableError, "sender"),
    "backend": (UnavailableError, "backend"),
}


@pytest.mark.parametrize("at", ["dot", "RCPT"])
@pytest.mark.parametrize("how", ["sync", "async", "batch"])
@pytest.mark.parametrize(("reply", "ses", "whose"), WHOSE)
def test_a_refusal_has_the_scope_of_whoever_is_at_fault(
    reply: str, ses: dict[str, str], whose: str, how: str, at: str
) -> None:
    sent = message(from_="an@example.com", ses=ses)
    with SmtpPeer(**{at: reply}) as peer:
        made = backend(
            host="127.0.0.1", port=peer.port, tls="off", configuration_set="news"
        )
        error = refused(made, sent, how)

    assert (type(error), getattr(error, "scope", None)) == FAULTS[whose]
    assert (error.backend, error.code) == ("ses-smtp", "554")
    assert error.try_next
    assert not error.refused
    assert reply[4:] in error.detail


def test_a_recipient_whose_name_ends_in_the_senders_is_no_sender() -> None:
    sent = message(from_="n@example.net")
    with SmtpPeer(dot=NOT_VERIFIED.format("ben@other.net, ben@example.net")) as peer:
        made = backend(host="127.0.0.1", port=peer.port, tls="off")

        assert type(refused(made, sent, "sync")) is UnsuitableError


def waited_for(made: SesSmtpBackend) -> Any:
    return lambda *args, **more: asyncio.run(made.asend(*args, **more))


def refused(made: SesSmtpBackend, sent: Message, how: str) -> Any:
    mail = sent, Envelope.of(sent)
    with contextlib.closing(made):
        if how == "batch":
            return made.send_batch([mail, mail], timeout=5)[0]
        send = made.send if how == "sync" else waited_for(made)
        with pytest.raises(DeliveryError) as caught:
            send(*mail, timeout=5)
    return caught.value


def test_messages_that_name_no_stream_go_together() -> None:
    assert backend().lane(message()) is not None
    assert backend().lane(message()) == backend().lane(message())


def test_a_raw_message_is_looked_through_and_ours_is_not() -> None:
    raw = Message.from_mime(
        b"From: a@example.com\nTo: b@example.com\n\ngr\xfc\xdfe\n.\nno end"
    )
    ours = message(text="grüße\n.\nno end")

    theirs, own = (backend()._mail(each, Envelope.of(each)) for each in (raw, ours))

    assert b"".join(theirs.wire).endswith(b"gr\xfc\xdfe\r\n..\r\nno end\r\n")
    assert not theirs.is_ascii
    assert own.is_ascii
    assert own.pieces is own.content
