"""SES's and Mailtrap's sending APIs without sockets, read by a parser of their own.

What a server ``took`` is the truth. A request counts when all its bytes are there and the
script says that it is accepted, whatever then becomes of the reply.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.wire.memory.sockets import CLIENT_HELLO, SERVER_HELLO

Api = Literal["ses", "mailtrap"]


class Numbered(dict[Api, bytes]):
    """Successes, each with an id of its own, as providers give them; all of one length."""

    _numbers = itertools.count()

    def __getitem__(self, api: Api) -> bytes:
        return super().__getitem__(api) % (next(self._numbers) % 0x10000)


SUCCESS = Numbered(
    ses=b'{"MessageId": "0100018f-%04x"}',
    mailtrap=b'{"success": true, "message_ids": ["%04x"]}',
)
REFUSAL = {
    "ses": b'{"__type": "BadRequestException", "message": "bad address"}',
    "mailtrap": b'{"success": false, "errors": ["bad address"]}',
}


def head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Said", *headers, "", ""]).encode()


def sized(status: int, body: bytes, *headers: str) -> bytes:
    return head(status, f"Content-Length: {len(body)}", *headers) + body


def chunked(status: int, body: bytes) -> bytes:
    """Give a reply in three chunks."""
    third = len(body) // 3
    parts = body[:third], body[third : 2 * third], body[2 * third :]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head(status, "Transfer-Encoding: chunked") + framed + b"0\r\n\r\n"


@dataclass(frozen=True)
class Script:
    """What a server makes of a request.

    Attributes:
        takes: Whether it accepts the message.
        reply: What it answers, by API.
        hangs_up: Whether it closes after that.
        early: Whether it answers, and closes, at the end of the head already.
    """

    takes: bool
    reply: Callable[[Api], bytes]
    hangs_up: bool = False
    early: bool = False


OK = Script(True, lambda api: sized(200, SUCCESS[api]))
IN_CHUNKS = Script(True, lambda api: chunked(200, SUCCESS[api]))
TO_THE_END = Script(True, lambda api: head(200) + SUCCESS[api], hangs_up=True)
CONTINUED = Script(
    True, lambda api: head(100) + head(102) + head(100) + sized(200, SUCCESS[api])
)
ONE_MORE = Script(True, lambda api: sized(200, SUCCESS[api]) + sized(200, b"{}"))
REFUSED = Script(False, lambda api: sized(400, REFUSAL[api]))
BUSY = Script(False, lambda _: sized(503, b"later", "Retry-After: 1"), hangs_up=True)
GATEWAY = Script(True, lambda _: chunked(502, b"<html>Bad Gateway</html>"))
WITHOUT_ID = Script(False, lambda _: sized(200, b'{"message": "what?"}'))
TOO_LARGE = Script(False, lambda _: sized(413, b""), hangs_up=True, early=True)


@dataclass
class HttpSubmission:
    """One connection of a server, perhaps behind a proxy, perhaps in TLS."""

    api: Api
    script: Callable[[], Script]
    took: list[Any] = field(default_factory=list)
    out: bytearray = field(default_factory=bytearray)
    over: bool = False

    def __post_init__(self) -> None:
        self._inbox = bytearray()

    def feed(self, data: bytes) -> None:
        self._inbox += data
        if self._inbox.startswith(b"CONNECT ") and b"\r\n\r\n" in self._inbox:
            _, _, self._inbox = self._inbox.partition(b"\r\n\r\n")
            self.out += b"HTTP/1.1 200 Connected\r\nVia: 1.1 proxy\r\n\r\n"
        if self._inbox.startswith(CLIENT_HELLO):
            del self._inbox[: len(CLIENT_HELLO)]
            self.out += SERVER_HELLO
        while not self.over and self._one():
            pass

    def _one(self) -> bool:
        """Deal with one request, if all of it is there."""
        end = self._inbox.find(b"\r\n\r\n")
        if end < 0:
            return False
        script = self.script()
        length = _length(bytes(self._inbox[:end]))
        if not script.early and len(self._inbox) < end + 4 + length:
            return False
        body = bytes(self._inbox[end + 4 : end + 4 + length])
        del self._inbox[: end + 4 + length]
        try:
            asked = json.loads(body or b"{}")
        except ValueError:  # the rest of one request, and another
            self.out += sized(400, b"")
            self.over = True
            return False
        if script.takes:
            self.took.append(asked)
        self.out += script.reply(self.api)
        self.over = script.hangs_up
        return True


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
