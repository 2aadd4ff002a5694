"""Targets of MIME, in both directions.

What must hold: whatever fields a message is built from, only ``MessageError`` is raised,
and what is written has the fields that were meant, and no others, for readers that share no
code with ours. Whatever bytes a message is read from, only ``MessageError`` is raised; what
leaves names no hidden recipient, and reads and writes the same again.
"""

import email.message
import re
from collections.abc import Mapping
from email import policy
from typing import Any

import fast_mail_parser

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Message
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.headers import must_be_sound
from tests.fuzz.target import Saboteur, Target

_ALWAYS = {"from", "to", "date", "message-id", "mime-version", "content-type"}
_ENCODING = "content-transfer-encoding"
_STAMP: dict[str, Any] = {
    "message_id": "<fuzz@b.c>",
    "date": "2026-11-23T04:00:00+02:00",
}


def _email(choices: Choices) -> str:
    return choices.one_of(("a@b.c", '"x y"@d.e', "é@f.g", "h@ä.example"))


def _file(choices: Choices) -> dict[str, Any]:
    fields = {"content": choices.some(80), "filename": choices.text(20)}
    if choices.yes():
        fields["content_type"] = choices.one_of(
            (
                "text/plain",
                "message/rfc822",
                "text/csv; charset=utf-8",
                choices.text(20),
            )
        )
    if choices.yes():
        fields["content_id"] = choices.text(10)
    return {**fields, "inline": choices.yes()}


def _fields(choices: Choices) -> dict[str, Any]:
    """Give the fields of any message, many of them wrong."""
    fields: dict[str, Any] = {"from_": "a@b.c", "to": "d@e.f", **_STAMP}
    take = {
        "subject": lambda: choices.text(60),
        "text": lambda: choices.text(120),
        "html": lambda: choices.text(120),
        "from_": lambda: {"email": _email(choices), "name": choices.text(40)},
        "to": lambda: [choices.text(40), "x@y.z"],
        "cc": lambda: {"email": _email(choices), "name": choices.text(40)},
        "bcc": lambda: f"{choices.text(10)} <hidden@secret.example>",
        "reply_to": lambda: [_email(choices), _email(choices)],
        "headers": lambda: {
            choices.text(10): choices.text(60),
            "X-A": choices.text(60),
        },
        "attachments": lambda: [_file(choices), _file(choices)],
        "message_id": lambda: choices.text(20),
        "category": lambda: choices.text(20),
        "metadata": lambda: {choices.text(5): choices.text(9)},
    }
    names = list(take)
    while choices and len(fields) < 12:
        name = choices.one_of(names)
        fields[name] = take[name]()
    return fields


def check_writing(data: bytes) -> None:
    fields = _fields(Choices(data))
    fields.setdefault("text", "t")
    try:
        message = Message(**fields)
        data = mime.render(message)
    except MessageError:
        return
    _must_have_form(message, data)
    _must_say(message, data)
    again = Message.from_mime(data, bcc=message.bcc)
    assert again.unrepresented == ()
    for name in ("from_", "to", "cc", "reply_to"):
        assert getattr(again, name) == getattr(message, name)
    assert again.subject == message.subject.replace("\t", " ")
    assert _lower(again.headers) == _lower(message.headers)
    assert _unix(again.text) == _unix(message.text)
    assert _unix(again.html) == _unix(message.html)
    _must_be_the_same_files(again, message)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _must_be_the_same_files(found: Message, meant: Message) -> None:
    """All files are there, in the order in which they are written.

    An attached message may leave as plain bytes, or with other line ends.
    """
    shown = [f for f in meant.attachments if f.inline and meant.html]
    files = [f for f in meant.attachments if not (f.inline and meant.html)]
    for one, other in zip(found.attachments, (*shown, *files), strict=True):
        assert (one.filename, one.content_id) == (other.filename, other.content_id)
        if not other.content_type.lower().startswith("message/"):
            assert one.content == other.content
            assert _meaning(one.content_type) == _meaning(other.content_type)


def _meaning(content_type: str) -> tuple[str, list[tuple[str, str]]]:
    """Forget the case of names, and marks of quoting that need not be (RFC 2045 5.1)."""
    read = email.message.Message()
    read["Content-Type"] = content_type
    (kind, _), *params = read.get_params(failobj=[])
    return kind.lower(), [(name.lower(), value) for name, value in params]


def _unix(text: str | None) -> str:
    """Forget kinds of line ends, and the mark of a byte order that a reader may eat."""
    plain = re.sub("\r\n?", "\n", text or "").removeprefix("\ufeff")
    return plain if not plain or plain.endswith("\n") else f"{plain}\n"


def _must_have_form(message: Message, data: bytes) -> None:
    assert not data.translate(None, b"\t\r\n" + bytes(range(0x20, 0x7F)))
    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert len(data) <= message.size()
    if b"hidden@" in data:
        assert "hidden@" in "".join(
            (str(message.text), str(message.html), str(message.headers))
        ) or any(b"hidden@" in f.content for f in message.attachments)


