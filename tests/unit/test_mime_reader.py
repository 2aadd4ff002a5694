"""Finished messages taken apart: what is found, and what is said to be lost."""

import contextlib
import time
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.message import Message as OldMessage
from typing import Any

import pytest

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Address, Message
from mailbalance.mime import address_lists, dates

HEAD = "From: Ana <a@b.c>\nTo: d@e.f\nSubject: S\n"


def take(text: str | bytes, **more: Any) -> Message:
    return Message.from_mime(text, **more)


def multipart(kind: str, *parts: str) -> str:
    body = "".join(f"--q\n{part}\n" for part in parts)
    head = f"{HEAD}Content-Type: multipart/{kind}; boundary=q\n"
    return f"{head}\npreamble\n{body}--q--\nepilogue"


PLAIN, HTML = "Content-Type: text/plain\n\nt", "Content-Type: text/html\n\n<b>h</b>"
BASE64 = "Content-Transfer-Encoding: base64"
PNG = f"Content-Type: image/png\nContent-ID: <i@x>\n{BASE64}\n\ncG5n"


def test_a_plain_message_is_read() -> None:
    message = take(
        f"{HEAD}Cc: c@c.c\nBcc: h@h.h\nReply-To: r@r.r\nX-Foo-BAR: 1\n\nhi\n"
    )

    assert message.from_ == Address(email="a@b.c", name="Ana")
    assert [
        a.email for a in (*message.to, *message.cc, *message.bcc, *message.reply_to)
    ] == [
        "d@e.f",
        "c@c.c",
        "h@h.h",
        "r@r.r",
    ]
    assert (message.subject, message.text, message.headers) == (
        "S",
        "hi\n",
        {"X-Foo-Bar": "1"},
    )
    assert message.unrepresented == ()


def test_nested_parts_inline_images_and_files_are_found() -> None:
    related = (
        f"Content-Type: multipart/related; boundary=r\n\n--r\n{HTML}\n--r\n{PNG}\n--r--"
    )
    both = f"--p\n{PLAIN}\n--p\n{related}\n--p--"
    inner = f"Content-Type: multipart/alternative; boundary=p\n\n{both}"
    mail = "Content-Type: message/rfc822\n\nSubject: in\n\nbody"
    message = take(multipart("mixed", inner, mail))

    assert (message.text, message.html) == ("t", "<b>h</b>")
    image, attached = message.attachments
    assert (image.content, image.inline, image.content_id) == (b"png", True, "i@x")
    assert (attached.content_type, attached.filename) == (
        "message/rfc822",
        "part-2.eml",
    )
    assert attached.content == b"Subject: in\r\n\r\nbody"
    assert message.unrepresented == ()


LOST = [
    (multipart("mixed", PLAIN, PLAIN), "a second text/plain part"),
    (multipart("mixed", PLAIN, HTML), "text and HTML one after the other"),
    (
        multipart("alternative", PLAIN, "Content-Type: text/calendar\n\nx"),
        "text/calendar",
    ),
    (
        multipart("signed", PLAIN, "Content-Type: application/pgp-signature\n\nx"),
        "signed",
    ),
    (multipart("encrypted", PLAIN), "wrapped as multipart/encrypted"),
    (f"{HEAD}Content-Type: multipart/mixed\n\nx", "without its boundaries"),
    (f"{HEAD}Content-Type: rubbish\n\nx", "Content-Type that cannot be read"),
    (f"{HEAD}From: x@y.z\n\nx", "more than one From"),
    ("From: a@b.c, x@y.z\nTo: d@e.f\n\nx", "several addresses in From"),
    ("From: a@b.c\nTo: team: d@e.f;\n\nx", "group of addresses in To"),
    (
        f"{HEAD}Reply-To: d@e.f, nobody\n\nx",
        "1 entries in Reply-To that are no address",
    ),
    ("From: a@b.c\nTo: =?x-no?q?A?= <d@e.f>\n\nx", "name in To that cannot be written"),
    ("From: a@b.c\nTo: =?utf-8?q?=0A?= <d@e.f>\n\nx", "name in To that cannot"),
    (f"{HEAD}X-A: 1\nX-A: 2\n\nx", "only the original carries: X-A"),
    (f"{HEAD}DKIM-Signature: x\nReceived: y\n\nx", "carries: Dkim-Signature, Received"),
    (f"{HEAD}Resent-From: x@y.z\n\nx", "carries: Resent-From"),
    (f"{HEAD}X-SES-New: x\n\nx", "control headers we cannot read: X-Ses-New"),
    (f"{HEAD}X-MT-Custom-Variables: [1]\n\nx", "cannot read: X-Mt-Custom-Variables"),
    (f"{HEAD}Date: yesterday\n\nx", "Date that cannot be read"),
    (f"{HEAD}Message-ID: none\n\nx", "Message-ID that is none"),
    (f"{HEAD}Content-Type: text/plain; charset=x-unknown\n\n\xff", "no text"),
    (
        f"{HEAD}Content-Type: image/png\n{BASE64}\n\nc",
        "encoding is broken",
    ),
    (f"{HEAD}no field here\n\nx", "no header field"),
    (
        "From: a@b.c\nTo: d@e.f\nSubject: =?utf-8?q?a=0Ab?=\n\nx",
        "characters in Subject",
    ),
    (
        multipart("mixed", PLAIN, 'Content-Type: a/b; name="../x"\n\nx'),
        "file name that we cannot",
    ),
]


