"""A reply: read from its first byte to its end, capped, and what it is then worth.

httptools wraps llhttp, the parser of Node.js, which takes no reply that could be read in
two ways: two lengths, a length beside chunks, a bare line feed. ``plain`` reads, in one
look and with fewer liberties still, what providers nearly always say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import httptools

from mailbalance.errors import TransientError, UnknownOutcomeError
from mailbalance.swift import swift
from mailbalance.wire.http.errors import BrokenError, broken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.wire.http.exchange import Exchange

#: Bytes of a reply that are read; a send's reply is some hundred bytes long.
REPLY_LIMIT = 1024 * 1024

#: What is wrong with a longer one.
TOO_LONG = f"is longer than {REPLY_LIMIT} bytes"

#: Bytes of a reply's head, those of interim replies before it included. What it leaves may
#: be used up around the body: by the sizes of chunks, their extensions, and trailers.
HEAD_LIMIT = 64 * 1024

_NO_HTTP = "RemoteProtocolError"

#: Bytes of a plain reply.
_PLAIN_LIMIT = 16 * 1024

#: A success whose every line can be read in one way only, and needs no trimming.
_PLAIN = re.compile(
    rb"HTTP/1\.1 (20[012])(?: [ -~]*)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)

#: Headers that change where a reply ends, or what becomes of its connection.
_NOT_PLAIN = ("transfer-encoding", "upgrade", "proxy-connection")


class Connection(Protocol):
    """What is known of a connection after a reply.

    Attributes:
        before: The body of the last reply that came over it.
        retired: Set to have it dropped instead of used again.
    """

    before: bytes
    retired: bool


@swift
@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A reply: its status, its headers by lower-case name, and its body.

    The body of a 2xx is complete; that of an error may be cut, since the status decides.

    Attributes:
        status: The status.
        headers: The headers.
        body: The body.
        before: The body of the reply before it on the same connection, if that is known.
        connection: That connection, if it is ours.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    before: bytes = field(default=b"", repr=False)
    connection: Connection | None = field(default=None, repr=False, compare=False)


def plain(said: bytes, over: Connection) -> HttpResponse | None:
    """Return the reply that these bytes are, no more and no less, if it is a plain success.

    It leaves the connection fit for another request. Anything else is ``ReplyReader``'s.
    """
    found = _PLAIN.match(said)
    if found is None or len(said) > _PLAIN_LIMIT:
        return None
    headers: dict[str, str] = {}
    for line in found[2].decode("latin-1").splitlines():
        name, _, value = line.partition(": ")
        name = name.lower()
        if name in headers or name in _NOT_PLAIN:
            return None
        headers[name] = value
    length = headers.get("content-length", "")
    body = said[found.end() :]
    if not length.isdigit() or int(length) != len(body):
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    before, over.before = over.before, body
    return HttpResponse(int(found[1]), headers, body, before, over)


#: How an answer of a mail API begins: as JSON (RFC 8259 section 2), as the XML of SES's
#: first API, or not at all.
_OF_AN_API = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*"
    rb'(?:\Z|[\[{"]|(?:null|true|false)\s*\Z|(?:<\?xml[^>]*>\s*)?<\w+Response\b)'
)

#: How compressed data begins (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1).
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

#: What is in no text: control characters, or bytes that are not UTF-8.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\ufffd]")


def compression(headers: Mapping[str, str], body: bytes) -> str:
    """Return how a body is compressed, or ``""``; it never was asked to be.

    The header alone does not tell: a user's own client has unpacked the body already.
    """
    for magic, name in _COMPRESSED.items():
        if body.startswith(magic):
            return name
    said = headers.get("content-encoding", "").strip().lower()
    if said in {"", "identity"} or not said.isascii() or not said.isprintable():
        return ""
    text = body.decode("utf-8", "replace")
    return said[:40] if _CONTROLS.search(text) else ""


def is_a_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Report whether a reply, perhaps cut short, is a page for people."""
    kind = headers.get("content-type", "").lower()
    return "html" in kind or (body.lstrip().startswith(b"<") and not _is_api(body))


def is_of_an_api(headers: Mapping[str, str], body: bytes) -> bool:
    """Report whether a reply looks like an API's, and not like a page of a proxy."""
    kind = headers.get("content-type", "").lower()
    if not body:
        return "html" not in kind
    if compression(headers, body):
        return "json" in kind
    return _is_api(body)


def _is_api(body: bytes) -> bool:
    return _OF_AN_API.match(body) is not None


