"""What the parts of real mail say: read in full, or told to be lost."""

import base64
from email.message import EmailMessage
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import mime
from mailbalance.message import Message

HEAD = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
)
BASE64 = b"Content-Transfer-Encoding: base64\r\n\r\n"
PDF = b"Content-Type: application/pdf; name=a.pdf\r\n" + BASE64
PNG = b"Content-Type: image/png; name=l.png\r\n"
TEXT = b"Content-Type: text/plain\r\n\r\nhi"
HTML = b"Content-Type: text/html\r\n\r\n<img src=cid:logo>"
PIXEL = BASE64 + b"iVBORw0KGgo="
PIXELS = base64.b64decode(b"iVBORw0KGgo=")


def read(*parts: bytes, kind: bytes = b"mixed") -> Message:
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts)
    head = HEAD + b"Content-Type: multipart/" + kind + b"; boundary=B\r\n\r\n"
    return Message.from_mime(head + body + b"--B--\r\n")


def alone(part: bytes) -> Message:
    return Message.from_mime(HEAD + part)


def text_of(digits: bytes) -> tuple[str | None, bool]:
    message = alone(b"Content-Type: text/plain\r\n" + BASE64 + digits)
    return message.text, bool(message.unrepresented)


WHOLE = [
    (b"SGVsbG8gd29ybGQ=", "Hello world"),
    (b"SGVs\r\nbG8g\r\nd29y\r\nbGQ=\r\n\r\n", "Hello world"),
    (b"SGVsbG8g \r\n\td29ybGQ= \r\n", "Hello world"),
    (b"SGVsbG8=\r\nIHdvcmxk", "Hello world"),
    (b"SGVsbG8=IHdv\r\ncmxk", "Hello world"),
    (b"SA==\r\nZQ==\r\nbA==\r\nbG8=", "Hello"),
    (b"SGVsbG8g====d29ybGQ=", "Hello world"),
    (b"SGVsbG8=\r\n=", "Hello"),
    (b"Pz4_Pj8-", "?>?>?>"),
    (b"", ""),
]


@pytest.mark.parametrize(("digits", "said"), WHOLE)
def test_base64_of_every_writer_is_decoded_in_full(digits: bytes, said: str) -> None:
    assert text_of(digits) == (said, False)


@given(
    st.lists(st.binary(min_size=1, max_size=90), max_size=6),
    st.integers(1, 80),
    st.sampled_from([b"\r\n", b"\n", b" \n\t"]),
)
def test_runs_of_base64_in_any_lines_are_decoded_in_full(
    runs: list[bytes], width: int, end: bytes
) -> None:
    digits = b"".join(map(base64.b64encode, runs))
    lines = [digits[at : at + width] for at in range(0, len(digits), width)]

    message = read(TEXT, PDF + end.join(lines))

    assert message.attachments[0].content == b"".join(runs)
    assert message.unrepresented == ()


SPOILT = [
    b"SGVsbG8",
    b"SGVsbG8gd",
    b"SGVsbG8gd2",
    b"SGVs*bG8=",
    b"SGVs\xc3\xa4bG8=",
    b"SGVs bG8=",
    b"SGVsbG8g\r\n-- \r\nList footer",
    b"SGVsbG8g\r\n--\r\nfooter",
    b"SGVsbG8=\r\n_____________\r\nSent to the whole list",
    b"Pz4/Pj8-",
    b"SGVsbG8=\r\n\r\nhttps://lists.example.com",
]


@pytest.mark.parametrize("digits", SPOILT)
def test_base64_that_may_have_lost_something_is_told(digits: bytes) -> None:
    assert text_of(digits)[1]
    assert read(TEXT, PDF + digits).unrepresented == (
        "It has a file whose encoding is broken.",
    )


def test_a_file_in_the_alphabet_for_urls_has_the_right_bytes() -> None:
    [file] = read(TEXT, PDF + b"JVBERi0-_w==").attachments

    assert file.content == b"%PDF->\xff"


@pytest.mark.parametrize("body", [b"a=4", b"a=XYb", b"1 = 2", b"=E4=B"])
def test_quoted_printable_that_is_none_is_told(body: bytes) -> None:
    part = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + body

    assert "broken" in alone(part).unrepresented[0]


