"""A scripted SMTP server on loopback, which can be cut at any point.

It is a witness: what it ``accepted`` is the truth that every verdict is held against.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import trustme

from mailbalance.wire.smtp import Credentials, Security, Server

FIN, RST, STALL = "<fin>", "<rst>", "<stall>"

GOOD: dict[str, Any] = {
    "greeting": "220 peer ready",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 sender ok",
    "RCPT": "250 2.1.5 recipient ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 Ok queued as 4Tx",
    "RSET": "250 2.0.0 reset",
    "QUIT": "221 2.0.0 bye",
}

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost", "127.0.0.1")
USER, PASSWORD = "api", "s3cret-token"


@dataclass
class Session:
    """What one connection said."""

    commands: list[str] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    tls: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class GoneError(Exception):
    """The session is over."""


class SmtpPeer:
    """Answers by ``replies``: text, raw bytes, an action, or a list of these in turn.

    A tuple is said and done one after the other: ``("250 ok", FIN)``.
    """

    def __init__(
        self,
        *,
        security: Security = "off",
        extensions: tuple[str, ...] = ("AUTH PLAIN LOGIN", "SIZE 10000000"),
        certificate: trustme.LeafCert = CERTIFICATE,
        **replies: Any,
    ) -> None:
        self.security = security
        self.extensions = extensions
        self.replies = {**GOOD, **replies}
        self.sessions: list[Session] = []
        self.accepted: list[tuple[str, tuple[str, ...], bytes]] = []
        self.most_at_once = 0
        self.parting = threading.Event()  # somebody said QUIT
        self._at_once = 0
        self._turns: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)

    def __enter__(self) -> "SmtpPeer":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def server(self, ca: str | None = None, **other: Any) -> Server:
        """Give the way here, as a client is told."""
        facts: dict[str, Any] = {
            "port": self.port,
            "security": self.security,
            "credentials": Credentials(USER, PASSWORD),
            "ca": ca,
            **other,
        }
        return Server("127.0.0.1", **facts)

    @property
    def commands(self) -> list[str]:
        """All commands of all sessions, but for EHLO and AUTH."""
        said = [each for session in self.sessions for each in session.commands]
        return [each for each in said if each[:4] not in ("EHLO", "AUTH", "STAR")]

    def wait(self, session: int = 0) -> Session:
        """Give a session once it is over."""
        assert self.sessions[session].done.wait(5)
        return self.sessions[session]

    def _spawn(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        session = Session()
        self.sessions.append(session)
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            _Dialogue(self, sock, session).run()
        except (GoneError, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._at_once -= 1
            session.done.set()

    def reply(self, key: str) -> Any:
        found = self.replies[key]
        if not isinstance(found, list):
            return found
        with self._lock:
            turn = self._turns[key]
            self._turns[key] += 1
        return found[min(turn, len(found) - 1)]


class _Dialogue:
    def __init__(self, peer: SmtpPeer, sock: socket.socket, session: Session) -> None:
        sock.settimeout(20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer, self.sock, self.session = peer, sock, session

    def run(self) -> None:
        try:
            if self.peer.security == "implicit":
                self._secure()
            self.file = self.sock.makefile("rb")
            self._say("greeting")
            for line in iter(self._line, None):
                self._take(line)
        finally:
            self.sock.close()

    def _secure(self) -> None:
        self.sock.getpeername()  # ssl leaks a socket whose peer has gone already
        self.sock = self.peer._context.wrap_socket(self.sock, server_side=True)
        self.session.tls = True

    def _line(self) -> str | None:
        line = self.file.readline()
        return line.decode("latin-1").rstrip("\r\n") if line else None

    def _take(self, line: str) -> None:
        verb = line[:4].upper()
        self.session.commands.append(verb + line[4:])
        if verb == "QUIT":
            self.peer.parting.set()
        act = getattr(self, f"_{verb.lower()}", None)
        if act is not None:
            act(line)
        elif verb in self.peer.replies:
            self._say(verb)
            if verb == "QUIT":
                raise GoneError
        else:
            self._send("500 what?")

    def _star(self, _line: str) -> None:
        if self._say("STARTTLS").startswith("220"):
            self._secure()
            self.file = self.sock.makefile("rb")

    def _auth(self, line: str) -> None:
        if line.upper().startswith("AUTH LOGIN"):
            self._send("334 UGFzc3dvcmQ6")
            self.session.commands.append(f"AUTH {self._line()}")
        self._say("AUTH")

    def _mail(self, line: str) -> None:
        self.sender, self.recipients = line, ()
        self._say("MAIL")

    def _rcpt(self, line: str) -> None:
        if self._say("RCPT").startswith("25"):
            self.recipients = (*self.recipients, line[9:-1])

    def _data(self, _line: str) -> None:
        if self._say("DATA").startswith("354"):
            self._content()

    def _ehlo(self, _line: str) -> None:
        if "EHLO" in self.peer.replies:
            self._say("EHLO")
            return
        extra = self.peer.extensions
        if self.peer.security == "starttls" and not self.session.tls:
            extra = ("STARTTLS",)
        lines = ["peer", *extra]
        last = len(lines) - 1
        self._send(
            "\r\n".join(f"250{' -'[at < last]}{line}" for at, line in enumerate(lines))
        )

    def _content(self) -> None:
        if "body" in self.peer.replies:
            self._say("body")
        lines: list[bytes] = []
        self.session.content = lines
        for line in iter(self.file.readline, b".\r\n"):
            if not line:
                raise GoneError
            lines.append(line)
        reply = self.peer.reply("dot")
        parts = reply if isinstance(reply, tuple) else (reply,)
        said = next((each for each in parts if isinstance(each, str | bytes)), "")
        said = said.decode() if isinstance(said, bytes) else said
        if self.recipients and said[:1] not in ("4", "5"):
            # Whatever becomes of the reply, the message is taken.
            self.peer.accepted.append(
                (self.sender[11:-1].split(">")[0], self.recipients, b"".join(lines))
            )
        self._do(reply)

    def _say(self, key: str) -> str:
        reply = self.peer.reply(key)
        self._do(reply)
        return str(reply[0] if isinstance(reply, tuple) else reply)

    def _do(self, reply: Any) -> None:
        for each in reply if isinstance(reply, tuple) else (reply,):
            if isinstance(each, threading.Event):
                each.wait(20)
            elif each == STALL:
                while self.sock.recv(65536):
                    pass
                raise GoneError
            elif each in (FIN, RST):
                self._cut(hard=each == RST)
            else:
                self._send(each)

    def _cut(self, *, hard: bool) -> None:
        if hard:
            linger = struct.pack("ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.file.close()
        self.sock.close()
        raise GoneError

    def _send(self, text: str | bytes) -> None:
        self.sock.sendall(text if isinstance(text, bytes) else f"{text}\r\n".encode())