def _must_say(message: Message, data: bytes) -> None:
    """What the two readers we did not write must see."""
    wanted = _ALWAYS | {name.lower() for name in message.headers}
    for field, name in (("cc", "cc"), ("reply_to", "reply-to"), ("subject", "subject")):
        wanted |= {name} if getattr(message, field) else set()
    stdlib = email.message_from_bytes(data, policy=policy.compat32)
    names = [name.lower() for name in stdlib.keys()]  # noqa: SIM118 - a mapping would dedupe
    assert len(names) == len(set(names))
    assert set(names) - {_ENCODING} == wanted
    rust = fast_mail_parser.parse_email(data, strict=True)
    assert {name.lower() for name in rust.headers} - {_ENCODING} == wanted
    for field in ("to", "cc", "reply_to"):
        found = [each.address for each in getattr(rust, field)]
        assert found == [each.email for each in getattr(message, field)]
    assert rust.from_.address == message.from_.email  # type: ignore[union-attr]
    # It lists files of these types that are shown inline after the bodies, if any.
    shown = 0
    for body, texts in (
        (message.text, rust.text_plain),
        (message.html, rust.text_html),
    ):
        assert not body or _unix(texts[0]) == _unix(body)
        shown += len(texts) - bool(body)
    assert shown + len(rust.attachments) == len(message.attachments)


WRITING = Target(
    "mime-writing",
    check_writing,
    (
        b"\0\x08Gr\xc3\xbc\xc3\x9fe\x05\1\x05hello\x05",
        b"\2\x05<img>\x05\x09\x03png\x05a.png\x05\1\0\1\x02id\x05\1\1\x04\x05b.pdf\x05\0\0",
        b"\3\0\x04Ana,\x05\5\3\x02x\x22\x05\7\1\2",
        b"\x08\x05X-One\x05\x06value \x05\x03one\x05",
        b"\1\x13--=_a\r\n.\r\nFrom: x\n\n\x05\6\x02me\x05",
        b"\x09\x10a: b\r\n\r\n--x\r\n\r\n.eml\x05m.eml\x05\1\1\0\0",
    ),
    Saboteur(
        "mailbalance.mime.transfer:_SEVEN_BIT",
        lambda sound: bytes(range(0x80)),
        b"\1\x02a\0\x05",
    ),
    found=(
        # A name whose type a system's table has in capitals.
        b"\x02\x05<\x01\x0b--.-=_a~\xffF>\x05\t\x03png\x05a.pdxd\0\0\0\x01n\x01n",
        # A file of text beside HTML alone, shown inline.
        b"\x02\x05<img>\x05\t\x03png\x05a."
        + b"q" * 76
        + b"tqqqpng\x05\1\0\1\x02id\x05\0\0\0\0b.pdf\x05\0\0",
    ),
)


def check_reading(data: bytes) -> None:
    source = stretched(data)
    try:
        message = Message.from_mime(source)
    except MessageError:
        return
    assert message.raw == source
    for field in ("to", "cc", "bcc", "reply_to"):
        for address in getattr(message, field):
            must_be_sound(address)
    sent = mime.render(message)
    assert len(sent) <= message.size()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", sent)
    seen = email.message_from_bytes(sent, policy=policy.compat32)
    names = {name.lower().strip() for name in seen}
    assert not {"bcc", "resent-bcc"} & names
    assert not any(name.startswith(("x-ses-", "x-mt-")) for name in names)
    again = Message.from_mime(sent)
    assert mime.render(again) == sent
    if "It has bytes in its header that are no text." in message.unrepresented:
        return  # read with gaps, and sent in its likely charset
    for field in (
        "from_",
        "to",
        "cc",
        "reply_to",
        "subject",
        "text",
        "html",
        "headers",
    ):
        assert getattr(again, field) == getattr(message, field)
    assert again.attachments == message.attachments
    _must_survive_being_written_anew(message)


def _must_survive_being_written_anew(message: Message) -> None:
    """What has nothing that the fields cannot say is the same when we write it."""
    if message.unrepresented or not (message.to and (message.text or message.html)):
        return
    try:
        written = mime.render(message.model_copy(update={"raw": None}))
    except MessageError:
        return
    again = Message.from_mime(written)
    for field in ("from_", "to", "cc", "reply_to", "subject", "headers"):
        assert getattr(again, field) == getattr(message, field)
    _must_be_the_same_files(again, message)


_HEAD = b"From: a@b.c\r\nTo: d@e.f\r\nSubject: s\r\n"
READING = Target(
    "mime-reading",
    check_reading,
    (
        _HEAD + b"\r\nhello\r\n",
        _HEAD + b"Bcc: h@i.j\r\nDate: Mon, 23 Nov 2026 04:00:00 +0200\r\n"
        b"Message-ID: <x@y.z>\r\nX-SES-CONFIGURATION-SET: c\r\nX-MT-Category: k\r\n\r\nx",
        _HEAD
        + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nt\r\n--b\r\n'
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<p>=C3=A4=\r\n</p>\r\n--b\r\nContent-Type: image/png; name*0*=utf-8''%41\r\n"
        b"Content-Disposition: attachment; filename=../a.png\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-ID: <i>\r\n\r\naGk=\r\n--b--\r\n",
        b"From MAILER\nFrom: =?utf-8?q?J=C3=B6rg?= <a@b.c>, x\nTo: g: d@e.f;\nFOO bar\n\n.",
        b'From: a@b.c\nX-MT-Custom-Variables: {"a": 1, "b": [2]}\n'
        b"X-SES-MESSAGE-TAGS: a=b, c=d\nX-SES-LIST-MANAGEMENT-OPTIONS: l; topic=t\n\nx",
        b"Subject: =?utf-7?b?+?=\nContent-Type: multipart/a; boundary=b\n\n"
        + many(600, b"-")
        + b"b\n--b\nContent-Type: multipart/b; boundary=b\n\n--b\n\n",
    ),
    Saboteur(
        "mailbalance.mime.transfer:_ENDING",
        lambda sound: re.compile(rb"\r\n|\n"),
        _HEAD + b"\r\nhel\rlo\r\n",
    ),
    longest=900,
)

TARGETS = (WRITING, READING)
