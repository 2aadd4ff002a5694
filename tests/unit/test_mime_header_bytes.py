"""Raw header fields that hold more than ASCII: written in ASCII, or left out."""

import email
from email import policy

import pytest

from mailbalance import mime
from mailbalance.message import Message

START = b"From: a@example.com\r\nTo: b@example.com\r\n"


def raw(field: str, *, charset: str = "utf-8", body: bytes = b"x") -> Message:
    return Message.from_mime(START + field.encode(charset) + b"\r\n\r\n" + body)


def sent(message: Message) -> bytes:
    return mime.render(message)


WRITTEN = [
    ("Subject: Größe", b"Subject: =?utf-8?b?R3LDtsOfZQ==?=\r\n"),
    ("X-A: a\r\n\tü", b"X-A: =?utf-8?q?a_=C3=BC?=\r\n"),
    ("Cc: Jö <c@example.com>", b"Cc: =?utf-8?q?J=C3=B6?= <c@example.com>\r\n"),
    ("Cc: c@ä.example", b"Cc: c@xn--4ca.example\r\n"),
    (
        'Cc: "Jö <x@y.example>," <c@example.com>',
        b"Cc: =?utf-8?b?SsO2IDx4QHkuZXhhbXBsZT4s?= <c@example.com>\r\n",
    ),
    ("Sender: Jö <c@example.com>", b"Sender: =?utf-8?q?J=C3=B6?= <c@example.com>\r\n"),
    ("Reply-To : c@ä.example", b"Reply-To: c@xn--4ca.example\r\n"),
    (
        'Content-Type: text/plain; charset="utf-8"; name="ü.txt"',
        b"Content-Type: text/plain;\r\n charset=\"utf-8\";\r\n name*=utf-8''%C3%BC.txt\r\n",
    ),
]


@pytest.mark.parametrize(("field", "line"), WRITTEN, ids=[f for f, _ in WRITTEN])
def test_a_raw_field_leaves_in_ascii(field: str, line: bytes) -> None:
    message = raw(field)

    assert line in sent(message)
    assert sent(message).isascii()
    assert mime.fault_in_header(message) is None
    assert len(sent(message)) <= message.size()


def test_a_subject_in_another_charset_leaves_in_its_likely_one() -> None:
    message = raw("Subject: Größe", charset="iso-8859-1")

    read = email.message_from_bytes(sent(message), policy=policy.default)

    assert str(read["Subject"]) == "Größe"
    assert message.unrepresented


@pytest.mark.parametrize(
    "field",
    [
        "Message-ID: <ü@example.com>",
        "References: <ü@example.com>",
        "List-Unsubscribe: <https://ü.example>",
        "DKIM-Signature: v=1; b=ü",
        "Date: Früh",
        "Reply-To: Jö: c@example.com;",
        "Content-Type: text/plain; ü=x",
        "Content-Type: multipart/mixed; boundary=ü",
        "Ü: x",
    ],
)
def test_a_raw_field_without_a_form_in_ascii_is_left_out_by_who_would_send_it(
    field: str,
) -> None:
    message = raw(field)

    assert field.encode() in sent(message)
    assert "more than ASCII" in (mime.fault_in_header(message) or "")


def test_an_address_in_an_unknown_charset_is_not_guessed() -> None:
    message = raw("Sender: c@ö.example", charset="iso-8859-1")

    assert mime.fault_in_header(message)


def test_hidden_recipients_are_no_reason_against_a_message() -> None:
    message = raw("Bcc: Jö: c@example.com;")

    assert mime.fault_in_header(message) is None


NAMED = 'Content-Disposition: attachment; filename="ü.pdf"\r\n\r\n\xfc'.encode("latin1")


def mixed(kind: bytes) -> bytes:
    head = START + b"Content-Type: multipart/" + kind + b"; boundary=B\r\n\r\n"
    return head + b"--B\r\n\r\nhi\r\n--B\r\n" + NAMED + b"\r\n--B--\r\n"


def test_a_file_name_of_a_part_leaves_in_ascii_and_the_bodies_as_they_came() -> None:
    source = mixed(b"mixed")

    found = sent(Message.from_mime(source))

    line = b"Content-Disposition: attachment;\r\n filename*=utf-8''%C3%BC.pdf"
    head, _, body = source.partition(b"\r\n\r\n")
    assert found.endswith(body.replace(NAMED, line + b"\r\n\r\n\xfc"))
    assert head in found


@pytest.mark.parametrize("kind", [b"signed", b"encrypted"])
def test_what_is_signed_or_encrypted_leaves_as_it_came(kind: bytes) -> None:
    source = mixed(kind)

    assert sent(Message.from_mime(source)).endswith(source)


def test_a_text_of_eight_bits_leaves_as_it_came() -> None:
    body = "é\r\n".encode() * 20

    assert sent(raw("X-A: b", body=body)).endswith(b"X-A: b\r\n\r\n" + body)
