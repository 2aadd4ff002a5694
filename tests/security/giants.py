"""Backends with servers on this machine that keep nothing of what they are sent."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any

from mailbalance import Mailer, Message
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend

#: Taken whole from the kernel, so that reading costs this process no memory.
_BUFFER = bytearray(1 << 16)
_REPLY = b'{"success": true, "message_ids": ["%08d"], "MessageId": "%08d"}'
_given = itertools.count()  # no id is given twice


@contextlib.contextmanager
def backend_for(kind: str) -> Iterator[Any]:
    """Give a backend and run its server."""
    serve = _smtp if "smtp" in kind else _http
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=_listen, args=(listener, serve), daemon=True).start()
        yield _backend(kind, port)


def warm_up(mailer: Mailer) -> None:
    """Send something small, so that what is imported late is imported."""
    mailer.send(Message(from_="a@x.com", to="b@x.com", subject="s", text="t"))


def _backend(kind: str, port: int) -> Any:
    url = f"http://127.0.0.1:{port}"
    smtp: Any = {"host": "127.0.0.1", "port": port, "tls": "off"}
    if kind == "ses":
        keys = {"access_key": "A", "secret_key": "B", "region": "eu-west-1"}
        return SesBackend(endpoint=url, **keys)  # type: ignore[arg-type]
    if kind == "mailtrap":
        return MailtrapBackend(token="T", base_url=url)
    if kind == "ses-smtp":
        return SesSmtpBackend(username="A", password="B", **smtp)
    return MailtrapSmtpBackend(token="T", **smtp)


def _listen(listener: socket.socket, serve: Any) -> None:
    with contextlib.suppress(OSError):
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_serving, args=(serve, sock), daemon=True).start()


def _serving(serve: Any, sock: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError), sock:
        serve(sock)


def _http(sock: socket.socket) -> None:
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1 << 16) or _gone()
        head, _, body = head.partition(b"\r\n\r\n")
        (length,) = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        left = length - len(body)
        while left:
            left -= sock.recv_into(_BUFFER, min(left, len(_BUFFER))) or _gone()
        said = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        reply = _REPLY % ((next(_given),) * 2)
        sock.sendall(said + b"Content-Length: %d\r\n\r\n%s" % (len(reply), reply))


def _smtp(sock: socket.socket) -> None:
    sock.sendall(b"220 x\r\n")
    while True:
        line = b""
        while not line.endswith(b"\n"):
            line += sock.recv(1).upper() or _gone()
        if line.startswith(b"EHLO"):
            sock.sendall(b"250-x\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")
        elif line.startswith(b"AUTH"):
            sock.sendall(b"235 ok\r\n")
        elif line.startswith(b"DATA"):
            sock.sendall(b"354 go\r\n")
            tail = b""
            while not tail.endswith(b"\r\n.\r\n"):
                taken = sock.recv_into(_BUFFER) or _gone()
                tail = (tail + bytes(_BUFFER[max(0, taken - 5) : taken]))[-5:]
            sock.sendall(b"250 Ok 0100-%d\r\n" % next(_given))
        else:
            sock.sendall(b"250 ok\r\n")


def _gone() -> Any:
    raise ValueError("the client has gone")