@dataclass(slots=True)
class Reply:
    """A reply as it comes in."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)
    fault: str = ""

    def take(self, chunk: bytes) -> bool:
        """Add a chunk; report whether more may follow."""
        self.body += chunk
        if len(self.body) <= REPLY_LIMIT:
            return True
        del self.body[REPLY_LIMIT:]
        self.fault = TOO_LONG
        return False

    def settled(self, exchange: Exchange) -> HttpResponse:
        """Return the reply for judgement.

        Raises:
            UnknownOutcomeError: When it says success but could not be read in full.
            TransientError: The same, for a harmless request.
        """
        if self.fault and 200 <= self.status < 300:
            detail = f"the reply of {exchange.host} says success, but it {self.fault}"
            facts: dict[str, Any] = {"backend": exchange.backend, "phase": "reply"}
            facts["code"] = str(self.status)
            if exchange.harmless:
                raise TransientError(detail, **facts)
            page = is_a_page(self.headers, bytes(self.body))
            likely: Literal["accepted"] | None = None if page else "accepted"
            raise UnknownOutcomeError(detail, likely=likely, **facts)
        body, over = bytes(self.body), exchange.connection
        if over is None:
            return HttpResponse(self.status, self.headers, body)
        before, over.before = over.before, body
        return HttpResponse(self.status, self.headers, body, before, over)


class ReplyReader:
    """Takes the bytes of one reply, however they are cut.

    Attributes:
        reply: The reply as far as it has come, once its head has.
        done: Whether there is nothing more to read.
        clean: Whether the connection may carry another request: the reply ended where
            HTTP says, nothing came after it, and the server wants to go on.
    """

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.done = False
        self.clean = False
        self._headers: dict[str, str] = {}
        self._room = HEAD_LIMIT
        # Parser and reader hold each other until the reply is done.
        self._parser: Any = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take some bytes; ``b""`` when the server closed the connection.

        Raises:
            BrokenError: When they are no HTTP, and no head has come yet.
        """
        if not data:
            self._end()
            return
        if self.reply is None and len(data) > self._room:
            data = self._after_head(data)
        if self._parser is None:
            self.clean = False
            return
        self._room -= len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise (
                error.__context__ or error
            ) from None  # a signal's handler raised it, not we
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._garbled(error)
        if self._room < -REPLY_LIMIT and self.reply is not None and not self.done:
            self.done, self.reply.fault = True, TOO_LONG
        if self.done:
            self._parser = None

    def _after_head(self, data: bytes) -> bytes:
        """Take as much as may still belong to the head, and return the rest."""
        first, rest = data[: self._room], data[self._room :]
        if first:
            self.feed(first)
        if self.reply is None:
            raise BrokenError(f"its head is longer than {HEAD_LIMIT} bytes", _NO_HTTP)
        return rest

    def break_off(self, error: Exception) -> None:
        """Take note that no more will come.

        Raises:
            BrokenError: When no head has come.
        """
        if self.reply is None:
            raise broken(error, "Read") from error
        self._break_off(type(error).__name__)

    # What httptools calls

    def on_message_begin(self) -> None:
        """Take note of a reply's beginning; after ours it is one too many."""
        if self.done:
            self.clean = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; the last of a name counts."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Keep a head, unless it is an interim one (RFC 9110 section 15.2)."""
        if self.done or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status >= 200:
            self.reply = Reply(status, self._headers)
        self._headers = {}

    def on_body(self, chunk: bytes) -> None:
        """Keep a part of the body, up to the cap."""
        if self.reply is not None and not self.done and not self.reply.take(chunk):
            self.done = True

    def on_message_complete(self) -> None:
        """Take note of the reply's end."""
        if self.reply is not None and not self.done and self._parser is not None:
            self.done = True
            self.clean = self._parser.should_keep_alive()

    def _end(self) -> None:
        if self.reply is None:
            raise BrokenError("it closed the connection", _NO_HTTP)
        if not self.done and not self._ends_by_closing(self.reply):
            self.reply.fault = "broke off: the connection was closed"
        self.done, self.clean, self._parser = True, False, None

    def _garbled(self, error: Exception) -> None:
        self.clean = False
        if self.reply is None:
            raise BrokenError(str(error) or type(error).__name__, _NO_HTTP) from error
        if not self.done:
            self._break_off("it is not valid HTTP")

    def _break_off(self, why: str) -> None:
        if self.reply is not None and not self.done:
            self.reply.fault = f"broke off: {why}"
        self.done, self.clean, self._parser = True, False, None

    @staticmethod
    def _ends_by_closing(reply: Reply) -> bool:
        """Report whether only the connection's end can end it (RFC 9112 section 6.3)."""
        return not {"content-length", "transfer-encoding"} & reply.headers.keys()
