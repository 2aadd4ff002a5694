"""The server's side of an SMTP conversation, without a network.

What lives here: one generator that says what it waits for (`Need`, or seconds to wait)
and collects its replies; RFC 5321 with STARTTLS (RFC 3207), AUTH (RFC 4954), PIPELINING
(RFC 2920). What must not: sockets, clocks, or the words of a provider (``SmtpDoor``).
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbalance.sandbox.smtp_doors import SmtpDoor


class Need(enum.Enum):
    """What the conversation waits for, or wants done."""

    LINE = "one command line, without its end"
    BODY = "the message up to the lone dot; None if it was too big"
    TLS = "a TLS handshake; what was received in clear is thrown away"
    DROP = "close the connection and never send what is still unsent"


#: Yields what is needed (a number: seconds to wait), gets the bytes that were read.
Steps = Generator[Need | float, bytes | None, None]

_LOCAL = r'(?:"(?:[^"\\\r\n]|\\.)*"|[^\s"@<>(),:;\\\[\]]+)'
_MAILBOX = rf"{_LOCAL}@(?:\[[^\]\s]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
_FROM = re.compile(rf"FROM: ?<({_MAILBOX}|)>((?: +\S+)*) *", re.IGNORECASE)
_TO = re.compile(rf"TO: ?<({_MAILBOX}|postmaster)>((?: +\S+)*) *", re.IGNORECASE)


class Dialogue:
    """One SMTP connection.

    Attributes:
        outbox: Replies not sent yet.
        tls: Whether the connection is encrypted.
        user: Who logged in, or ``None``.
        sender: Envelope sender of the open transaction, or ``None`` if there is none.
        recipients: Its accepted recipients.
        begun: Transactions begun on this connection.
        sent: Messages accepted on it.
    """

    def __init__(self, door: SmtpDoor, *, tls: bool, gone: Callable[[], bool]) -> None:
        self.outbox = bytearray()
        self.tls = tls
        self.user: str | None = None
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.begun = 0
        self.sent = 0
        self._door = door
        self._gone = gone
        self._greeted = False
        self._over = False
        self._short: dict[str, Callable[[str], str]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "RSET": self._rset,
            "NOOP": lambda _: door.words.ok,
            "VRFY": lambda _: door.words.vrfy,
            "QUIT": self._quit,
        }
        self._long: dict[str, Callable[[str], Steps]] = {
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "DATA": self._data,
        }

    def steps(self) -> Steps:
        """Hold the conversation until it is over."""
        if refusal := self._door.turn_away():
            self._say(refusal)
            return
        self._say(self._door.words.banner)
        while not self._over:
            line = yield Need.LINE
            try:
                text = (line or b"").decode("ascii")
            except UnicodeDecodeError:
                self._say(self._door.words.not_ascii)
                continue
            verb, _, rest = text.partition(" ")
            yield from self._command(verb.upper(), rest.strip())

    def _command(self, verb: str, rest: str) -> Steps:
        if verb in self._short:
            self._say(self._short[verb](rest))
        elif verb in self._long:
            yield from self._long[verb](rest)
        else:
            self._say(self._door.words.unknown_command)

    def _say(self, reply: str) -> None:
        self.outbox += reply.encode("ascii", "replace") + b"\r\n"
        self._over = self._over or reply.startswith(("421", "221"))

    def _ehlo(self, name: str) -> str:
        if not name:
            return self._door.words.syntax
        self._greeted = True
        self._reset()
        lines = self._door.extensions(tls=self.tls)
        return "\r\n".join(
            [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        )

    def _helo(self, name: str) -> str:
        if not name:
            return self._door.words.syntax
        self._greeted = True
        self._reset()
        return f"250 {self._door.words.host}"

    def _quit(self, _: str) -> str:
        return self._door.words.bye

    def _rset(self, _: str) -> str:
        self._reset()
        return self._door.words.ok

    def _reset(self) -> None:
        self.sender = None
        self.recipients = []

    def _starttls(self, rest: str) -> Steps:
        if rest or self.tls:
            self._say(self._door.words.syntax if rest else self._door.words.sequence)
            return
        self._say(self._door.words.start_tls)
        yield Need.TLS
        # RFC 3207 4.2: what was learnt before the handshake is forgotten
        self.tls = True
        self._greeted = False
        self._reset()

    def _auth(self, rest: str) -> Steps:
        words = self._door.words
        if self._door.require_tls and not self.tls:
            self._say(words.tls_first)
        elif not self._greeted or self.user is not None:
            self._say(words.sequence)
        else:
            mechanism, _, initial = rest.partition(" ")
            method = {"PLAIN": self._plain, "LOGIN": self._login}.get(mechanism.upper())
            if method is None:
                self._say(words.unknown_mechanism)
            else:
                yield from method(initial)

    def _plain(self, initial: str) -> Steps:
        if not initial:
            self._say("334 ")
            initial = ((yield Need.LINE) or b"").decode("latin-1")
        parts = (_decode(initial) or b"").split(b"\0")
        if len(parts) != 3:
            self._say(self._door.words.syntax)
        else:
            self._finish_login(parts[1], parts[2])

    def _login(self, initial: str) -> Steps:
        if not initial:
            self._say("334 VXNlcm5hbWU6")
            initial = ((yield Need.LINE) or b"").decode("latin-1")
        user = _decode(initial)
        if user is None:  # a lone "*" is how a client gives up: RFC 4954, section 4
            self._say(self._door.words.syntax)
            return
        self._say("334 UGFzc3dvcmQ6")
        password = _decode(((yield Need.LINE) or b"").decode("latin-1"))
        if password is None:
            self._say(self._door.words.syntax)
        else:
            self._finish_login(user, password)

    def _finish_login(self, user: bytes, password: bytes) -> None:
        name = user.decode("utf-8", "replace")
        refusal = self._door.login(self, name, password.decode("utf-8", "replace"))
        if refusal is None:
            self.user = name
        self._say(refusal or self._door.words.logged_in)

    def _mail(self, rest: str) -> str:
        words = self._door.words
        match = _FROM.fullmatch(rest)
        if self._door.require_tls and not self.tls:
            return words.tls_first
        if self.user is None:
            return words.login_first
        if not self._greeted or self.sender is not None:
            return words.sequence
        if match is None:
            return words.bad_sender
        self.begun += 1
        refusal = self._door.mail(self, match[1], match[2].split())
        if refusal is None:
            self.sender = match[1]
        return refusal or words.sender_ok

    def _rcpt(self, rest: str) -> str:
        words = self._door.words
        if self.sender is None:
            return words.sequence
        match = _TO.fullmatch(rest)
        if match is None:
            return words.bad_recipient
        refusal = self._door.rcpt(self, match[1], match[2].split())
        if refusal is None:
            self.recipients.append(match[1])
        return refusal or words.recipient_ok

    def _data(self, rest: str) -> Steps:
        words = self._door.words
        if rest or not self.recipients:
            self._say(words.syntax if rest else words.sequence)
            return
        self._say(words.go_ahead)
        body = yield Need.BODY
        strike = self._door.strike()
        if strike.delay:
            yield strike.delay
        reply = self._door.receive(self, body, strike, gone=self._gone())
        self._reset()
        if reply is None:
            self._over = True
            yield Need.DROP
        else:
            self._say(reply)


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
