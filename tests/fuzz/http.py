"""The target of HTTP replies.

What must hold: the same reply however its bytes come; the one that a second reader sees,
where that sees one; caps on its head and its body.
"""

from typing import Any

import h11

from mailbalance.wire.http.errors import BrokenError
from mailbalance.wire.http.reply import HEAD_LIMIT, REPLY_LIMIT, ReplyReader
from tests.fuzz.choices import Choices, many, stretched
from tests.fuzz.target import Saboteur, Target


def _read(pieces: list[bytes]) -> tuple[Any, ...]:
    reader = ReplyReader()
    try:
        for piece in filter(None, pieces):
            reader.feed(piece)
        if not reader.done:
            reader.feed(b"")
    except BrokenError:
        return ("broken",)
    reply = reader.reply
    assert reply is not None
    assert len(reply.body) <= REPLY_LIMIT
    assert sum(len(n) + len(v) for n, v in reply.headers.items()) <= HEAD_LIMIT
    return (
        reply.status,
        reply.headers,
        bytes(reply.body),
        bool(reply.fault),
        reader.clean,
    )


def _read_by_h11(data: bytes) -> tuple[int, bytes] | None:
    """Read one whole reply with a reader of its own; ``None`` where it sees none."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="POST", target="/", headers=[("host", "h")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    reader.receive_data(b"")
    status, body = 0, b""
    try:
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None


def check_http(data: bytes) -> None:
    choices = Choices(data)
    ends = choices.taken(8)
    whole = stretched(choices.rest())
    found = _read([whole])

    other = _read(Choices(ends).pieces(whole))
    assert other[:4] == found[:4]
    # The parser passes over line ends before a reply, so those after one go unnoticed.
    assert other == found or whole.endswith((b"\r", b"\n"))
    if found != ("broken",) and not found[3]:
        assert _read_by_h11(whole) in (None, (found[0], found[2]))


_OK = b"HTTP/1.1 200 OK\r\n"
HTTP = Target(
    "http-replies",
    check_http,
    (
        b"\x08" * 8 + _OK + b"Content-Length: 2\r\nA: b\r\n\r\n{]",
        b"\x08" * 8 + b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + b"\r\nuntil the end",
        b"\x21" * 8
        + _OK
        + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{]\r\n0\r\nT: x\r\n\r\n",
        b"\x08" * 8 + b"HTTP/1.0 503 x\r\nConnection: close\r\n\r\nx",
        b"\x08" * 8 + _OK + b"Content-Length: 1\r\n\r\n{]" + _OK + b"\r\n",
        b"\x08" * 8 + _OK + b"X: " + many(8000, b"x") + b"\r\n\r\n",
        b"\x08" * 8 + b"HTTP/1.1 204 No Content\r\n\r\n",
    ),
    Saboteur(
        "mailbalance.wire.http.reply:ReplyReader.on_body",
        lambda sound: lambda self, chunk: sound(self, chunk.replace(b"}", b"")),
        b"\x08" * 8 + _OK + b"Content-Length: 1\r\n\r\n}",
    ),
)

TARGETS = (HTTP,)
