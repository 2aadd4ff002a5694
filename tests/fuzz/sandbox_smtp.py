"""Targets of the local sandbox's SMTP doors, and of what reads a message there.

What must hold: a door survives anything, answers in the protocol's form, the same however
the bytes come, and holds no more than its limit; it takes over exactly what it says it
took; what was taken over can be read.
"""

import re
import ssl
from functools import cache

from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.faults import Faults
from mailbalance.sandbox.reading import read_mime
from mailbalance.sandbox.smtp import MAX_COMMAND, SmtpProtocol
from mailbalance.sandbox.smtp_doors import SmtpDoor
from mailbalance.sandbox.smtp_providers import MailtrapSmtpDoor, SesSmtpDoor
from mailbalance.sandbox.store import Store
from mailbalance.wire.smtp.replies import ReplyReader
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.in_memory import Transport, the_loop
from tests.fuzz.target import Saboteur, Target

_KEYS = Credentials("AKIAFUZZ", "secret", token="token", sandbox_user="u")
_LARGEST = 3000
_ID = re.compile(rb"[0-9a-f]{4,}(?:-[0-9a-f]+){4,5}")


class _SmallMailtrap(MailtrapSmtpDoor):
    max_size = _LARGEST


class _SmallSes(SesSmtpDoor):
    max_size = _LARGEST


@cache
def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def _talk(kind: type[SmtpDoor], pieces: list[bytes]) -> tuple[bytes, list[bytes]]:
    """Say something to a door; give what it said, and the messages it took over."""
    store = Store(keep=100)
    door = kind(
        credentials=_KEYS,
        store=store,
        faults=Faults(),
        verified=None,
        require_tls=False,
        idle=60,
    )

    async def hold() -> bytes:
        wire = Transport()
        protocol = SmtpProtocol(door, set(), _context())
        protocol.connection_made(wire)
        for piece in pieces:
            if wire.closed or protocol._task is not None:
                break
            protocol.data_received(piece)
            limit = max(MAX_COMMAND, door.max_size) + len(piece) + 8
            assert len(protocol._inbox) <= limit
        if protocol._task is not None:
            protocol._task.cancel()
        protocol.connection_lost(None)
        return bytes(wire.written)

    said = the_loop().run_until_complete(hold())
    return _ID.sub(b"ID", said), [message.raw for message in store.messages()]


_OPENED = b"EHLO me\r\nAUTH PLAIN AGFwaQB0b2tlbg==\r\n"  # api, token


def check_smtp(data: bytes) -> None:
    choices = Choices(data)
    kind = choices.one_of((_SmallMailtrap, _SmallSes))
    before = choices.one_of((_OPENED, b""))
    ends = choices.taken(8)
    whole = before + stretched(choices.rest())
    said, stored = _talk(kind, [whole])

    reader = ReplyReader()
    reader.feed(said)
    replies = []
    while (reply := reader.next()) is not None:
        replies.append(reply)
    assert reader.empty
    assert replies[0].code == 220
    taken = [reply for reply in replies if reply.code == 250 and "ID" in reply.text]
    assert len(taken) == len(stored)
    for raw in stored:
        assert len(raw) <= _LARGEST + 2
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)
        read_mime(raw, ["b@y.com"])
    if b"STARTTLS" not in whole.upper():
        assert _talk(kind, Choices(ends).pieces(whole)) == (said, stored)


_MAIL = b"MAIL FROM:<a@x.com>\r\nRCPT TO:<b@y.com>\r\nDATA\r\n"
_LETTER = _MAIL + b"From: a@x.com\r\n\r\n..x\r\n.\r\n"
SMTP = Target(
    "sandbox-smtp",
    check_smtp,
    (
        b"\0\0" + b"\x50\x60\x70\x80\x90\xa0\xb0\xc0" + _LETTER + _LETTER + b"QUIT\r\n",
        b"\0\0" + b"\x55" * 8 + _MAIL + b"a\n.\nb\r.\r\n.\r\nNOOP\r\n",
        b"\0\0" + b"\x66" * 8 + _MAIL + many(4000, b"x") + b"\r\n.\r\nNOOP\r\n",
        b"\0\0"
        + b"\x77" * 8
        + b"MAIL FROM:<a@x.com> SIZE="
        + many(5000, b"9")
        + b"\r\n",
        b"\0\1"
        + b"\x44" * 8
        + b"EHLO x\r\nAUTH LOGIN\r\nYXBp\r\n*\r\nAUTH PLAIN\r\n=\r\n",
        b"\1\1"
        + b"\x33" * 8
        + b"HELO x\r\nSTARTTLS\r\nAUTH X\r\nVRFY\r\nRSET\r\n\xff\r\n",
        b"\0\0" + b"\x22" * 8 + b'MAIL FROM:<"a b"@[1.2.3.4]> BODY=8BITMIME\r\n'
        b"RCPT TO:<bounce+450+no%20way@x>\r\nRCPT TO:<postmaster>\r\n",
        b"\0\0" + b"\x11" * 8 + b"RCPT TO:<" + many(8000, b"a") * 2,
    ),
    Saboteur(
        "mailbalance.sandbox.smtp:SmtpProtocol._take_line",
        lambda sound: (
            lambda self: (
                bool(self._inbox.clear())
                if self._inbox.startswith(b"\n")
                else sound(self)
            )
        ),
        b"\0\0" + b"\x2d" * 8 + b"NOOP\r\n\nNOOP\r\n",
    ),
    # A line too long to be taken, whether or not its end came with it.
    found=(
        b"\0\0w-\xfdwwwwwwwMA\0\0IL FROM:<a@x.com>\xfaa\xff\xfa SIZE=a\xff\x9d9\r\n",
    ),
    longest=500,
)


def check_reading(data: bytes) -> None:
    parsed = read_mime(stretched(data), ["b@y.com"])
    assert isinstance(parsed.subject, str)
    assert all(
        isinstance(each, str) for each in (*parsed.to, *parsed.cc, parsed.sender)
    )


READING = Target(
    "sandbox-reading",
    check_reading,
    (
        b"From: " + many(1500, b"(") + b"\r\n\r\n",
        b"From: a@x.com\r\nTo: b@y.com\r\nSubject: =?utf-8?q?=C3=A4?=\r\n\r\nx\r\n",
        b"From: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n--b--\r\n",
        b"X-MT-Custom-Variables: [1]\r\nX-SES-MESSAGE-TAGS: a=b,c\r\n\r\n",
        b"Content-Type: text/plain; charset=x-unknown\r\n\r\n\xff",
    ),
    Saboteur(
        "mailbalance.sandbox.reading:_shown",
        lambda sound: (
            lambda name, email: (
                None if re.search("[^a-z.@]", email) else sound(name, email)
            )
        ),
        b"To: b+c@y.com\r\n\r\n",
    ),
)

TARGETS = (SMTP, READING)