@pytest.mark.parametrize(("source", "sentence"), LOST, ids=[s for _, s in LOST])
def test_what_the_parts_cannot_say_is_told(source: str, sentence: str) -> None:
    [found] = take(source).unrepresented

    assert sentence in found


def test_bytes_in_a_known_charset_are_read() -> None:
    head = f"{HEAD}Content-Type: text/plain; charset=iso-8859-1\n\n".encode()

    assert take(head + b"gr\xfc\xdfe").text == "grüße"


CHARSETS = [
    ("utf-8", "grüße"),
    ("utf-16", "grüße"),
    ("shift_jis", "日本"),
    ("gb2312", "汉语"),
    ("koi8-r", "привет"),
    ("iso-2022-jp", "日本"),
    ("utf-7", "grüße"),
    ("windows-1252", "€"),
    ("iso-8859-8-i", "שלום"),
    ("big5", "漢語"),
    ("ks_c_5601-1987", "한국"),
]


@pytest.mark.parametrize(("charset", "text"), CHARSETS)
def test_every_common_charset_is_read(charset: str, text: str) -> None:
    from base64 import b64encode

    raw = text.encode("iso-8859-8" if charset.endswith("-i") else charset)
    head = f"Content-Type: text/plain; charset={charset}\n{BASE64}\n"
    message = take(f"{HEAD}{head}\n{b64encode(raw).decode()}")

    assert (message.text, message.unrepresented) == (text, ())


@pytest.mark.parametrize(
    "charset", ["hex", "unicode_escape", "idna", "undefined", "../x", "a\0b"]
)
def test_codecs_that_are_no_charset_are_not_used(charset: str) -> None:
    message = take(f'{HEAD}Content-Type: text/plain; charset="{charset}"\n\n\\x41\\q')

    assert message.text == "\\x41\\q"
    assert "no text" in "".join(message.unrepresented)


