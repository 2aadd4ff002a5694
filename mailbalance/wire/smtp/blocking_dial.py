"""The opening of a session on a blocking socket, with smtplib.

What lives here: connecting, TLS, EHLO and AUTH, each within its limit. What must not:
anything about a message.
"""

from __future__ import annotations

import queue
import smtplib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from mailbalance.secret import bare, frameless
from mailbalance.wire.smtp.blocking import SocketLine
from mailbalance.wire.smtp.commands import Features
from mailbalance.wire.smtp.connection import Connection
from mailbalance.wire.smtp.faults import FOREIGN, refusal, translate
from mailbalance.wire.smtp.opening import (
    EHLO_NAME,
    data_before_tls,
    mechanism,
    must_be_loopback,
    must_offer_starttls,
    share,
)
from mailbalance.wire.smtp.replies import Reply
from mailbalance.wire.smtp.server import is_literal
from mailbalance.wire.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.wire.smtp.deadline import Deadline
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
        # smtplib's frames hold the password, and a reply to AUTH may quote it.
        secret = opening.phase == "auth"
        cause = None if secret else bare(error)
    except BaseException:
        opening.abort()
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
        sock = _connect(self._server, self.limit())
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
        """Give the seconds that one wait in the present phase may take."""
        return self._deadline.limit(self.phase)

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


def _connect(server: Server, limit: float) -> socket.socket:
    ends = time.monotonic() + limit
    found = _resolve(server, limit)
    failure: OSError | None = None
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(share(ends - time.monotonic(), len(found) - tried))
            sock.connect(address)
        except OSError as error:
            failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or TimeoutError


def _resolve(server: Server, limit: float) -> list[Any]:
    """Ask the resolver, in a thread that is left behind when it takes too long."""
    if is_literal(server.host):
        return socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(
                server.host, server.port, type=socket.SOCK_STREAM
            )
            answers.put(list(found))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="mailbalance-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=limit)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer
