"""Reading a reply: httptools, and what its strictness leaves open.

What lives here: one reply from its first byte to its end, its caps, and whether the
connection may be used again. What must not: I/O, judging a status.

httptools wraps llhttp, the parser of Node.js, which takes no reply that could be read in
two ways: two lengths, a length beside chunks, a bare line feed.
"""

from __future__ import annotations

from typing import Any

import httptools

from mailbalance.wire.http.direct.steps import BrokenError, broken
from mailbalance.wire.http.reply import REPLY_LIMIT, TOO_LONG, Reply

#: Bytes of a reply's head, those of interim replies before it included. What it leaves may
#: be used up around the body: by the sizes of chunks, their extensions, and trailers.
HEAD_LIMIT = 64 * 1024

_NO_HTTP = "RemoteProtocolError"


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
        """Take as much as may still belong to the head, and give the rest."""
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

    # What httptools tells

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
        """Say whether only the connection's end can end it (RFC 9112 section 6.3)."""
        return not {"content-length", "transfer-encoding"} & reply.headers.keys()