ENCODED = [
    ("=?iso-8859-1?q?gr=FC=DFe?=", "grüße"),
    ("=?utf-8?b?w6Q=?= =?utf-8?b?w7Y=?=", "äö"),
    ("=?utf-8?b?w6?= =?utf-8?q?x?=", None),
    ("=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),
    ("a =?utf-8?q?=C3=A4?= b", "a ä b"),
    ("=?utf-8*de?Q?=C3=A4_b?=", "ä b"),
    ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
    ("=?UTF-8?Q?two words?=", "two words"),
]


@pytest.mark.parametrize(("written", "meant"), ENCODED)
def test_encoded_words_of_many_writers_are_read(
    written: str, meant: str | None
) -> None:
    message = take(f"From: a@b.c\nTo: d@e.f\nSubject: {written}\n\nx")

    assert message.subject == meant if meant else message.unrepresented


FILENAMES = [
    ('attachment; filename="a b.txt"', "a b.txt"),
    ("attachment; filename*=utf-8''%C3%A4.txt", "ä.txt"),
    ('attachment; filename*0="a"; filename*1="b.txt"', "ab.txt"),
    (
        "attachment; filename*0*=utf-8''%C3%A4; filename*1*=%20b; filename*2=.txt",
        "ä b.txt",
    ),
    ('attachment; filename="=?utf-8?q?=C3=A4.txt?="', "ä.txt"),
    ("attachment; filename*=iso-8859-1'de'%E4.txt; filename=x", "ä.txt"),
    ("attachment; filename=a.txt; size=3", "a.txt"),
    (r'attachment; filename="a\"b.txt"', 'a"b.txt'),
    (f"attachment; filename*0=b; filename*{'9' * 5000}=.txt", "b"),
    ("attachment", "part-1.png"),
]


FILENAMES += [
    ('attachment; filename="a\r\n\tb.txt"', "a b.txt"),
    (r'attachment; filename="C:\dir\b.txt"', "b.txt"),
    (r'attachment; filename="C:\\dir\\b.txt"', "b.txt"),
]


@pytest.mark.parametrize(("header", "name"), FILENAMES)
def test_file_names_of_many_writers_are_read(header: str, name: str) -> None:
    part = f"Content-Type: image/png\nContent-Disposition: {header}\n\nx"

    [file] = take(multipart("mixed", PLAIN, part)).attachments
    assert file.filename == name


def test_control_headers_are_read_into_options_and_do_not_leave() -> None:
    source = HEAD + (
        "X-SES-CONFIGURATION-SET: set\n"
        "X-SES-MESSAGE-TAGS: a=b, c=d\n"
        "X-SES-SOURCE-ARN: arn:1\nX-SES-FROM-ARN: arn:2\nX-SES-RETURN-PATH-ARN: arn:3\n"
        "X-SES-LIST-MANAGEMENT-OPTIONS: {list}; topic=news\n"
        "X-SES-TENANT: t\n"
        "X-MT-Category: =?utf-8?q?c=C3=A4t?=\n"
        'X-MT-Custom-Variables: {"k": 1, "l": "x"}\n\nx'
    )
    message = take(source)

    assert message.ses.model_dump(exclude_unset=True) == {
        "configuration_set": "set",
        "source_arn": "arn:1",
        "from_arn": "arn:2",
        "return_path_arn": "arn:3",
        "contact_list": "list",
        "topic": "news",
        "tenant": "t",
    }
    assert message.metadata == {"a": "b", "c": "d", "k": "1", "l": "x"}
    assert message.category == "cät"
    assert b"x-" not in mime.render(message).lower()


def test_no_spelling_of_bcc_leaves() -> None:
    hidden = "Bcc: x@y.z\nbCC : x@y.z\nResent-Bcc: x@y.z,\n\tx@y.z\rBcc:x@y.z"
    source = f"To: a@b.c\nResent-Date: today\n{hidden}\n\nBcc: body"
    data = mime.render(take(source))

    head, _, body = data.partition(b"\r\n\r\n")
    assert b"x@y.z" not in head
    assert body == b"Bcc: body"


def test_every_line_end_of_a_raw_message_becomes_crlf() -> None:
    source = (
        b"From: a@b.c\nTo: d@e.f\r\nDate: Mon, 23 Nov 2026 05:00:00 +0000\r"
        b"Message-ID: <a@b>\n\na\rb\nc\r\n.\r\r\n"
    )
    data = mime.render(take(source))

    assert data == (
        b"From: a@b.c\r\nTo: d@e.f\r\nDate: Mon, 23 Nov 2026 05:00:00 +0000\r\n"
        b"Message-ID: <a@b>\r\n\r\na\r\nb\r\nc\r\n.\r\n\r\n"
    )


def test_a_first_line_that_goes_on_with_nothing_is_left_out() -> None:
    sent = mime.render(Message.from_mime(b" hidden: x\nFrom: a@b.c\n\nx"))

    assert b"hidden" not in sent
    assert sent.endswith(b"From: a@b.c\r\n\r\nx")


def test_a_message_that_ends_in_its_header_gets_the_line_that_ends_it() -> None:
    sent = mime.render(Message.from_mime(b"From: a@b.c\nX-A: b"))

    assert sent.endswith(b"X-A: b\r\n\r\n")
    assert mime.render(Message.from_mime(sent)) == sent


def test_a_message_id_and_date_that_are_none_leave_as_they_came() -> None:
    message = take(f"{HEAD}Message-ID: what is this\nDate: today\n\nx")
    data = mime.render(message).decode()

    assert data == "\r\n".join(
        (*HEAD.splitlines(), "Message-ID: what is this", "Date: today", "", "x")
    )
    assert message.stamp().message_id == "what is this"


def test_a_blank_message_id_counts_as_none() -> None:
    message = take(f"{HEAD}Message-ID: \nDate:\n\nx")
    data = mime.render(message).decode()

    assert data.count("Message-ID:") == data.count("Date:") == 1
    assert f"Message-ID: {message.stamp().message_id}\r\n" in data


def test_the_line_of_mbox_files_is_dropped() -> None:
    message = take(f"From ana@example.com Mon Nov 23 05:00:00 2026\n{HEAD}\nx")

    assert message.from_ == Address(email="a@b.c", name="Ana")
    assert b"From ana" not in mime.render(message)


@pytest.mark.parametrize("source", [b"", "\n\n", "hello", b"\r\nFrom: a@b.c\r\n\r\nx"])
def test_what_is_no_message_is_refused(source: str | bytes) -> None:
    with pytest.raises(MessageError, match="does not begin with header fields"):
        take(source)


@pytest.mark.parametrize("source", [None, 5, {"to": "x"}])
def test_other_objects_are_refused_by_their_type(source: Any) -> None:
    with pytest.raises(MessageError, match="is no message"):
        take(source)


def test_too_deep_nesting_is_refused_at_once() -> None:
    source = "\n".join(
        f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}" for n in range(60)
    )

    with pytest.raises(MessageError, match="nests more than 50"):
        take(source)


