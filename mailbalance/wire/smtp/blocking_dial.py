"""The opening of a session on a blocking socket, with smtplib.

What lives here: connecting, TLS, EHLO and AUTH, each within its limit. What must not:
anything about a message.
"""

from __future__ import annotations

import smtplib
import time
from typing import TYPE_CHECKING, Any

from mailbalance.errors import DeliveryError
from mailbalance.secret import bare, frameless
from mailbalance.wire.net.connect import reach
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.smtp.blocking import SocketLine
from mailbalance.wire.smtp.commands import Features
from mailbalance.wire.smtp.connection import Connection
from mailbalance.wire.smtp.faults import FOREIGN, cause_to_show, refusal, translate
from mailbalance.wire.smtp.opening import (
    EHLO_NAME,
    data_before_tls,
    mechanism,
    must_be_loopback,
    must_offer_starttls,
)
from mailbalance.wire.smtp.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.smtp.server import Credentials, Server
    from mailbalance.wire.smtp.verdict import Rule


def dial(
    server: Server, deadline: Deadline, rules: tuple[Rule, ...]
) -> Connection[SocketLine]:
    """Open a session, ready for its first message.

    Raises:
        DeliveryError: When that failed; nothing was said of any message.
    """
    opening = _Opening(server, deadline, rules)
    try:
        with frameless():
            return opening.run()
    except (*FOREIGN, smtplib.SMTPException) as error:
        opening.abort()
        failure = translate(error, opening.phase, server, rules)
        cause = cause_to_show(error, opening.phase, server)
    except BaseException as error:
        opening.abort()
        if isinstance(error, DeliveryError):
            bare(error)  # its frames hold the reply, which may be an echo of the login
        raise
    raise failure from cause


class _Opening:
    """One session on its way to being open."""

    def __init__(
        self, server: Server, deadline: Deadline, rules: tuple[Rule, ...]
    ) -> None:
        self.phase = "connect"
        self._server = server
        self._deadline = deadline
        self._rules = rules
        self._line: SocketLine | None = None

    def run(self) -> Connection[SocketLine]:
        sock = reach(
            self._server.host, self._server.port, time.monotonic() + self.limit()
        )
        line = self._line = SocketLine(sock)
        if self._server.security == "off":
            must_be_loopback(sock)
        if self._server.security == "implicit":
            self._start_tls(line)
        smtp = _Smtp(line, self.limit)
        self._expect(220, "greeting", smtp.getreply)
        self._expect(250, "ehlo", smtp.ehlo)
        if self._server.security == "starttls":
            self._upgrade(smtp, line)
        if self._server.credentials is not None:
            self._log_in(smtp, self._server.credentials)
        return Connection(line, Features.of(smtp.esmtp_features), time.monotonic())

    def limit(self) -> float:
        """Return the seconds that are left: all phases of opening share them."""
        return self._deadline.opening()

    def abort(self) -> None:
        if self._line is not None:
            self._line.abort()

    def _start_tls(self, line: SocketLine) -> None:
        self.phase = "tls"
        context = client_context(self._server.ca)
        line.start_tls(context, self._server.host, self.limit())

    def _upgrade(self, smtp: _Smtp, line: SocketLine) -> None:
        must_offer_starttls(smtp.esmtp_features)
        self._expect(220, "starttls", lambda: smtp.docmd("STARTTLS"))
        if not line.empty:
            raise data_before_tls()
        self._start_tls(line)
        smtp.forget()
        self._expect(250, "ehlo", smtp.ehlo)

    def _log_in(self, smtp: _Smtp, credentials: Credentials) -> None:
        chosen = mechanism(smtp.esmtp_features)
        smtp.user, smtp.password = credentials.user, credentials.password
        act = smtp.auth_plain if chosen == "PLAIN" else smtp.auth_login
        self._expect(235, "auth", lambda: smtp.auth(chosen, act))

    def _expect(
        self, code: int, phase: str, act: Callable[[], tuple[int, bytes]]
    ) -> None:
        self.phase = phase
        found, text = act()
        if found != code:
            lines = tuple(text.decode("utf-8", "replace").split("\n"))
            raise refusal(Reply(found, lines), phase, self._server, self._rules)


class _Smtp(smtplib.SMTP):
    """smtplib's client on our line: our limits, our parser of replies."""

    def __init__(self, line: SocketLine, limit: Callable[[], float]) -> None:
        super().__init__(local_hostname=EHLO_NAME)
        self._line = line
        self._limit = limit

    def send(self, s: Any) -> None:
        """Write one command."""
        data = s.encode("ascii") if isinstance(s, str) else bytes(s)
        self._line.write(data, self._limit())

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply."""
        reply = self._line.read(self._limit())
        return reply.code, "\n".join(reply.lines).encode()

    def forget(self) -> None:
        """Forget what was said before TLS (RFC 3207 section 4.2)."""
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
