"""Targets of one SMTP transaction: the dialogue about a message, and its bytes.

What must hold: *accepted* only after a clear yes to the dot, and *not accepted* never after
the dot without a clear no; nothing leaves but the commands of one transaction; on the wire,
one end of the message and no other.
"""

import re
from types import SimpleNamespace
from typing import Any

from mailbalance.backends._mailtrap_smtp_replies import REPLIES as MAILTRAP
from mailbalance.backends._ses_smtp_replies import REPLIES as SES
from mailbalance.errors import DeliveryError, UnknownOutcomeError
from mailbalance.wire.net.deadline import Deadline
from mailbalance.wire.smtp.body import CHUNK, canonical, chunks, stuffed
from mailbalance.wire.smtp.commands import Features, Mail
from mailbalance.wire.smtp.replies import MalformedReplyError, Reply, ReplyReader
from mailbalance.wire.smtp.steps import Accepted, Ask, BrokenError, Glance, Read, Write
from mailbalance.wire.smtp.transaction import DOT, Transaction
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.target import Saboteur, Target


class _Line:
    """The other end: bytes that were there before anything was said.

    Attributes:
        wrote: What the client wrote.
        heard: The replies it was given, and whether the dot was out by then.
    """

    def __init__(self, said: bytes, kind: Any, *, early: bool) -> None:
        self.wrote = b""
        self.heard: list[tuple[Reply, bool]] = []
        self._reader = ReplyReader()
        self._reader.feed(said)
        self._kind = kind
        self._early = early

    def do(self, step: Any, *, committed: bool) -> Reply | None:
        """Carry one step out."""
        if isinstance(step, Write):
            self.wrote += step.data
            if not isinstance(step, Ask):
                return None
        if isinstance(step, Glance) and not self._early:
            return None
        try:
            reply = self._reader.next()
        except MalformedReplyError as error:
            raise BrokenError(str(error), "garbled") from error
        if reply is not None:
            self.heard.append((reply, committed))
        elif isinstance(step, (Ask, Read)):
            raise BrokenError("that was all", self._kind)
        return reply


def check_dialogue(data: bytes) -> None:
    choices = Choices(data)
    mail = Mail(
        "a@x.example",
        tuple(f"{n}@y.example" for n in range(1 + choices.number(3))),
        choices.some(40),
    )
    features = Features(0, choices.yes(), choices.yes(), choices.yes())
    kind = choices.one_of(("closed", "timeout"))
    transaction = Transaction(
        mail,
        features,
        Deadline(30, clock=lambda: 0.0),
        rules=choices.one_of(((), SES, MAILTRAP)),
        reset=choices.yes(),
    )
    early = choices.yes()
    line = _Line(stretched(choices.rest()), kind, early=early)
    result = _driven(transaction, line)

    in_the_end = [reply for reply, committed in line.heard if committed]
    whole = line.wrote.endswith(stuffed(canonical(mail.content)) + DOT)
    if isinstance(result, Accepted):
        assert whole
        assert 200 <= in_the_end[-1].code < 300
        assert set(result.recipients) | set(result.refused) == set(mail.recipients)
        assert not set(result.recipients) & set(result.refused)
        assert result.recipients
    elif isinstance(result, UnknownOutcomeError):
        assert transaction.committed
        assert not any(reply.code >= 400 for reply in in_the_end)
        assert not transaction.keep
    elif transaction.committed:
        assert in_the_end[-1].code >= 400
    assert line.wrote.count(DOT) >= transaction.committed
    _must_be_commands(line.wrote, mail, transaction)


def _must_be_commands(wrote: bytes, mail: Mail, transaction: Transaction) -> None:
    """Nothing but the commands of one transaction leaves, each of them once."""
    envelope = [f"MAIL FROM:<{mail.sender}>"]
    envelope += [f"RCPT TO:<{each}>" for each in mail.recipients]
    lines = wrote.partition(b"DATA\r\n")[0].decode().split("\r\n")
    commands = [line.partition(" SIZE")[0] for line in lines[:-1]]
    commands = [line.partition(" BODY")[0] for line in commands if line != "RSET"]
    assert lines[-1] == ""
    assert commands == envelope[: len(commands)]
    if transaction.committed:
        assert commands == envelope