SLOW = [
    "Content-Type: a/b;" + ';a="' * 20_000 + "\n\nx",
    "To: " + '"' * 60_000 + "\n\nx",
    "To: " + "(" * 60_000 + "\n\nx",
    "To: " + "a@b.c," * 10_000 + "\n\nx",
    "Subject: " + "=?utf-8?q?" * 30_000 + "\n\nx",
    "Subject: " + "=?a?b?c" * 30_000 + "\n\nx",
    "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n" * 20_000,
    "Content-Type: multipart/mixed; boundary=b\n\n--b" + " " * 200_000,
    "Content-Transfer-Encoding: quoted-printable\n\n" + " " * 300_000 + "x",
    "Subject:" + "\n " * 100_000 + "\n\nx",
    "Date: " + " " * 100_000 + "\n\nx",
    "Content-Type: multipart/mixed; boundary=b\n\n"
    + "".join(f"--b\nContent-Type: a/b\nContent-ID: <{n}>\n\n" for n in range(20_000)),
    "Content-Type: multipart/mixed; boundary=b\n\n"
    + f'--b\nContent-Type: a/b; name="{"é" * 60_000}"\n\nx\n' * 5,
    "Content-Disposition: attachment"
    + "".join(f"; f*{n}*=" for n in range(7000))
    + "\n\nx",
]


@pytest.mark.parametrize("source", SLOW, ids=range(len(SLOW)))
def test_no_input_takes_long(source: str) -> None:
    """Bounded by a hundred times of what it takes; a quadratic reader takes minutes."""
    started = time.process_time()

    with contextlib.suppress(MessageError):
        take(source)

    assert time.process_time() - started < 5


DATES = [
    (
        "Mon, 23 Nov 2026 05:06:07 +0100",
        datetime(2026, 11, 23, 5, 6, 7, tzinfo=timezone(timedelta(hours=1))),
    ),
    ("23 Nov 26 05:06 GMT", datetime(2026, 11, 23, 5, 6, tzinfo=UTC)),
    (
        "Mon, 3 nov 2026 05:06:60 EST (comment)",
        datetime(2026, 11, 3, 10, 6, 59, tzinfo=UTC),
    ),
    ("3 Nov 2026 5:06:07 +0000", datetime(2026, 11, 3, 5, 6, 7, tzinfo=UTC)),
    ("3 Nov 97 05:06:07 -0000", datetime(1997, 11, 3, 5, 6, 7, tzinfo=UTC)),
    ("31 Feb 2026 05:06:07 +0000", None),
    ("3 Foo 2026 05:06:07 +0000", None),
    ("3 Nov 2026 05:06:07 +9999", None),
    ("3 Nov 2026", None),
]


