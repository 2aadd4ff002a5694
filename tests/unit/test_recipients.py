"""Who a finished message goes to and comes from: read in full, or refused by name."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import Header
from email.message import EmailMessage
from email.message import Message as OldMessage
from email.mime.text import MIMEText
from email.policy import Policy
from email.utils import formataddr

import pytest

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Address, Envelope, Message

HEAD = b"From: a@example.com\r\nSubject: s\r\n"


def sent_to(header: str | bytes) -> Message:
    line = header if isinstance(header, bytes) else header.encode()
    return Message.from_mime(HEAD + line + b"\r\n\r\nx")


def current(to: str, author: str = "a@example.com") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = author, to, "s"
    mail.set_content("x")
    return mail


def old(name: str, value: str | Header) -> OldMessage:
    mail = MIMEText("x")
    mail["From"] = "a@example.com"
    mail[name] = value  # type: ignore[assignment]
    return mail


def shown(addresses: tuple[Address, ...]) -> list[tuple[str, str]]:
    return [(each.name, each.email) for each in addresses]


READABLE = [
    ('"Brown,\r\n\tPat" <p@x.example>', [("Brown, Pat", "p@x.example")]),
    ("Pat\r\n\tBrown <p@x.example>", [("Pat Brown", "p@x.example")]),
    ("=?iso-8859-1?Q?O=92Neil?= <p@x.example>", [("O\u2019Neil", "p@x.example")]),
    ("=?latin1?Q?=8010?= <p@x.example>", [("€10", "p@x.example")]),
    ("=?utf-8?Q?Doe, Jane?= <p@x.example>", [("Doe, Jane", "p@x.example")]),
    ("J. Q. Doe <p@x.example>", [("J. Q. Doe", "p@x.example")]),
    ("[List] Pat <p@x.example>", [("[List] Pat", "p@x.example")]),
    ("p . b @ x . example", [("", "p.b@x.example")]),
    ("p (his) . b@ (our) x.example", [("our", "p.b@x.example")]),
    ('"p q".r@x.example', [("", '"p q.r"@x.example')]),
    ("<@relay.example,@y.example:p@x.example>", [("", "p@x.example")]),
    (
        ",, p@x.example,(nobody),q@x.example,",
        [("", "p@x.example"), ("", "q@x.example")],
    ),
    ("p@x.example; q@x.example;", [("", "p@x.example"), ("", "q@x.example")]),
    ("bob(the man)@x.example (Bob)", None),
    ("<p@x.example> (Pat)", [("Pat", "p@x.example")]),
    ('"A" "B" <p@x.example>', [("A B", "p@x.example")]),
    ("P@x.example <p@x.example>", [("P@x.example", "p@x.example")]),
    ('"q@y.example" <p@x.example>', [("q@y.example", "p@x.example")]),
    ("(it's \"quoted) p@x.example, q@x.example", None),
]


@pytest.mark.parametrize(("written", "meant"), READABLE)
def test_forms_of_many_writers_and_of_old_standards_are_read(
    written: str, meant: list[tuple[str, str]] | None
) -> None:
    message = sent_to(f"To: {written}")

    if meant is None:
        assert len(message.to) == written.count("@")
    else:
        assert shown(message.to) == meant
    assert message.unrepresented == ()


@pytest.mark.parametrize(
    "name", ["=?x-unknown?q?Pat?=", "=?utf-8?q?=C3?=", "=?utf-8?q?a=0D=0AX:?="]
)
def test_a_name_that_no_header_may_hold_loses_no_address(name: str) -> None:
    message = sent_to(f"To: good@x.example, {name} <p@x.example>")

    assert [each.email for each in message.to] == ["good@x.example", "p@x.example"]
    assert message.unrepresented == ("It has a name in To that cannot be written.",)


UNREADABLE = [
    "p..b@x.example",
    "p.@x.example",
    "p@under_score.example",
    "p@[192.0.2.1]",
    "p@x.example.",
    f"{'p' * 65}@x.example",
    "p@-x.example",
    "somebody",
    "<>",
    "Pat <>",
    "Pat <p@x.example> Kim <kim@x.example>",
    "<p@x.example> Kim",
    "p@x.example kim@x.example",
    "<p@x.example><kim@x.example>",
    "p@x.example <kim@x.example>",
    "p@x.example (Pat) kim@x.example",
    "Pat p@x.example",
    "Z <<p@x.example>>",
    "Pat <p@x.example",
    '"Pat <p@x.example>',
    "Pat (his <p@x.example>",
    "a: b: p@x.example;;",
    "p@x.example: kim@x.example;",
    "=?utf-8?q?p=40x.example?=",
    "=?utf-8?q?p=40x.example=3E?=@y.example",
    ", ".join(f"p{n}@x.example" for n in range(5000)),
]


@pytest.mark.parametrize("field", ["To", "Cc", "Bcc", "From"])
@pytest.mark.parametrize("entry", UNREADABLE, ids=lambda entry: entry[:40])
def test_a_message_with_an_unreadable_entry_is_refused_by_the_header(
    field: str, entry: str
) -> None:
    good = "" if field == "From" else "To: good@x.example\r\n"
    author = "" if field == "From" else "From: a@example.com\r\n"
    source = f"{author}{good}{field}: {entry}\r\n\r\nx".encode()

    with pytest.raises(MessageError) as refused:
        Message.from_mime(source)
    assert str(refused.value).lstrip("- ").startswith(f"{field}: entry ")
    assert "x.example" not in str(refused.value)


def test_an_unreadable_reply_address_is_reported() -> None:
    message = sent_to("To: b@x.example\r\nReply-To: p..b@x.example, c@x.example")

    assert shown(message.reply_to) == [("", "c@x.example")]
    assert "Reply-To" in message.unrepresented[0]


def test_an_author_without_an_address_is_no_reason_to_take_the_default() -> None:
    with pytest.raises(MessageError, match="From: holds no address"):
        Message.from_mime(b"From: nobody:;\r\nTo: b@example.com\r\n\r\nx")


def test_a_blank_author_is_none_and_leaves_room_for_another() -> None:
    message = Message.from_mime(b"From: \r\nTo: b@example.com\r\n\r\nx", from_="a@b.c")

    assert b"From: a@b.c\r\n" in mime.render(message)
    assert mime.render(message).count(b"From:") == 1


NAMES = [
    "Größe <evil@evil.example>, ü",
    "Büro <evil@evil.example>",
    "Doe, Jané",
    'Jörg "J" <',
    "evil@evil.example, é",
    "(é) ;:",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_an_object_is_neither_recipient_nor_author(name: str) -> None:
    made = formataddr((name, "ana@example.com"))
    message = Message.from_mime(current(made, made))

    assert message.from_ is not None
    assert shown((message.from_, *message.to)) == [(name, "ana@example.com")] * 2
    assert message.unrepresented == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_an_object_kept_raw_is_a_name_for_every_reader(name: str) -> None:
    made = formataddr((name, "ana@example.com"))
    mail = current(made, made)
    mail["X-A"], mail["X-A"] = "1", "2"
    again = Message.from_mime(mime.render(Message.from_mime(mail)))

    assert again.from_ is not None
    assert shown((again.from_, *again.to)) == [(name, "ana@example.com")] * 2


def test_the_value_of_an_old_header_is_read_and_not_its_encoded_form() -> None:
    message = Message.from_mime(old("To", "Jörg <pat@example.com>, kim@example.com"))

    assert shown(message.to) == [("Jörg", "pat@example.com"), ("", "kim@example.com")]


def test_a_header_in_pieces_is_read_by_its_pieces() -> None:
    value = Header("Größe, <evil@evil.example>", "iso-8859-1")
    value.append("<ana@example.com>", "us-ascii")

    assert shown(Message.from_mime(old("To", value)).to) == [
        ("Größe, <evil@evil.example>", "ana@example.com")
    ]


def test_a_header_of_one_piece_is_read_by_its_text() -> None:
    value = Header("Größe <ana@example.com>, b@example.com", "utf-8")

    assert shown(Message.from_mime(old("To", value)).to) == [
        ("Größe", "ana@example.com"),
        ("", "b@example.com"),
    ]


def test_a_header_that_reads_in_two_ways_is_refused() -> None:
    value = Header("<evil@evil.example>, é", "iso-8859-1")
    value.append("<ana@example.com>", "us-ascii")

    with pytest.raises(MessageError, match="can be read in two ways"):
        Message.from_mime(old("To", value))


@pytest.mark.parametrize(
    "to",
    [
        "Pat <p@x.example> Kim <kim@x.example>",
        "good@x.example, p..b@x.example",
        "good@x.example, p@[192.0.2.1]",
        "good@x.example, nobody",
        '"Pat <p@x.example>',
        "<ana@x.example <ben@y.example>",
        "ben <c@y.example",
        "c@y.example>",
    ],
)
def test_an_object_with_an_unreadable_entry_is_refused_by_the_header(to: str) -> None:
    for mail in (current(to), old("To", to)):
        with pytest.raises(MessageError, match="To: "):
            Message.from_mime(mail)


@pytest.mark.parametrize("made", [policy.default, policy.SMTP, policy.compat32])
@pytest.mark.parametrize(
    "to", [b"p@x.example\xff", b"p\xff@x.example", b"P <p@\xf6.example>, q@x.example"]
)
def test_no_address_is_guessed_from_bytes_in_an_object(
    made: Policy[OldMessage], to: bytes
) -> None:
    mail = message_from_bytes(HEAD + b"To: " + to + b"\r\n\r\nx", policy=made)

    with pytest.raises(MessageError, match="To: entry 1 has bytes that are no text"):
        Message.from_mime(mail)


@pytest.mark.parametrize("made", [policy.default, policy.SMTP, policy.compat32])
@pytest.mark.parametrize("domain", ["x.example", "\xe4.example"])
def test_a_name_in_an_unknown_charset_takes_no_address_along(
    made: Policy[OldMessage], domain: str
) -> None:
    source = HEAD + b"To: Pat\xfc <p@" + domain.encode() + b">\r\n\r\nx"

    (found,) = Message.from_mime(message_from_bytes(source, policy=made)).to

    assert found.email == Address.parse(f"p@{domain}").email


@pytest.mark.parametrize(
    "line",
    [
        b"To\xa0: p@x.example",
        b"\xc2\xa0To: p@x.example",
        b"To\r\n p@x.example",
        b"BCC\x00: p@x.example",
        b"\xef\xbb\xbfCc: p@x.example",
        b"From\xa0: p@x.example",
    ],
)
def test_a_line_that_names_people_and_is_no_field_is_refused(line: bytes) -> None:
    source = HEAD + b"Cc: b@example.com\r\n" + line + b"\r\n\r\nx"

    with pytest.raises(MessageError, match="stands in a line that is no header field"):
        Message.from_mime(source)


@pytest.mark.parametrize("name", [b"From", b"To", b"Cc", b"Bcc"])
@pytest.mark.parametrize("before", [b" ", b"\t", b"\xef\xbb\xbf\xef\xbb\xbf"])
def test_a_first_line_that_names_people_and_is_no_field_is_refused(
    name: bytes, before: bytes
) -> None:
    source = before + name + b": p@x.example\r\n" + HEAD + b"To: b@example.com\r\n\r\n"

    with pytest.raises(MessageError, match="stands in a line that is no header field"):
        Message.from_mime(source)


def test_other_lines_that_are_no_field_are_told() -> None:
    source = HEAD + b"To: b@example.com\r\nFrom p@x.example Mon 10:00\r\njunk\r\n\r\nx"

    assert Message.from_mime(source).unrepresented == (
        "It has a line in its header that is no header field.",
    )


def test_an_author_before_a_space_and_a_colon_is_no_line_of_an_mbox() -> None:
    source = b"From : Pat <p@x.example>\r\nTo: b@example.com\r\n\r\nx"

    message = Message.from_mime(source)

    assert message.from_ == Address.parse("Pat <p@x.example>")
    assert b"From : Pat <p@x.example>\r\n" in mime.render(message)


@pytest.mark.parametrize(
    "name",
    [
        "To ",
        "\tTo",
        "X\r\nBcc: q@y.example\r\nY",
        "X\nTo: q@y.example\nY",
        "X\r\n\r\nx",
        "To:q@y.example, x",
        "Bcc:q@y.example, x",
        "X A",
        "X\x00",
        "",
        "Ü",
    ],
)
@pytest.mark.parametrize("kind", [OldMessage, EmailMessage])
@pytest.mark.parametrize("in_part", [False, True])
def test_a_name_of_a_header_in_an_object_makes_no_other_header(
    name: str, kind: type[OldMessage], in_part: bool
) -> None:
    mail = kind()
    mail["From"], mail["To"] = "a@example.com", "b@example.com"
    mail["Content-Type"] = "multipart/mixed"
    part = MIMEText("x")
    mail.attach(part)
    (part if in_part else mail)[name] = "p@x.example"

    with pytest.raises(MessageError, match="a header's name is none"):
        Message.from_mime(mail)


RESENT = (
    "Resent-Date: Fri, 23 Aug 2002 02:32:53 -0400\r\nResent-From: r@example.com\r\n"
)


def test_a_resent_message_goes_to_those_it_is_resent_to() -> None:
    mail = current("old@example.com")
    mail["Resent-Date"] = "Fri, 23 Aug 2002 02:32:53 -0400"
    mail["Resent-From"], mail["Resent-To"] = "r@example.com", "new@example.com"
    mail["Resent-Bcc"] = "hidden@example.com"

    source = f"{RESENT}Resent-To: new@example.com\r\nResent-Bcc: hidden@example.com\r\n"
    raw = Message.from_mime(source.encode() + HEAD + b"To: old@example.com\r\n\r\nx")

    for message in (Message.from_mime(mail), raw):
        assert message.envelope() == Envelope(
            "r@example.com", ("new@example.com", "hidden@example.com")
        )
        assert b"\r\nTo: old@example.com" in mime.render(message)
        assert b"hidden@" not in mime.render(message)


def test_a_message_resent_twice_or_without_a_date_is_refused() -> None:
    rest = "From: a@example.com\r\nTo: b@example.com\r\n\r\nx"

    with pytest.raises(MessageError, match="Resent-Date: is there twice"):
        Message.from_mime(RESENT + RESENT + "Resent-To: c@example.com\r\n" + rest)
    with pytest.raises(MessageError, match="Resent-Date: is missing"):
        Message.from_mime("Resent-To: c@example.com\r\n" + rest)
