"""Message objects of the standard library and of frameworks: what leaves of them."""

import email
from email import policy
from email.message import EmailMessage
from email.message import Message as OldMessage
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Message

if not settings.configured:
    settings.configure()


def framed(mail: Any) -> Any:
    """Give it a header, one of which keeps it raw."""
    mail["From"] = "Jörg <a@münchen.example>"
    mail["To"] = "b@example.com"
    mail["Subject"] = "Größe"
    mail["X-A"], mail["X-A"] = "é" * 60, "2"
    return mail


def current() -> EmailMessage:
    mail = framed(EmailMessage())
    mail.set_content("grüße\n" * 3, cte="8bit")
    mail.add_attachment(b"x", maintype="application", subtype="pdf", filename="é.pdf")
    return mail


def with_calendar() -> EmailMessage:
    mail = framed(EmailMessage())
    mail.set_content("grüße")
    mail.add_alternative(
        "BEGIN:VCALENDAR\nSUMMARY:Größe", subtype="calendar", cte="8bit"
    )
    return mail


def with_message() -> EmailMessage:
    inner = framed(EmailMessage())
    inner.set_content("héllo", cte="8bit")
    mail = framed(EmailMessage())
    mail.set_content("x")
    mail.add_attachment(inner)
    return mail


def of_django() -> OldMessage:
    made = EmailMultiAlternatives(
        "Größe",
        "grüße " * 30,
        "Jörg <a@münchen.example>",
        ["b@example.com"],
        headers={"Resent-From": "Jörg <c@example.com>"},
    )
    made.attach_alternative("<p>grüße</p>", "text/html")
    made.attach("é.txt", "grüße", "text/plain")
    mail: Any = made.message()
    assert isinstance(mail, OldMessage)
    return mail


def of_old_parts() -> OldMessage:
    mail = framed(MIMEMultipart())
    mail.attach(MIMEText("grüße", "plain", "utf-8"))
    mail.attach(MIMEText("x" * 5000, "html"))
    file = MIMEApplication(b"\xff", "pdf")
    file.add_header("Content-Disposition", "attachment", filename="é.pdf")
    mail.attach(file)
    plain = MIMEBase("text", "plain", charset="utf-8")
    plain.set_payload("grüße".encode().decode("ascii", "surrogateescape"))
    mail.attach(plain)
    return mail


def of_bytes(rules: Any) -> OldMessage:
    source = (
        "From: Jörg <a@münchen.example>\r\nTo: b@example.com\r\nSubject: Größe\r\n"
        "X-A: é\r\nX-A: 2\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\ngrüße"
    )
    return email.message_from_bytes(source.encode(), policy=rules)


OBJECTS = [
    current(),
    with_calendar(),
    with_message(),
    of_django(),
    of_old_parts(),
    of_bytes(policy.default),
    of_bytes(policy.compat32),
]


@pytest.mark.parametrize("mail", OBJECTS)
def test_an_object_kept_raw_leaves_in_seven_bits_and_means_the_same(mail: Any) -> None:
    message = Message.from_mime(mail)
    data = mime.render(message)

    assert message.raw is not None
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"a@xn--mnchen-3ya.example" in data
    seen = email.message_from_bytes(data, policy=policy.default)
    assert isinstance(seen, EmailMessage)
    assert seen["Subject"] == "Größe"
    assert [each.addr_spec for each in seen["To"].addresses] == ["b@example.com"]
    body = seen.get_body(("plain",))
    assert body is not None
    assert body.get_content().split()[0] in ("grüße", "x")
    again = Message.from_mime(data)
    assert [file.filename for file in again.attachments] == [
        file.filename for file in message.attachments
    ]
    assert (again.text, again.html) == (message.text, message.html)