@pytest.mark.parametrize(("written", "meant"), DATES)
def test_dates_are_read(written: str, meant: datetime | None) -> None:
    assert dates.read_date(written) == meant


def test_dates_with_odd_offsets_are_written_in_utc() -> None:
    odd = timezone(timedelta(hours=1, seconds=30))

    assert mime.date_value(datetime(2026, 1, 1, 1, 0, 30, tzinfo=odd)) == (
        "Thu, 01 Jan 2026 00:00:00 +0000"
    )


def made(kind: type[OldMessage]) -> Any:
    mail = kind()
    mail["From"] = "Jörg <joerg@münchen.example>" if kind is EmailMessage else "a@b.c"
    mail["To"] = "a@x.com"
    mail["List-Unsubscribe"] = f"<https://example.com/{'u' * 200}>"
    return mail


def test_a_stdlib_message_is_written_anew_and_so_correctly() -> None:
    mail = made(EmailMessage)
    mail.set_content("textä")
    mail.add_attachment(b"x", maintype="image", subtype="png", filename="ä.png")
    message = Message.from_mime(mail)
    data = mime.render(message)

    assert message.raw is None
    assert message.from_ == Address(email="joerg@xn--mnchen-3ya.example", name="Jörg")
    assert f"<https://example.com/{'u' * 200}>".encode() in data
    assert b"joerg@xn--mnchen-3ya.example" in data


def test_a_stdlib_message_the_parts_cannot_say_keeps_its_bytes() -> None:
    mail = made(EmailMessage)
    mail.set_content("text")
    mail["Resent-From"] = "x@y.z"

    assert Message.from_mime(mail).raw


def test_a_message_of_the_old_kind_is_taken_too() -> None:
    mail = made(OldMessage)
    mail.set_payload("hi")

    assert Message.from_mime(mail).text == "hi"


def test_bytearrays_and_views_are_taken() -> None:
    for source in (
        bytearray(HEAD.encode() + b"\nx"),
        memoryview(HEAD.encode() + b"\nx"),
    ):
        assert Message.from_mime(source).text == "x"


def test_an_address_hidden_in_an_encoded_word_is_not_read() -> None:
    people = "<a@=?utf-8?q?=C3=BC=2Ede?=>, =?utf-8?q?evil=40x.com=3E?=@y.z"

    with pytest.raises(MessageError, match=r"To: entry 2 has =\? before its @"):
        take(f"From: a@b.c\nTo: {people}\n\nx")


def test_a_domain_in_an_encoded_word_is_read() -> None:
    message = take("From: a@b.c\nTo: <a@=?utf-8?q?=C3=BC=2Ede?=>\n\nx")

    assert [a.email for a in message.to] == ["a@xn--tda.de"]


def test_recipients_hidden_in_a_group_without_members_are_nobody() -> None:
    assert take("From: a@b.c\nTo: undisclosed-recipients:;\n\nx").unrepresented == ()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("ana@x.com (Ana)", [("Ana", "ana@x.com")]),
        (
            '"Doe, J" <j@x.com>, =?utf-8?q?Zo=C3=AB?= <z@x.com>',
            [("Doe, J", "j@x.com"), ("Zoë", "z@x.com")],
        ),
        ("A (x \\) (y)) B <a@x.com>", [("A B", "a@x.com")]),
        ('"a b"@x.com', [("", '"a b"@x.com')]),
        ("=?utf-8?q?a=2C_b?= <a@x.com>,,", [("a, b", "a@x.com")]),
        ('"Q" R <a@x.com>', [("Q R", "a@x.com")]),
    ],
)
def test_addresses_of_many_writers_are_read(
    written: str, found: list[tuple[str, str]]
) -> None:
    message = take(f"From: a@b.c\nTo: {written}\n\nx")

    assert [(a.name, a.email) for a in message.to] == found


@pytest.mark.parametrize(
    "email", ['"a>b"@example.com', '"@o>"@o.example', '"<"@x.example']
)
def test_a_quoted_part_may_hold_what_ends_an_angle(email: str) -> None:
    found = address_lists.read(f"Ana <{email}>")

    assert found.addresses == [Address(email=email, name="Ana")]
