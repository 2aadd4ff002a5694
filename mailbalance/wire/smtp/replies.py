"""Replies of an SMTP server, from bytes.

What lives here: the value ``Reply`` and the parser that makes it, with the limits a hostile
or broken server runs into. What must not: what a reply means; that is ``verdict``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from mailbalance.swift import swift

#: Longest reply line believed, in bytes. RFC 5321 section 4.5.3.1.5 allows 512; real
#: servers send longer texts, none sends this much.
LINE_LIMIT = 4096

#: Most lines in one reply; an EHLO reply has about a dozen.
LINES_LIMIT = 128

#: A code of RFC 5321 section 4.2, then a hyphen (more follows), a space or the end.
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)

#: Control characters would let a server write into the terminal of whoever reads the log.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@swift
@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply.

    Attributes:
        code: Its three digits.
        lines: The text of each line, without the code; no control characters.
    """

    code: int
    lines: tuple[str, ...] = ("",)

    @property
    def text(self) -> str:
        """All its text on one line."""
        if len(self.lines) == 1:
            return self.lines[0]
        return " ".join(line for line in self.lines if line)

    @property
    def positive(self) -> bool:
        """Whether the command was carried out (2yz)."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class MalformedReplyError(Exception):
    """What the server sent is no SMTP reply."""


class ReplyReader:
    """Cuts a stream of bytes into replies; feed it, then ask for the next."""

    __slots__ = ("_buffer", "_code", "_lines")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._code = 0
        self._lines: list[str] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is left over, not even the start of a reply."""
        return not self._buffer and not self._lines

    @property
    def begun(self) -> str:
        """The first digit of a reply that has not come in full, or ``""``."""
        digit = str(self._code)[:1] if self._lines else chr((self._buffer or b"?")[0])
        return digit if digit in "2345" else ""

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes as they came from the server."""
        self._buffer += data

    def next(self) -> Reply | None:
        """Give the next whole reply, or ``None`` when more bytes are needed.

        Raises:
            MalformedReplyError: When no more bytes could make it a reply.
        """
        while self._buffer:
            end = self._buffer.find(b"\n", 0, LINE_LIMIT)
            if end < 0:
                if len(self._buffer) >= LINE_LIMIT:
                    raise MalformedReplyError(f"a line of more than {LINE_LIMIT} bytes")
                break
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            reply, is_last = _read(line)
            if self._lines and reply.code != self._code:
                raise MalformedReplyError("a reply with two different codes")
            if is_last and not self._lines:
                return reply
            self._code = reply.code
            self._lines.append(reply.lines[0])
            if is_last:
                lines, self._lines = tuple(self._lines), []
                return Reply(reply.code, lines)
            if len(self._lines) >= LINES_LIMIT:
                raise MalformedReplyError(f"a reply of more than {LINES_LIMIT} lines")
        return None


@lru_cache(maxsize=64)
def _read(line: bytes) -> tuple[Reply, bool]:
    """Read a line as a reply of its own; tell whether it is the last of its reply.

    Servers say the same to each MAIL, RCPT and DATA.

    Args:
        line: Without its LF; a CR before that may be there.

    Raises:
        MalformedReplyError: When it is none.
    """
    found = _LINE.fullmatch(line.removesuffix(b"\r"))
    if found is None:
        raise MalformedReplyError("a line that is no SMTP reply")
    return Reply(int(found[1]), (_plain(found[3] or b""),)), found[2] != b"-"


def _plain(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return (text if text.isprintable() else _CONTROLS.sub("?", text)).strip()