@pytest.mark.parametrize("body", [b"a=\r\nb", b"a=20=\r\n", b"a=\t\r\nb=3d", b"a="])
def test_soft_line_breaks_are_sound(body: bytes) -> None:
    part = b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n" + body

    assert alone(part).unrepresented == ()


@pytest.mark.parametrize(
    "encoding",
    [
        b"base64 (yes)",
        b"(a (nested) comment) BASE64",
        b"base64;",
        b'"base64"',
        b"base64 (a \\) mark)",
    ],
)
def test_a_transfer_encoding_may_have_comments(encoding: bytes) -> None:
    part = b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\nSGk="

    assert (alone(part).text, alone(part).unrepresented) == ("Hi", ())


CHARSETS = [
    (b"us-ascii (Plain text)", b"hi", "hi"),
    (b"'utf-8'", "é".encode(), "é"),
    (b"\"'utf-8'\"", "é".encode(), "é"),
    (b'"utf-8 (Unicode)"', "é".encode(), "é"),
    (b"koi8-r (Russian (Cyrillic))", "да".encode("koi8-r"), "да"),
    (b"iso-8859-1", b"\x93hi\x94 \x80 5 \xe9", "“hi” € 5 é"),
    (b"ISO_8859-1", b"\x93hi\x94", "“hi”"),
    (b"latin1", b"it\x92s", "it\u2019s"),
    (b"iso-8859-9", b"\x80 \xfd", "€ \u0131"),
    (b"iso-8859-11", b"\x80", "€"),
    (b"TIS-620", b"\xa1", "ก"),
]


@pytest.mark.parametrize(("charset", "body", "said"), CHARSETS)
def test_a_charset_is_read_as_readers_read_it(
    charset: bytes, body: bytes, said: str
) -> None:
    message = alone(
        b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n" + body
    )

    assert (message.text, message.unrepresented) == (said, ())


@pytest.mark.parametrize(
    "written", [b"iso-8859-1\r\n\r\n\x81", b"shift_jis\r\n\r\n\xff"]
)
def test_bytes_that_no_reader_shows_are_told(written: bytes) -> None:
    message = alone(b"Content-Type: text/plain; charset=" + written)

    assert (message.text, len(message.unrepresented)) == ("\ufffd", 1)


FLOWED = [
    (b"yes", b"long lo \r\nng", "long long"),
    (b"no", b"a long \r\nline\r\nshort", "a long line\nshort"),
    (b"no", b"> quoted \r\n> on\r\nown \r\n> other", "> quoted on\nown \n> other"),
    (b"no", b">> a \r\n> b", ">> a \n> b"),
    (b"no", b" From here\r\n >no quote", "From here\n>no quote"),
    (b"no", b"a \r\n-- \r\nAna \r\nB", "a \n-- \nAna B"),
    (b"yes", "日本 \r\n語".encode(), "日本語"),
    (b"YES", b"a  \r\nb", "a b"),
    (b"no", b"a\r\n\r\nb \r\n", "a\n\nb "),
]


@pytest.mark.parametrize(("delsp", "body", "said"), FLOWED)
def test_flowed_text_is_read_as_paragraphs(
    delsp: bytes, body: bytes, said: str
) -> None:
    kind = b"Content-Type: text/plain; charset=utf-8; format=Flowed; delsp="
    message = alone(kind + delsp + b"\r\n\r\n" + body)

    assert (message.text, message.unrepresented) == (said, ())


def test_other_text_keeps_its_lines() -> None:
    message = alone(b"Content-Type: text/plain; delsp=yes\r\n\r\na \r\n b")

    assert message.text == "a \n b"