def test_what_is_signed_keeps_every_octet() -> None:
    signed = "Content-Type: text/plain; charset=utf-8\nX-Odd: é\n\ngrüße"
    source = (
        "From: a@example.com\nTo: b@example.com\nMIME-Version: 1.0\n"
        "Content-Type: multipart/signed; boundary=B\n\n"
        f"--B\n{signed}\n--B\nContent-Type: application/pgp-signature\n\nsig\n--B--\n"
    ).encode()
    mail = email.message_from_bytes(source, policy=policy.default)

    sent = mime.render(Message.from_mime(mail))
    assert signed.encode().replace(b"\n", b"\r\n") in sent


class _Odd(OldMessage):
    """Writes itself in its own way, without the stdlib's parameters."""

    def as_bytes(self) -> bytes:  # type: ignore[override]
        raise NotImplementedError

    def as_string(self) -> str:  # type: ignore[override]
        raise NotImplementedError


def test_any_subclass_of_the_stdlibs_message_is_taken() -> None:
    mail = _Odd()
    mail["From"], mail["To"] = "a@example.com", "b@example.com"
    mail.set_payload("hi")

    assert Message.from_mime(mail).text == "hi"


def test_a_django_message_is_taken_whole() -> None:
    made = EmailMultiAlternatives("s", "x", "a@example.com", ["b@example.com"])
    mail: Any = made.message()
    message = Message.from_mime(mail)

    assert (message.text, message.raw, message.unrepresented) == ("x", None, ())


def test_a_line_break_in_a_header_of_an_old_object_is_refused() -> None:
    mail = MIMEText("x")
    mail["From"], mail["To"] = "a@example.com", "b@example.com"
    mail["Subject"] = "s\nBcc: evil@evil.example"

    with pytest.raises(MessageError, match="Subject: holds a line break"):
        Message.from_mime(mail)


def test_a_group_in_an_object_kept_raw_stays_a_group() -> None:
    mail = EmailMessage()
    mail["From"] = "a@example.com"
    mail["To"] = '"The, team": b@example.com, Jörg <c@example.com>;, d@example.com'
    mail.set_content("x")
    sent = mime.render(Message.from_mime(mail))

    (to,) = email.message_from_bytes(sent, policy=policy.default).get_all("To", [])
    assert [group.display_name for group in to.groups] == ["The, team", None]
    assert [each.addr_spec for each in to.addresses] == [
        "b@example.com",
        "c@example.com",
        "d@example.com",
    ]


def test_an_attached_message_stays_one() -> None:
    inner = EmailMessage()
    inner["From"] = "Jörg <c@example.com>"
    inner.set_content("héllo", cte="8bit")
    mail = EmailMessage()
    mail["From"], mail["To"] = "a@example.com", "b@example.com"
    mail.set_content("x")
    mail.add_attachment(inner)
    sent = mime.render(Message.from_mime(mail))

    assert b"octet-stream" not in sent
    (part,) = [
        each
        for each in email.message_from_bytes(sent, policy=policy.default).walk()
        if each.get_content_type() == "message/rfc822"
    ]
    attached: Any = part.get_content()
    assert attached["From"].addresses[0].display_name == "Jörg"
    assert attached.get_content().strip() == "héllo"


def test_an_attached_message_that_cannot_be_seven_bit_keeps_the_original() -> None:
    source = (
        "From: a@example.com\nTo: b@example.com\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=A\n\n--A\n\nx\n"
        "--A\nContent-Type: message/rfc822\n\n"
        "From: c@example.com\nContent-Type: multipart/signed; boundary=B\n\n"
        "--B\nContent-Type: text/plain; charset=utf-8\n\ngrüße\n--B--\n--A--\n"
    ).encode()
    message = Message.from_mime(email.message_from_bytes(source, policy=policy.default))

    assert message.raw is not None
    assert b"octet-stream" not in mime.render(message)


def test_a_byte_order_mark_before_the_header_is_no_part_of_it() -> None:
    source = "From: a@example.com\nTo: b@example.com\n\nx"
    for given in ("\ufeff" + source, source.encode("utf-8-sig")):
        message = Message.from_mime(given)

        assert message.from_ is not None
        assert message.unrepresented == ()
        assert mime.render(message).startswith((b"Date:", b"Message-ID:"))
        assert b"\xef\xbb\xbf" not in mime.render(message)
