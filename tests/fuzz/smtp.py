"""Targets of what an SMTP server says: replies, EHLO, and what a refusal means.

What must hold: the same replies however the bytes come; only the reader's own error; a
bounded buffer; both libraries' readings of EHLO lead to the same decisions; no passing
trouble taken for a lasting one.
"""

import re
import smtplib
from typing import Any

from aiosmtplib.esmtp import parse_esmtp_extensions

from mailbalance.backends._mailtrap_smtp_replies import REPLIES as MAILTRAP
from mailbalance.backends._ses_smtp_replies import REPLIES as SES
from mailbalance.errors import (
    RejectedError,
    UnavailableError,
)
from mailbalance.wire.smtp.commands import Features
from mailbalance.wire.smtp.opening import mechanism, must_offer_starttls
from mailbalance.wire.smtp.replies import (
    LINE_LIMIT,
    LINES_LIMIT,
    MalformedReplyError,
    Reply,
    ReplyReader,
)
from mailbalance.wire.smtp.verdict import Rule, judge
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.target import Saboteur, Target

#: What must never reach a log; the replacement character may.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


#: Bytes that are also fed one at a time.
_FEW = 200


def replies_of(pieces: list[bytes]) -> tuple[list[Reply], str]:
    """Feed a reader piece by piece; give its replies, and how it ended."""
    reader, found = ReplyReader(), []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (reply := reader.next()) is not None:
                found.append(reply)
        except MalformedReplyError as error:
            return found, str(error)
        assert len(reader._buffer) < LINE_LIMIT
        assert len(reader._lines) < LINES_LIMIT
    return found, "" if reader.empty else "unfinished"


def check_replies(data: bytes) -> None:
    choices = Choices(data)
    ends = choices.taken(8)
    whole = stretched(choices.rest())
    found, end = replies_of([whole])

    assert replies_of(Choices(ends).pieces(whole)) == (found, end)
    if len(whole) < _FEW:
        singly = [whole[n : n + 1] for n in range(len(whole))]
        assert replies_of(singly) == (found, end)
    for reply in found:
        assert 200 <= reply.code < 600
        assert not any(map(_CONTROL.search, reply.lines))
        last = len(reply.lines) - 1
        again = "".join(
            f"{reply.code}{'-' if at < last else ' '}{line}\r\n"
            for at, line in enumerate(reply.lines)
        )
        if max(map(len, reply.lines)) < LINE_LIMIT // 4:
            assert replies_of([again.encode()]) == ([reply], "")


def _dropping_what_is_over(sound: Any) -> Any:
    def feed(self: ReplyReader, data: bytes) -> None:
        sound(self, data.lstrip(b"\n") if len(data) > 3 else data)

    return feed


REPLIES = Target(
    "smtp-replies",
    check_replies,
    (
        b"\x10\x20\x2e\2\3\0\0\x00"
        b"250-a.example\r\n250-SIZE 1000\r\n250 HELP\r\n354 go\r\n221\r\n",
        b"\0" * 8 + b"220 a\n550 5.1.1 \x1b[2Jno\r\n",
        b"\0" * 8 + b"250" + many(LINE_LIMIT, b"-") + b"\r\n",
        b"\0" * 8 + b"250-a\r\n" * LINES_LIMIT,
        b"\0" * 8 + b"250-a\r\n251 b\r\n" + "550 \u2028é\r\n".encode(),
    ),
    Saboteur(
        "mailbalance.wire.smtp.replies:ReplyReader.feed",
        _dropping_what_is_over,
        b"\5" * 8 + b"250 a\n250 b\n",
    ),
    longest=1200,
)


class _Smtplib(smtplib.SMTP):
    """smtplib's reading of EHLO, given the reply."""

    def __init__(self, text: bytes) -> None:
        super().__init__(local_hostname="[127.0.0.1]")
        self._text = text

    def putcmd(self, cmd: str, args: str = "") -> None:
        pass

    def getreply(self) -> tuple[int, bytes]:
        return 250, self._text


def _decisions(extensions: dict[str, str]) -> tuple[Features, str, bool]:
    try:
        chosen: str = mechanism(extensions)
    except UnavailableError:
        chosen = ""
    try:
        must_offer_starttls(extensions)
    except UnavailableError:
        return Features.of(extensions), chosen, False
    return Features.of(extensions), chosen, True


def check_ehlo(data: bytes) -> None:
    for reply in replies_of([stretched(data)])[0]:
        text = "\n".join(reply.lines)
        client = _Smtplib(text.encode())
        client.ehlo()
        by_smtplib = _decisions(client.esmtp_features)
        by_aiosmtplib = _decisions(parse_esmtp_extensions(text)[0])

        for features, chosen, _ in (by_smtplib, by_aiosmtplib):
            assert 0 <= features.size < 10**20
            assert features.sized or not features.size
            assert chosen in ("", "PLAIN", "LOGIN")
        if all(map(_is_plain, reply.lines[1:])):
            assert by_smtplib[0] == by_aiosmtplib[0]
            assert by_smtplib[2] == by_aiosmtplib[2]


def _is_plain(line: str) -> bool:
    """Whether a line is what RFC 5321 section 4.1.1.1 has a server say."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*(?: [!-~]+)*", line) is not None


def _believing_any_size(sound: Any) -> Any:
    def of(cls: type[Features], extensions: dict[str, str]) -> Features:
        size = extensions.get("size", "")
        if size and not size.isdigit():
            return cls(-1, sized=True)
        return sound.__func__(cls, extensions)

    return classmethod(of)


EHLO = Target(
    "ehlo",
    check_ehlo,
    (
        b"250-a.example\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n"
        b"250-STARTTLS\r\n250 8BITMIME\r\n",
        b"250-x\r\n250-AUTH=LOGIN\r\n250-AUTH XOAUTH2\r\n250-SIZE\r\n250 size\r\n",
        b"250-x\r\n250-AUTH=PLAIN\r\n250 SIZE " + many(3900, b"9") + b"\r\n",
    ),
    Saboteur(
        "mailbalance.wire.smtp.commands:Features.of",
        _believing_any_size,
        b"250-x\r\n250 SIZE -1\r\n",
    ),
)

_PHASES = (
    "connect", "tls", "greeting", "ehlo", "starttls", "auth",
    "rset", "mail", "rcpt", "data", "body", "noop", "dot",
)  # fmt: skip


def check_verdict(data: bytes) -> None:
    choices = Choices(data)
    phase, rules = choices.one_of(_PHASES), choices.one_of(((), SES, MAILTRAP))
    for reply in replies_of([stretched(choices.rest())])[0]:
        error = judge(reply, phase, rules)

        assert error.outcome == "not_accepted"
        assert error.code == str(reply.code)
        assert error.phase == phase
        if reply.code < 500:
            assert not isinstance(error, RejectedError)
            assert error.try_next
        assert not _CONTROL.search(str(error))


VERDICT = Target(
    "smtp-verdict",
    check_verdict,
    (
        b"\x06\x01535 Authentication failed\r\n",
        b"\x0b\x02550 too many emails per second\r\n454 Throttling failure: Daily\r\n",
        b"\x0c\x01554 Message rejected: Email address is not verified.\r\n552 5.3.4 x\r\n",
        b"\x08\x02451 4.4.2 Timeout\r\n421 bye\r\n250 ok\r\n530 Must issue STARTTLS\r\n",
    ),
    Saboteur(
        "mailbalance.wire.smtp.verdict:ANY_SERVER",
        lambda rules: (Rule("49", RejectedError), *rules),
        b"\x00\x00490\r\n",
    ),
)

TARGETS = (REPLIES, EHLO, VERDICT)