def _driven(transaction: Transaction, line: _Line) -> Accepted | DeliveryError:
    steps = transaction.run()
    try:
        step = next(steps)
        while not isinstance(step, Accepted):
            try:
                answer = line.do(step, committed=transaction.committed)
            except BrokenError as broken:
                step = steps.throw(broken)
            else:
                step = steps.send(answer)
    except DeliveryError as error:
        return error
    return step


def _believing_any_reply(sound: Any) -> Any:
    return property(lambda self: 200 <= self.code < 400)


DIALOGUE = Target(
    "smtp-dialogue",
    check_dialogue,
    (
        b"\x01\x05hello\1\1\1\0\0\0\0" + b"250 ok\r\n" * 3 + b"354 go\r\n250 id\r\n",
        b"\x02\x03a\n.\0\0\0\0\0\1\0"
        + b"250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n451 x\r\n",
        b"\x00\x03.\r\n\1\1\1\0\0\0\0" + b"250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n",
        b"\x00\x03.\r\n\1\1\1\0\0\0\0" + b"250 ok\r\n250 ok\r\n354 go\r\n",
        b"\x00\x01x\0\1\0\0\1\1\1" + b"250 ok\r\n421 bye\r\n",
    ),
    Saboteur(
        "mailbalance.wire.smtp.replies:Reply.positive",
        _believing_any_reply,
        b"\0\1x\0\0\0\0\0\0\0" + b"250 ok\r\n" * 2 + b"354 go\r\n354 go\r\n",
    ),
)

#: How servers that are not strict end a message (VU#302671 and what followed it).
_LENIENT_ENDS = [
    re.compile(before + rb"\." + after)
    for before in (rb"\r\n", rb"(?<!\r)\n", rb"\r(?!\n)")
    for after in (rb"\r\n", rb"\n", rb"\r(?!\n)")
]


def check_body(data: bytes) -> None:
    content = stretched(data)
    sent = b"".join(map(bytes, chunks(stuffed(canonical(content)))))
    wire = b"\r\n" + sent + DOT

    assert all(len(chunk) <= CHUNK for chunk in chunks(sent))
    for end in _LENIENT_ENDS:
        places = [found.end() for found in end.finditer(wire)]
        assert places in ([], [len(wire)])
    assert wire.endswith(b"\r\n.\r\n")
    lines = sent.split(b"\r\n")
    assert lines.pop() == b""
    received = [line[1:] if line.startswith(b".") else line for line in lines]
    assert received == _lines(content)
    assert canonical(canonical(content)) == canonical(content)


def _lines(content: bytes) -> list[bytes]:
    """The lines of a message, by a reader of its own: one byte at a time."""
    lines, line, after_return = [], bytearray(), False
    for byte in content:
        if byte == 0x0A and after_return:
            after_return = False
            continue
        after_return = byte == 0x0D
        if byte in b"\r\n":
            lines.append(bytes(line))
            line.clear()
        else:
            line.append(byte)
    ended = content.endswith((b"\r", b"\n"))
    return lines if ended else [*lines, bytes(line)]


BODY = Target(
    "smtp-body",
    check_body,
    (
        b"Subject: x\r\n\r\nhello\r\n",
        b"a\n.\nMAIL FROM:<x@x>\r\n.\r\n",
        b".\r.\r\n.\n..\r\r\n\n.",
        many(2000, b"x") + b"\r\n.\r" + many(60, b"."),
    ),
    Saboteur(
        "mailbalance.wire.smtp.body:_LINE_END",
        lambda sound: SimpleNamespace(
            sub=lambda end, content: re.sub(rb"\r\n|\n|\r(?!\0)", end, content)
        ),
        b"a\r\0",
    ),
)

TARGETS = (DIALOGUE, BODY)