INLINE = [
    (PNG + b"Content-ID: <logo>\r\n" + PIXEL, True, "logo"),
    (PNG + b"Content-ID: <other>\r\n" + PIXEL, True, "other"),
    (
        PNG + b"Content-Disposition: inline\r\nContent-ID: <logo>\r\n" + PIXEL,
        True,
        "logo",
    ),
    (PNG + b"Content-Disposition: inline; filename=a.png\r\n" + PIXEL, True, "a.png"),
    (PNG + b"Content-Disposition: inline; filename=logo\r\n" + PIXEL, True, "logo"),
    (
        PNG + b'Content-Disposition: inline; filename="a b.png"\r\n' + PIXEL,
        True,
        "part-1.png",
    ),
    (
        PNG + b"Content-Disposition: attachment\r\nContent-ID: <logo>\r\n" + PIXEL,
        False,
        "logo",
    ),
    (PNG + PIXEL, False, None),
    (PDF.replace(BASE64, b"Content-ID: <a>\r\n") + PIXEL, False, "a"),
    (PDF.replace(BASE64, b"Content-ID: <logo>\r\n") + PIXEL, True, "logo"),
]


@pytest.mark.parametrize(("part", "inline", "content_id"), INLINE)
def test_what_the_html_shows_is_inline(
    part: bytes, inline: bool, content_id: str | None
) -> None:
    message = read(HTML, part)

    [file] = message.attachments
    assert (file.inline, file.content_id) == (inline, content_id)
    assert message.unrepresented == ()


def test_files_that_are_inline_without_an_id_get_one_each() -> None:
    shown = PNG + b"Content-Disposition: inline; filename=a.png\r\n"
    parts = [shown + PIXEL] * 3 + [shown + b"Content-ID: <part-2.png>\r\n" + PIXEL]

    found = [file.content_id for file in read(HTML, *parts).attachments]

    assert found == ["a.png", "part-2.png.2", "part-3.png", "part-2.png"]


def test_an_image_with_an_id_of_a_stdlib_message_is_written_inline() -> None:
    mail = MIMEMultipart("related")
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "s"
    mail.attach(MIMEText("<img src='cid:logo'>", "html"))
    image = MIMEImage(PIXELS, "png", name="l.png")
    image["Content-ID"] = "<logo>"
    mail.attach(image)

    message = Message.from_mime(mail)

    assert message.raw is None
    assert b"Content-Disposition: inline" in mime.render(message)


LINKED = b"Content-Type: text/html\r\n\r\n<img src=http://example.com/a.png>"
PLACED = PNG + b"Content-Location: http://example.com/a.png\r\n"


def test_an_image_that_is_linked_by_its_location_is_told() -> None:
    assert "Content-Location" in read(LINKED, PLACED + PIXEL).unrepresented[0]


def test_a_location_beside_an_id_that_is_used_is_no_loss() -> None:
    part = PLACED + b"Content-ID: <logo>\r\n" + PIXEL

    assert read(HTML, part).unrepresented == ()


NAMES = [
    (b"; filename*=utf-8''Gr%FC.pdf; filename=Gr.pdf", b"", "Gr.pdf", True),
    (b"; filename*=utf-8''Gr%FC.pdf", b"; name=Gr.pdf", "Gr.pdf", True),
    (b"; filename*=utf-8''Gr%FC.pdf", b"", "Gr\ufffd.pdf", True),
    (b"; filename*=x-none''G%FC.pdf; filename=Gr.pdf", b"", "Gr.pdf", True),
    (b"; filename*0=a; filename*2=c; filename=abc.pdf", b"", "abc.pdf", True),
    (b"; filename*1=b; filename=ab.pdf", b"", "ab.pdf", True),
    (b"; filename=a.pdf; filename=b.pdf", b"", "a.pdf", True),
    (b"; filename*=utf-8''Gr%C3%BC.pdf; filename=Gr.pdf", b"", "Grü.pdf", False),
    (b"; filename*=iso-8859-1''%80.pdf", b"", "€.pdf", False),
    (b"; filename*0*=utf-8''%C3; filename*1*=%BC.pdf", b"", "ü.pdf", False),
    (b"; filename=a (1).pdf", b"", "a (1).pdf", False),
    (b"", b"; name=a.pdf (the name)", "a.pdf (the name)", False),
    (b'; filename="a.pdf', b"", "a.pdf", False),
    (b" (a comment); filename=a.pdf", b"", "a.pdf", False),
]


