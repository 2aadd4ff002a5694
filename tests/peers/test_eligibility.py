"""Who is left out before the pick is exactly who would refuse, at all four endpoints."""

import contextlib

import pytest

from mailbalance import Attachment, Mailer, Message, MessageError, RejectedError
from mailbalance.sandbox import Sandbox
from mailbalance.testing import capture

ALL_NAMES = ("ses", "ses-smtp", "mailtrap", "mailtrap-smtp")
ALL = ",".join(f"{name}=25" for name in ALL_NAMES)
HEAD = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
)
PDF = b"Content-Type: application/pdf; name=r.pdf\r\nContent-Transfer-Encoding: base64\r\n"
BOTH_SES, API = {"ses", "ses-smtp"}, {"mailtrap"}


def file(**changes):
    fields = {"content": b"x", "filename": "r.pdf", "content_type": "application/pdf"}
    return Attachment(**(fields | changes))


def built(**changes):
    fields = {"from_": "a@example.com", "to": "b@example.com", "subject": "s"}
    return Message(**(fields | {"text": "t"} | changes))


def mixed(*parts):
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts)
    return (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
        + body
        + b"--B--\r\n"
    )


ROWS = {
    "a plain text": (built(), set()),
    "only HTML": (built(text=None, html="<p>x"), set()),
    "only a file": (HEAD + PDF + b"\r\nJVBERg==\r\n", API),
    "only a file in a container": (mixed(PDF + b"\r\nJVBERg=="), API),
    "only a calendar": (
        HEAD + b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR",
        API,
    ),
    "only a text that is a file": (
        HEAD + b"Content-Disposition: attachment; filename=a.txt\r\n\r\nx",
        API,
    ),
    "no body": (HEAD + b"\r\n", API),
    "no body and no line after the header": (HEAD, API),
    "a body of white space": (HEAD + b"\r\n \r\n", set()),
    "no subject": (built(subject=""), API),
    "a line of 998 characters": (HEAD + b"\r\n" + b"x" * 998, set()),
    "a line of 998 characters before a lone LF": (
        HEAD + b"\r\n" + b"x" * 998 + b"\ny\n",
        set(),
    ),
    "a line of 999 characters": (HEAD + b"\r\n" + b"x" * 999 + b"\r\ny", BOTH_SES),
    "a line of 999 characters before a lone LF": (
        HEAD + b"\r\n" + b"x" * 999 + b"\ny\n",
        BOTH_SES,
    ),
    "a line of 999 characters before a lone CR": (
        HEAD + b"\r\n" + b"x" * 999 + b"\ry\r",
        BOTH_SES,
    ),
    "short lines that end in a lone CR": (HEAD + b"\r\n" + b"x\r" * 2000, set()),
    "a long line of a header": (HEAD + b"X-A: " + b"x" * 995 + b"\r\n\r\nx", BOTH_SES),
    "a long line that does not leave": (
        HEAD + b"Bcc: c@example.com," + b" " * 999 + b"\r\n\r\nx",
        set(),
    ),
    "a long line of a text we write": (built(text="x" * 5000), set()),
    "a header that may stand once, twice": (
        HEAD + b"List-Unsubscribe: <https://x.example>\r\n" * 2 + b"\r\nx",
        BOTH_SES | API,
    ),
    "a header that may stand often, twice": (HEAD + b"X-A: 1\r\n" * 2 + b"\r\nx", API),
    "a file that SES does not deliver": (
        built(attachments=[file(filename="run.EXE")]),
        BOTH_SES,
    ),
    "such a file in a raw message": (
        mixed(b"\r\nhi", PDF.replace(b"r.pdf", b"r.bat") + b"\r\nJVBERg=="),
        BOTH_SES,
    ),
    "a file that is called exe": (built(attachments=[file(filename="exe")]), set()),
    "an empty file": (built(attachments=[file(content=b"")]), API),
    "a quoted part before the @ that holds a space": (
        built(to='"a b"@example.com'),
        BOTH_SES | API | {"mailtrap-smtp"},
    ),
    "a NUL byte in a raw body": (HEAD + b"\r\na\0b", {"ses-smtp", "mailtrap-smtp"}),
    "a NUL byte in a file": (built(attachments=[file(content=b"\0")]), set()),
    "a header in UTF-8": (
        HEAD + "X-A: Größe\r\nCc: Jö <c@ä.example>\r\n\r\nx".encode(),
        set(),
    ),
    "hundreds of files": (built(attachments=[file()] * 499), BOTH_SES),
}


@pytest.fixture(scope="module")
def box():
    with Sandbox() as started:
        yield started


@pytest.fixture(scope="module")
def mailer(box):
    with Mailer.from_env(box.environ(ALL)) as made:
        yield made


def message(given):
    return given if isinstance(given, Message) else Message.from_mime(given)


@pytest.mark.parametrize("name", ROWS)
def test_who_would_refuse_the_form_is_left_out(mailer, name):
    given, left_out = ROWS[name]

    sent = message(given)

    if left_out == set(ALL_NAMES):
        with pytest.raises(MessageError, match="quoted"):
            mailer.route(sent)
    else:
        assert {name for name, _ in mailer.route(sent).left_out} == left_out


@pytest.mark.parametrize(
    "field", ["References: <ü@x.example>", "List-Id: ü <l.x.example>"]
)
def test_a_header_that_needs_smtputf8_is_sent_by_nobody(mailer, field):
    source = HEAD + field.encode() + b"\r\n\r\nx"

    with pytest.raises(MessageError, match="SMTPUTF8"):
        mailer.route(message(source))


#: Left out for what Mailtrap's fields cannot say; what they say, it would take.
UNSAID = {"a header that may stand once, twice", "a header that may stand often, twice"}


PAIRS = [
    (name, backend)
    for name in ROWS
    for backend in ALL_NAMES
    if backend != "mailtrap" or name not in UNSAID
]


@pytest.mark.parametrize(("name", "backend"), PAIRS)
def test_the_local_sandbox_refuses_what_is_left_out_and_takes_the_rest(
    box, mailer, name, backend
):
    given, left_out = ROWS[name]
    sent = message(given)
    before = box.counts()[backend].accepted

    with contextlib.suppress(RejectedError):
        mailer.backends[backend].send(sent, sent.envelope(), timeout=20)

    taken = box.counts()[backend].accepted - before
    assert taken == (backend not in left_out)


@pytest.mark.parametrize("name", ROWS)
def test_the_test_mailbox_leaves_out_the_same(monkeypatch, name):
    monkeypatch.delenv("MAILBALANCE_SPLIT", raising=False)
    given, left_out = ROWS[name]
    sent = message(given)

    with capture() as mailbox:
        outlets = mailbox.mailer.backends.items()
        found = {n for n, outlet in outlets if outlet.refuses(sent, sent.envelope())}

    assert found == left_out & {"ses", "mailtrap"}


def test_what_mailtrap_holds_for_blank_goes_to_the_next_backend(box):
    box.clear()
    words = "must specify either text or html body"
    box.fault("mailtrap", "reject", code=400, text=words)
    with Mailer.from_env(box.environ("mailtrap=1,ses-smtp=backup")) as mailer:
        receipt = mailer.send(Message.from_mime(HEAD + b"\r\n \r\n"))
    box.heal()

    assert receipt.backend == "ses-smtp"
