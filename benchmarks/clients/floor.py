"""Bytes that are ready, written to a bare socket: no library can cost less.

What lives here: those sockets. What must not: anything that could go wrong; nothing is
checked but that a reply has come.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from measuring import mail

#: As long as a signed request's.
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Authorization: {signature}\r\nContent-Length: {length}\r\n\r\n"
)


def _connected(url: str, ca: str | None) -> socket.socket:
    port = urlsplit(url).port
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if ca is None:
        return sock
    return ssl.create_default_context(cafile=ca).wrap_socket(
        sock, server_hostname="127.0.0.1"
    )


def post(
    url: str, ca: str | None = None, size: int = 0, path: str = "/v2", messages: int = 1
) -> Callable[[int], None]:
    """Send a request as long as the mail's, over and over."""
    content = mail.file(size).hex()[: size * 4 // 3]
    one = {"to": mail.TO, "text": mail.text(), "html": mail.html(), "file": content}
    body = json.dumps(one if messages == 1 else {"requests": [one] * messages})
    head = HEAD.format(path=path, signature="x" * 200, length=len(body))
    request = (head + body).encode()
    sock = _connected(url, ca)

    def run(number: int) -> None:
        for _ in range(number):
            sock.sendall(request)
            while not sock.recv(65536).endswith(b"}"):
                pass

    return run


def smtp(port: int, size: int = 0, pipelined: bool = True) -> Callable[[int], None]:
    """Send envelope and message, over and over."""
    line = mail.file(57).hex()[:76] + "\r\n"
    content = mail.text() + mail.html()
    message = content.replace("\n", "\r\n") + line * (size * 4 // 3 // 76)
    commands = [
        b"MAIL FROM:<ana@example.com>\r\n",
        b"RCPT TO:<ben@example.com>\r\n",
        b"DATA\r\n",
    ]
    steps = [b"".join(commands)] if pipelined else commands
    whole = message.encode() + b".\r\n"
    sock = _connected(f"//127.0.0.1:{port}", None)
    _say(sock, b"", 1)
    _say(sock, b"EHLO floor\r\n", 1)

    def run(number: int) -> None:
        for _ in range(number):
            for step in steps:
                _say(sock, step, step.count(b"\n"))
            _say(sock, whole, 1)

    return run


def _say(sock: socket.socket, data: bytes, replies: int) -> None:
    """Say something, and read as many replies as it has."""
    sock.sendall(data)
    read = b""
    while sum(line[3:4] == b" " for line in read.split(b"\r\n")[:-1]) < replies:
        read += sock.recv(65536)
