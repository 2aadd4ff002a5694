"""Any bytes at all: a message, or one clear refusal; never another error, never a leak."""

import contextlib
import email
from email import policy
from email.message import EmailMessage
from email.message import Message as OldMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance import mime
from mailbalance.errors import MessageError
from mailbalance.message import Message
from tests.properties.mails import fewer, messages

_NAMES = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "Sender",
    "Subject",
    "Date",
    "Message-ID",
]
_NAMES += [
    "Content-Type",
    "Content-Disposition",
    "Content-Transfer-Encoding",
    "Content-ID",
]
_NAMES += [
    "X-SES-MESSAGE-TAGS",
    "X-MT-Custom-Variables",
    "X-MT-Category",
    "Resent-To",
    "X-A",
]
_NAMES += [
    "X-SES-LIST-MANAGEMENT-OPTIONS",
    "List-Unsubscribe",
    "bcc ",
    "Received",
    "BCC",
]
_BITS = [
    "a@b.c",
    "<",
    ">",
    '"',
    "(",
    ")",
    ",",
    ";",
    ":",
    "=",
    "@",
    "\\",
    "=?utf-8?q?a=0Ab?=",
]
_BITS += [
    "multipart/mixed",
    "boundary=b",
    "text/html",
    "charset=utf-7",
    "name*0*=x''%ff",
    "é",
]
_BITS += [
    "=?x-unknown?b?4?=",
    "base64",
    "message/rfc822",
    "attachment",
    "filename=../a",
    " ",
]
_BITS += [
    "Mon, 31 Feb 2026 99:00 +9999",
    "\r\n ",
    "\r",
    "\n\t",
    "\x00",
    "{",
    "}",
    "a=b",
    "\udc80",
]

_values = st.lists(st.sampled_from(_BITS) | st.text(max_size=4), max_size=8).map(
    "".join
)
_fields = st.tuples(st.sampled_from(_NAMES), _values).map(": ".join)
_heads = st.lists(_fields, max_size=6).map("\r\n".join)
_mails = st.recursive(
    st.tuples(_heads, _values).map("\r\n\r\n".join),
    lambda inner: st.tuples(_heads, st.lists(inner, max_size=3)).map(
        lambda pair: (
            f"Content-Type: multipart/mixed; boundary=b\r\n{pair[0]}\r\n\r\n"
            + "".join(f"--b\r\n{part}\r\n" for part in pair[1])
            + "--b--"
        )
    ),
    max_leaves=6,
).map(lambda text: text.encode("utf-8", "replace"))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(mime.render(draw(messages())))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 20))] = draw(st.binary(max_size=20))
    return bytes(data)


def taken_apart(source: bytes) -> Message | None:
    try:
        return Message.from_mime(source)
    except MessageError:
        return None


@given(st.one_of(st.binary(max_size=400), _mails, mutated()))
@example(b"")
@example(b"\r\n\r\n")
@example(b"a:")
def test_any_bytes_give_a_message_or_a_clear_refusal(source: bytes) -> None:
    message = taken_apart(source)

    if message is not None:
        assert message.raw == source
        data = mime.render(message)
        assert len(data) <= message.size()
        assert b"\n" not in data.replace(b"\r\n", b"")
        assert b"\r" not in data.replace(b"\r\n", b"")


@fewer
@given(st.one_of(_mails, mutated()))
def test_what_leaves_has_no_hidden_recipient_for_any_reader(source: bytes) -> None:
    message = taken_apart(source)

    if message is not None:
        seen = email.message_from_bytes(mime.render(message), policy=policy.compat32)
        assert not {"bcc", "resent-bcc"} & {name.lower().strip() for name in seen}


NO_TEXT = "It has bytes in its header that are no text."


@fewer
@given(st.one_of(_mails, mutated()))
def test_what_was_sent_once_reads_the_same_again(source: bytes) -> None:
    message = taken_apart(source)

    # A header that is not UTF-8 is read with gaps and sent in its likely charset.
    if message is not None and NO_TEXT not in message.unrepresented:
        again = Message.from_mime(mime.render(message))
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


@fewer
@given(st.one_of(_mails, mutated()))
def test_what_the_parts_say_in_full_survives_being_written_anew(source: bytes) -> None:
    message = taken_apart(source)

    if (
        message is not None
        and not message.unrepresented
        and message.to
        and message.text
    ):
        anew = message.model_copy(update={"raw": None})
        again = Message.from_mime(mime.render(anew))
        for field in (
            "from_",
            "to",
            "cc",
            "reply_to",
            "subject",
            "headers",
            "attachments",
        ):
            assert getattr(again, field) == getattr(message, field)


@pytest.mark.parametrize("kind", [EmailMessage, OldMessage])
@fewer
@given(source=_mails)
def test_stdlib_objects_never_break_it_either(kind: type, source: bytes) -> None:
    rules = policy.default if kind is EmailMessage else policy.compat32
    parsed = email.message_from_bytes(source, policy=rules)

    with contextlib.suppress(MessageError):
        Message.from_mime(parsed)
