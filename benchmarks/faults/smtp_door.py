"""An SMTP server that fails as it is told.

What lives here: the acts of a script, and SMTP as far as they need it.
"""

from __future__ import annotations

import ssl
from typing import BinaryIO

from faults.doors import ADDRESS, Door, reset

_GREETING = b"220 localhost ready\r\n"
_EHLO = (
    b"250-localhost\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250-PIPELINING\r\n"
    b"250 SIZE 40000000\r\n"
)
_REFUSALS = {"refused": b"550 5.1.1 no such user\r\n", "later": b"451 4.2.1 later\r\n"}


class SmtpDoor(Door):
    """Takes messages after any AUTH.

    Acts: ``ok``; ``reset`` (at the dot, not accepted); ``+reset`` (at the dot, accepted);
    ``451`` (the reply to the dot); ``cut`` (a reset in the middle of the message);
    ``+close`` (accepted and told, then the connection is closed). A recipient
    ``m1-refused@`` gets 550, ``m1-later@`` gets 451 at the first attempt of its message.
    """

    def serve(self, sock: ssl.SSLSocket) -> None:
        """Hold the dialogue."""
        recipients: list[str] = []
        act = "ok"
        sock.sendall(_GREETING)
        with sock.makefile("rb") as reader:
            while line := reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    sock.sendall(_EHLO)
                elif verb == b"AUTH":
                    self._auth(sock, reader, line)
                elif verb == b"RCPT":
                    sock.sendall(self._rcpt(line, recipients))
                elif verb == b"DATA":
                    message = recipients[0] if recipients else ""
                    act = self.act(
                        message.replace("-later", "").replace("-refused", "")
                    )
                    sock.sendall(b"354 go on\r\n")
                    if not self._data(sock, reader, act, recipients):
                        return
                    recipients = []
                elif verb == b"QUIT":
                    sock.sendall(b"221 bye\r\n")
                    return
                else:
                    recipients = []
                    sock.sendall(b"250 ok\r\n")

    def _auth(self, sock: ssl.SSLSocket, reader: BinaryIO, line: bytes) -> None:
        if len(line.split()) < 3:
            sock.sendall(b"334 \r\n")
            reader.readline()
        sock.sendall(b"235 welcome\r\n")

    def _rcpt(self, line: bytes, recipients: list[str]) -> bytes:
        address = ADDRESS.findall(line)[0].decode()
        kind = address.partition("@")[0].partition("-")[2]
        with self._lock:
            again = self._tries[f"RCPT {address}"] > 0
            self._tries[f"RCPT {address}"] += 1
        if kind == "refused" or (kind == "later" and not again):
            return _REFUSALS[kind]
        recipients.append(address)
        return b"250 ok\r\n"

    def _data(
        self, sock: ssl.SSLSocket, reader: BinaryIO, act: str, recipients: list[str]
    ) -> bool:
        """Read a message and answer; tells whether the session goes on."""
        if act == "cut":
            reader.read(10_000)
            reset(sock)
            return False
        if not any(line == b".\r\n" for line in reader):
            return False
        if act in ("ok", "+reset", "+close"):
            self.book.accept(recipients)
        if act in ("reset", "+reset"):
            reset(sock)
            return False
        sock.sendall(b"451 4.3.0 later\r\n" if act == "451" else b"250 Ok 0100-1\r\n")
        return act != "+close"
