"""Who a finished message goes to: whom its own header names, or nobody at all."""

import email
from collections.abc import Callable
from email import policy
from email.header import Header
from email.headerregistry import Address as StdlibAddress
from email.message import EmailMessage
from email.message import Message as OldMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import EmailMessage as DjangoMessage
from hypothesis import assume, given
from hypothesis import strategies as st

from mailbalance import Address, MessageError, mime
from mailbalance.message import Message
from tests.properties.mails import fewer

People = list[tuple[str, str]]

#: Bits that make one address look like two, or a name like an address.
_BITS = [
    *'<>",;:@()\\[].=',
    "<evil@evil.example>",
    "evil@evil.example",
    "Größe",
    "Pat",
    "=?utf-8?q?=3Cevil=40evil.example=3E?=",
    "日本語" * 12,
    " ",
    "  ",
]
_names = st.lists(st.sampled_from(_BITS) | st.text("aé ,", max_size=3), max_size=6).map(
    lambda bits: "".join(bits).strip()
)
_emails = st.sampled_from(
    ["ana@example.com", "b.o+x@mail.example.org", "c@münchen.example", "d_e@f.example"]
)
_people = st.lists(
    st.tuples(_names, _emails), min_size=1, max_size=4, unique_by=lambda pair: pair[1]
)


def wire(domain: str) -> str:
    """Give an addr-spec as it goes over the wire."""
    return Address(email=domain).email


def as_text(people: People) -> str:
    """Give a list as ``formataddr`` writes it, each name encoded where it must be."""
    return ", ".join(formataddr((name, wire(address))) for name, address in people)


def current(people: People) -> EmailMessage:
    mail = EmailMessage()
    mail["To"] = [
        StdlibAddress(display_name=name, addr_spec=address) for name, address in people
    ]
    return mail


def current_from_text(people: People) -> EmailMessage:
    mail = EmailMessage()
    mail["To"] = as_text(people)
    return mail


def current_from_bytes(people: People) -> EmailMessage:
    # by the default policy, the factory makes this class
    source = f"To: {folded(as_text(people))}\r\n\r\n".encode()
    mail = email.message_from_bytes(source, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def old(people: People) -> OldMessage:
    mail = MIMEText("x")
    mail["To"] = as_text(people)
    return mail


def old_from_bytes(people: People) -> OldMessage:
    return email.message_from_bytes(f"To: {folded(as_text(people))}\r\n\r\n".encode())


def old_in_pieces(people: People) -> OldMessage:
    """Build as programs do that encode the name alone."""
    mail = MIMEText("x")
    value = Header()
    for at, (name, address) in enumerate(people):
        if at:
            value.append(",", "us-ascii")
        if name:
            value.append(name, "iso-8859-1" if name.isascii() else "utf-8")
        value.append(f"<{wire(address)}>", "us-ascii")
    mail["To"] = value
    return mail


def of_flask_mail(people: People) -> OldMessage:
    """Build as Flask-Mail does: the old classes, with the new policy at the end."""
    mail = MIMEMultipart()
    mail.attach(MIMEText("x", "plain", "utf-8"))
    mail["To"] = ", ".join(
        formataddr((Header(name, "utf-8").encode(), wire(address)))
        for name, address in people
    )
    mail.policy = policy.SMTP  # type: ignore[assignment]
    return mail


def of_django(people: People) -> OldMessage:
    if not settings.configured:
        settings.configure()
    to = [formataddr((name, address), "utf-8") for name, address in people]
    made: Any = DjangoMessage("s", "x", "a@example.com", to).message()
    assert isinstance(made, OldMessage)
    return made


def folded(text: str) -> str:
    """Fold a header at every space outside quotes, as servers may."""
    pieces = text.split('"')
    pieces[::2] = [piece.replace(" ", "\r\n\t") for piece in pieces[::2]]
    return '"'.join(pieces)


def by_its_own_header(mail: OldMessage) -> set[str]:
    """Give the addresses as the standard library's header objects tell them."""
    found: set[str] = set()
    for value in mail.get_all("To", []):
        header = value
        if not hasattr(value, "addresses"):
            header = policy.default.header_factory(
                "To", "".join(str(value).splitlines())
            )
        found |= {wire(each.addr_spec) for each in header.addresses}
    return found


KINDS: list[Callable[[People], OldMessage]] = [
    current,
    current_from_text,
    current_from_bytes,
    old,
    old_from_bytes,
    of_flask_mail,
    of_django,
]


def taken(mail: Any) -> Message | None:
    try:
        return Message.from_mime(mail)
    except MessageError:
        return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@fewer
@given(people=_people)
def test_an_object_goes_to_those_whom_its_own_header_names(
    kind: Callable[[People], OldMessage], people: People
) -> None:
    try:
        mail = kind(people)
        named = by_its_own_header(mail)
    except (ValueError, IndexError, AttributeError, TypeError, MessageError):
        assume(False)  # the standard library or framework refuses it, or breaks
    if "From" not in mail:
        mail["From"] = "a@example.com"

    message = taken(mail)

    assert message is None or {each.email for each in message.to} == named


@pytest.mark.parametrize(
    "kind", [*KINDS, old_in_pieces], ids=lambda kind: kind.__name__
)
@fewer
@given(people=_people)
def test_no_name_is_ever_a_recipient(
    kind: Callable[[People], OldMessage], people: People
) -> None:
    try:
        mail = kind(people)
    except (ValueError, IndexError, AttributeError, TypeError):
        assume(False)
    message = taken(mail)

    meant = {wire(address) for _, address in people}
    assert message is None or {each.email for each in message.to} == meant
    if message is not None:
        anew = Message.from_mime(mime.render(message))
        assert {each.email for each in anew.to} == meant


@pytest.mark.parametrize("kind", [current, current_from_text, old, of_flask_mail])
@given(email=_emails, name=st.text("aé<>@., ", max_size=12))
def test_an_author_is_never_a_name(
    kind: Callable[[People], OldMessage], email: str, name: str
) -> None:
    mail = kind([("", "b@example.com")])
    mail["From"] = formataddr((name, wire(email)))

    message = taken(mail)

    assert message is None or message.from_ is not None
    assert message is None or message.from_.email == wire(email)


@given(
    people=_people, seams=st.lists(st.sampled_from(["\r\n ", "\r\n\t", "\t", " \t "]))
)
def test_no_folding_of_a_header_changes_who_is_in_it(
    people: People, seams: list[str]
) -> None:
    meant = [Address(email=address, name=name) for name, address in people]
    text = mime.address_list(meant)
    pieces = text.split(" ")
    seams = [*seams, *[" "] * len(pieces)]
    text = "".join(f"{s}{piece}" for s, piece in zip(seams, pieces, strict=False))
    source = f"From: a@example.com\r\nTo: {text}\r\n\r\nx".encode()

    assert [each.email for each in Message.from_mime(source).to] == [
        each.email for each in meant
    ]


_LOOSE = [
    *'<>",;:@()[]\\=. \t',
    " a@b.example ",
    "<c@d.example>",
    '"q, <h@i.example>"',
    "=?utf-8?q?x=2C_=3Cevil=40evil.example=3E?=",
    "=?x-no?q?a?=",
    "Pat",
    "é",
    "\r\n ",
    "g: e@f.example;",
]
_PLAIN = ("a@b.example", "c@d.example", "e@f.example")


@given(st.lists(st.sampled_from(_LOOSE), max_size=8).map("".join))
def test_any_header_at_all_loses_no_address_that_stands_outside_quotes_and_comments(
    text: str,
) -> None:
    message = taken(f"From: x@y.example\r\nTo: {text}\r\n\r\nx".encode())

    if message is not None:
        bare = text if not set('"()\\') & set(text) else ""
        there = {each for each in _PLAIN if each in bare}
        assert there <= {each.email for each in message.to}
        assert "evil@evil.example" not in {each.email for each in message.to}


@given(st.lists(st.sampled_from(_LOOSE), max_size=6).map("".join))
def test_any_header_of_an_object_is_its_own_or_refused(text: str) -> None:
    source = f"From: x@y.example\r\nTo: {text}\r\n\r\nx".encode()
    mail = email.message_from_bytes(source, policy=policy.default)
    message = taken(mail)

    if message is not None:
        named = {
            each.addr_spec for value in mail.get_all("To") for each in value.addresses
        }
        assert {each.email for each in message.to} == {wire(each) for each in named}
