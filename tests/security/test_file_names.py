"""S3, S13: a file name says what the file is called, and never where it goes."""

import email
import email.policy
import http.client
import itertools
import socket

import fast_mail_parser
import pytest

from mailbalance import Attachment, Message, mime
from mailbalance.errors import MessageError
from mailbalance.sandbox import Sandbox

TRAVERSING = [
    "..", ".", "/", "\\", "/etc/passwd", "../x", "..\\x", "a/../b", "a\\..\\b",
    "C:\\x.txt", "C:/x", "\\\\host\\share\\x", "//host/x", "./x", ".\\x", "x/", "x\\",
    "~/x", "file:///etc/passwd", "http://x/y",
]  # fmt: skip
BREAKING = [
    f'a{each}b{end}'
    for each in ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\u2029",
                 '"\r\n', '";\r\nX: 1\r\n', "\x1b", "\x7f", "\x9b", "\ud800", "\t"]
    for end in ["", ".txt", ".pdf"]
]  # fmt: skip
DISGUISED = [
    f"invoice{turn}fdp.exe"
    for turn in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068"
] + [
    "a\u2069.txt",
    "a\u200e.txt",
    "a\u200f.txt",
    "a\u061c.txt",
    "x ",
    " x",
    "x\u3000",
    "",
]
TOO_LONG = ["a" * 256, "ä" * 128, "\U0001f600" * 64, "漢" * 86]
WRONG = [*TRAVERSING, *BREAKING, *DISGUISED, *TOO_LONG]

FINE = [
    f"{stem}{end}"
    for stem, end in itertools.product(
        ["a", "A b", "ä", "漢字", "\U0001f600", "a;b", 'a"b', "a'b", "a=b", "a%0d%0ab",
         "%2e%2e%2fpasswd", "=?utf-8?q?a?=", "a*0*=b", "CON", "aux", "-rf", ".htaccess",
         "$(id)", "`id`", "a,b", "a(b)", "<b>", "a" * 200, "ä" * 100],
        [".txt", ".tar.gz", ".exe.pdf", "", "."],
    )
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG, ids=ascii)
def test_a_name_that_is_a_path_a_trick_or_too_long_is_refused(name: str) -> None:
    with pytest.raises(MessageError):
        Attachment(content=b"x", filename=name)


def test_any_other_name_arrives_as_it_is() -> None:
    for name in FINE:
        file = Attachment(content=b"x", filename=name, content_type="text/plain")
        sent = Message(from_="a@b.c", to="d@e.f", text="t", attachments=[file])
        data = mime.render(sent)
        read = email.message_from_bytes(data, policy=email.policy.default)
        (attached,) = read.iter_attachments()
        (other,) = fast_mail_parser.parse_email(data).attachments

        # get_filename() would take the angle brackets off <b>
        seen = attached["content-disposition"].params["filename"]
        assert (seen, other.filename) == (name, name)
        assert sorted(map(str.lower, attached)) == [
            "content-disposition", "content-transfer-encoding", "content-type",
        ]  # fmt: skip


def test_the_counts_are_those_of_the_checklist() -> None:
    assert len(WRONG) + len(FINE) >= 200
    assert len(PATHS) >= 50


@pytest.mark.parametrize(
    "source",
    ["http://127.0.0.1:9/x", "file:///etc/passwd", "ftp://x/y", "//host/share"],
)
def test_an_attachment_is_never_fetched(
    monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """S12: bytes and files are taken; an address is neither."""

    def connect(*_: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)

    for make in (
        lambda: Attachment.from_path(source),
        lambda: Attachment(content=source, filename="x"),  # type: ignore[arg-type]
        lambda: Message(from_="a@b.c", to="d@e.f", text="t", attachments=[source]),  # type: ignore[list-item]
    ):
        with pytest.raises(MessageError):
            make()


STEPS = [
    "..",
    "%2e%2e",
    "..%2f",
    "..%5c",
    "....//",
    "%252e%252e",
    "..;",
    "\\..",
    ".%00.",
]
PATHS = [
    f"{start}{'/'.join([step] * 6)}{end}"
    for start in ["/", "/messages/", "/messages/1/"]
    for step in STEPS
    for end in ["/etc/passwd", "/proc/self/environ"]
]


def test_no_path_leads_out_of_the_control_door(box: Sandbox) -> None:
    client = http.client.HTTPConnection("127.0.0.1", box.port("control"), timeout=10)
    for path in PATHS:
        client.putrequest("GET", path, skip_accept_encoding=True)
        client.endheaders()
        reply = client.getresponse()

        assert b"root:" not in reply.read()
        assert 400 <= reply.status < 500
        client.close()
