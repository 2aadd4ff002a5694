"""What a written message looks like."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Address, Attachment, Message

BASE: dict[str, Any] = {"from_": "a@b.c", "to": "d@e.f"}
PDF = Attachment(content=b"%PDF", filename="a.pdf")
LOGO = Attachment(content=b"png", filename="logo.png", inline=True)


def shape(part: Any) -> Any:
    kind = part.get_content_type()
    return [kind, *map(shape, part.iter_parts())] if part.is_multipart() else kind


def read(message: Message) -> Any:
    return message_from_bytes(mime.render(message), policy=policy.default)


RELATED = ["multipart/related", "text/html", "image/png"]
SHAPES: list[tuple[dict[str, Any], Any]] = [
    ({"text": "t"}, "text/plain"),
    ({"html": "h"}, "text/html"),
    ({"text": "", "html": "h"}, "text/html"),
    ({"text": "t", "html": "h"}, ["multipart/alternative", "text/plain", "text/html"]),
    ({"html": "h", "attachments": [LOGO]}, RELATED),
    (
        {"text": "t", "attachments": [LOGO]},
        ["multipart/mixed", "text/plain", "image/png"],
    ),
    (
        {"text": "t", "html": "h", "attachments": [PDF, LOGO]},
        [
            "multipart/mixed",
            ["multipart/alternative", "text/plain", RELATED],
            "application/pdf",
        ],
    ),
]


@pytest.mark.parametrize(("fields", "wanted"), SHAPES)
def test_parts_are_nested_as_mail_readers_expect(
    fields: dict[str, Any], wanted: Any
) -> None:
    assert shape(read(Message(**BASE, **fields))) == wanted


ENCODINGS = [
    ("plain\n", "7bit"),
    ("", "7bit"),
    ("x" * 998, "7bit"),
    ("x" * 999, "quoted-printable"),
    (f"a\n{'x' * 998}\nb\n{'x' * 998}", "7bit"),
    (f"a\n{'x' * 999}\nb", "quoted-printable"),
    ("nothing but a NUL \x00", "quoted-printable"),
    ("mostly ASCII with an é in it", "quoted-printable"),
    ("日本語のメール", "base64"),
    ("é" * 50, "base64"),
]


@pytest.mark.parametrize(("text", "encoding"), ENCODINGS)
def test_the_cheapest_valid_encoding_is_chosen(text: str, encoding: str) -> None:
    part = read(Message(**BASE, html=text or None, text="x" if not text else None))

    assert part["content-transfer-encoding"] == encoding


def test_quoted_printable_lines_are_short_and_keep_trailing_spaces() -> None:
    text = ("é " + "x" * 300 + " \t\n.\n") * 3
    body = mime.render(Message(**BASE, text=text)).partition(b"\r\n\r\n")[2]

    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"[ \t]\r\n", body)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_every_kind_of_line_end_becomes_crlf(end: str) -> None:
    assert mime.render(Message(**BASE, text=f"a{end}b")).endswith(b"\r\n\r\na\r\nb\r\n")


def test_header_fields_stand_in_this_order() -> None:
    message = Message(
        from_="Ana <a@b.c>",
        to=["d@e.f", "G <g@h.i>"],
        cc="c@c.c",
        bcc="hidden@h.h",
        reply_to=["r@r.r", "s@s.s"],
        subject="Hi",
        text="t",
        headers={"X-A": "1"},
        message_id="x@b.c",
        date=datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC),
    )

    assert mime.render(message).decode() == (
        "From: Ana <a@b.c>\r\n"
        "To: d@e.f, G <g@h.i>\r\n"
        "Cc: c@c.c\r\n"
        "Reply-To: r@r.r, s@s.s\r\n"
        "Subject: Hi\r\n"
        "Date: Tue, 03 Nov 2026 04:05:06 +0000\r\n"
        "Message-ID: <x@b.c>\r\n"
        "X-A: 1\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "t\r\n"
    )


NAMES = [
    ("Ana Sofia", "Ana Sofia <a@b.c>"),
    ("Doe, Jane", '"Doe, Jane" <a@b.c>'),
    ('a "b" \\', r'"a \"b\" \\" <a@b.c>'),
    ("Zoë", "=?utf-8?q?Zo=C3=AB?= <a@b.c>"),
    ("日本", "=?utf-8?b?5pel5pys?= <a@b.c>"),
    ("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@b.c>"),
]


@pytest.mark.parametrize(("name", "written"), NAMES)
def test_names_are_quoted_or_encoded(name: str, written: str) -> None:
    assert mime.address_list([Address(email="a@b.c", name=name)]) == written


def test_a_sender_header_is_written_as_an_address() -> None:
    message = Message(**BASE, text="t", headers={"Sender": "Zoë <z@münchen.example>"})

    assert (
        b"Sender: =?utf-8?q?Zo=C3=AB?= <z@xn--mnchen-3ya.example>\r\n"
        in mime.render(message)
    )


@pytest.mark.parametrize(
    ("filename", "written"),
    [
        ("a b.pdf", b'filename="a b.pdf"'),
        ("ä.pdf", b"filename*=utf-8''%C3%A4.pdf"),
        ('a"b.pdf', b"filename*=utf-8''a%22b.pdf"),
    ],
)
def test_file_names_are_written_in_one_way_only(filename: str, written: bytes) -> None:
    file = Attachment(content=b"", filename=filename, content_type="a/b")
    data = mime.render(Message(**BASE, text="t", attachments=[file]))

    assert written in data
    assert data.count(b"name") == 1


def test_an_attached_message_stays_readable() -> None:
    inner = b"Subject: in\n\nhi"
    file = Attachment(content=inner, filename="m.eml", content_type="message/rfc822")
    attached = read(Message(**BASE, text="t", attachments=[file])).get_payload()[1]

    assert attached.get_content_type() == "message/rfc822"
    assert attached.get_payload()[0]["Subject"] == "in"


def test_an_attached_message_that_is_not_ascii_travels_as_bytes() -> None:
    inner = "Subject: ü\n\nhi".encode()
    file = Attachment(content=inner, filename="m.eml", content_type="message/rfc822")
    attached = read(Message(**BASE, text="t", attachments=[file])).get_payload()[1]

    assert attached.get_content_type() == "application/octet-stream"
    assert attached.get_content() == inner


def test_an_address_that_needs_smtputf8_is_refused() -> None:
    with pytest.raises(MessageError, match="non-ASCII characters before its @"):
        mime.render(Message(from_="a@b.c", to="josé@e.f", text="t"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("X A", "1"), ("X-A\r\nB", "1"), ("", "1"), ("X-A", "1\r\nB: 2")],
)
def test_only_fit_headers_are_put_in_front(name: str, value: str) -> None:
    with pytest.raises(MessageError):
        mime.prepend((b"",), [(name, value)])


@pytest.mark.parametrize("letters", [70, 71, 72])
def test_a_header_is_folded_where_its_line_would_pass_78_columns(letters: int) -> None:
    value = f"{'a' * letters} b"

    written = mime.encode_header_value("X-A", value)

    assert written.replace("\r\n", "") == value
    assert ("\r\n" in written) is (len(f"X-A: {value}") > 78)


def test_a_short_address_in_a_header_gets_the_form_of_one() -> None:
    assert (
        mime.encode_header_value("Sender", "Ana B. <ana@example.com>")
        == '"Ana B." <ana@example.com>'
    )


def test_headers_are_put_in_front_folded_and_encoded() -> None:
    tags = ", ".join(f"tag{n}=value{n}" for n in range(12))
    (data,) = mime.prepend(
        (b"X: 1\r\n\r\n",), [("X-SES-MESSAGE-TAGS", tags), ("X-Label", "ä")]
    )

    assert data.replace(b"\r\n ", b" ").startswith(
        f"X-SES-MESSAGE-TAGS: {tags}\r\n".encode()
    )
    assert max(map(len, data.split(b"\r\n"))) <= 78
    assert data.endswith(b"X-Label: =?utf-8?q?=C3=A4?=\r\nX: 1\r\n\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "é" * 20_000},
        {"to": [Address(email="a@x.com", name="é" * 20_000)]},
        {"headers": {"X-A": "é" * 20_000}},
        {"to": [f"{'a' * 60}@{n}.example.com" for n in range(300)]},
        {"text": "é\n" * 20_000},
        {"text": "\x00\r" * 20_000},
        {"attachments": [Attachment(content=b"x" * 99_999, filename="é" * 100)] * 3},
        {"raw": b"A: b\n" + b"\n" * 20_000},
    ],
)
def test_the_estimate_of_the_size_covers_large_fields(fields: dict[str, Any]) -> None:
    message = Message(**{**BASE, "text": "t", **fields})

    assert mime.rough_size(message) >= message.size() >= len(mime.render(message))
