"""A whole submission server without sockets: greeting, TLS, AUTH, any number of mails.

It reads the dialogue on its own, and what it ``took`` is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.wire.memory import CLIENT_HELLO, SERVER_HELLO
from tests.wire.smtp_simulation import SimulatedServer

GOOD = {
    "greeting": "220 sim ready",
    "STARTTLS": "220 go",
    "AUTH": "235 2.7.0 in",
    "QUIT": "221 bye",
}


@dataclass(frozen=True)
class Taken:
    """A message the server took responsibility for."""

    recipients: tuple[str, ...]
    content: str


@dataclass
class Submission(SimulatedServer):
    """Speaks as a submission server does; ``replies`` by verb, ``EHLO2`` in TLS."""

    security: str = "off"
    pipelining: bool = False
    took: list[Taken] = field(default_factory=list)
    over: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hello = self.security == "implicit"
        self._secured = False
        if not self._hello:
            self._greet()

    def feed(self, data: bytes) -> None:
        if self.over:
            return
        if self._hello:
            self._inbox += data
            data = self._shake_hands()
        super().feed(data)

    def _shake_hands(self) -> bytes:
        if not CLIENT_HELLO.startswith(self._inbox[: len(CLIENT_HELLO)]):
            self.over = True
        if self.over or len(self._inbox) < len(CLIENT_HELLO):
            return b""
        del self._inbox[: len(CLIENT_HELLO)]
        self._hello, self._secured = False, True
        self.out += SERVER_HELLO
        if self.security == "implicit":
            self._greet()
        return b""

    def _greet(self) -> None:
        self._answer("greeting")

    def _take(self, line: str) -> None:
        verb = line[:4].upper()
        if self._data or verb not in ("EHLO", "STAR", "AUTH", "MAIL", "RSET", "QUIT"):
            super()._take(line)
            return
        self.commands.append(line)
        if verb == "EHLO":
            self._ehlo()
        elif verb == "STAR":
            self._hello = self._answer("STARTTLS").startswith("220")
        elif verb == "MAIL":
            self._begin()
            self._answer(verb)
        else:
            self._answer(verb)
            self._begin()
            self.over = verb == "QUIT"

    def _begin(self) -> None:
        self._recipients, self.content = [], []

    def _ehlo(self) -> None:
        reply = self.replies.get("EHLO2" if self._secured else "EHLO")
        lines = [
            "sim",
            *["STARTTLS"] * (self.security == "starttls" and not self._secured),
        ]
        lines += ["PIPELINING"] * self.pipelining + ["AUTH PLAIN"]
        last = len(lines) - 1
        self._say(
            reply or "\r\n".join(f"250{' -'[n < last]}{x}" for n, x in enumerate(lines))
        )

    def _answer(self, verb: str) -> str:
        reply = self.replies.get(verb) or GOOD.get(verb, "250 ok")
        self._say(reply)
        return reply

    def _end(self) -> None:
        self.accepted = ()
        super()._end()
        if self.accepted:
            self.took.append(Taken(self.accepted, "\n".join(self.content)))
        self._begin()