@pytest.mark.parametrize(("named", "kind", "name", "told"), NAMES)
def test_a_broken_file_name_gives_way_to_a_good_one(
    named: bytes, kind: bytes, name: str, told: bool
) -> None:
    part = b"Content-Type: application/pdf" + kind + b"\r\n"
    part += b"Content-Disposition: attachment" + named + b"\r\n" + BASE64 + b"JVBERg=="

    message = read(TEXT, part)

    [file] = message.attachments
    assert (file.filename, bool(message.unrepresented)) == (name, told)


def test_a_boundary_may_be_followed_by_a_comment() -> None:
    head = HEAD + b"Content-Type: multipart/mixed; boundary=B (not =B)\r\n\r\n"

    message = Message.from_mime(head + b"--B\r\n" + TEXT + b"\r\n--B--\r\n")

    assert (message.text, message.unrepresented) == ("hi", ())


LOST = [
    (
        PDF.replace(BASE64, b"Content-Description: Bill\r\n") + PIXEL,
        "Content-Description",
    ),
    (PNG + b"Content-Duration: 5\r\n" + PIXEL, "Content-Duration"),
    (b"Content-Language: de\r\n" + TEXT, "Content-Language"),
    (b"Content-Type: a/b; c*=x-none''%FF\r\n\r\nx", "parameters of a Content-Type"),
    (b"Content-Type: a/b; c=" + b"d" * 500 + b"\r\n\r\nx", "parameters of its type"),
]


@pytest.mark.parametrize(("part", "said"), LOST)
def test_what_a_part_says_besides_is_told(part: bytes, said: str) -> None:
    found = read(HTML, part, kind=b"alternative" if part.endswith(b"hi") else b"mixed")

    assert said in "".join(found.unrepresented)


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Type: text/html\r\nContent-Type: text/plain",
        b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64",
        b"Content-Disposition: inline\r\nContent-Disposition: attachment",
    ],
)
def test_a_part_that_says_two_things_is_told(field: bytes) -> None:
    name = field.partition(b":")[0].decode().title()

    found = read(TEXT, field + b"\r\n\r\nx")

    assert f"It has more than one {name} in one part." in found.unrepresented


def test_a_part_that_says_one_thing_twice_is_no_loss() -> None:
    field = b"Content-Transfer-Encoding: base64\r\n"

    assert not alone(field * 2 + b"\r\nSGk=").unrepresented


@pytest.mark.parametrize(
    "kind", ["message/external-body; access-type=URL", "message/partial; id=x"]
)
def test_a_part_that_stands_for_another_is_told(kind: str) -> None:
    found = read(TEXT, f"Content-Type: {kind}\r\n\r\nx".encode())

    assert found.unrepresented == (f"It has a part of type {kind.partition(';')[0]}.",)


@pytest.mark.parametrize("shown", [b"filename=x.png", b"attachment, filename=x.png"])
def test_a_disposition_that_is_none_is_told(shown: bytes) -> None:
    found = read(TEXT, PNG + b"Content-Disposition: " + shown + b"\r\n" + PIXEL)

    assert "Content-Disposition" in found.unrepresented[0]


def test_a_description_that_repeats_the_name_is_no_loss() -> None:
    named = PDF.replace(BASE64, b"Content-Description: a.pdf\r\n") + PIXEL

    assert read(TEXT, named).unrepresented == ()


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: text/plain; name=r.txt\r\n\r\nhello",
        b"Content-Disposition: inline; filename=r.txt\r\n\r\nhello",
    ],
)
def test_a_text_that_is_all_there_is_counts_as_the_text(part: bytes) -> None:
    message = alone(part)

    assert (message.text, message.attachments) == ("hello", ())
    assert message.unrepresented == ("It has a file name on its text.",)


def test_what_an_object_cannot_say_in_fields_keeps_its_bytes() -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "s"
    mail.set_content("x")
    mail.add_attachment(b"x", maintype="a", subtype="b", filename="a.b")
    [file] = mail.iter_attachments()
    file["Content-Description"] = "not its name"

    message = Message.from_mime(mail)

    assert message.raw is not None
    assert b"not its name" in mime.render(message)
