"""RFC 2047 encoded words, in both directions.

What lives here: text to ``=?utf-8?q?...?=`` and back. What must not: folding, addresses,
header names.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error, a2b_base64
from collections.abc import Iterator

from mailbalance.rules.charsets import decode as decode_charset

#: An encoded word has at most 75 characters. Source: RFC 2047 section 2.
LONGEST = 75

_Q, _B, _END = "=?utf-8?q?", "=?utf-8?b?", "?="
_AROUND = len(_Q) + len(_END)

#: The narrowest room worth starting in: less would hold a character or two.
NARROWEST = 32

#: What Q may leave as it is in a phrase, the strictest place (RFC 2047 section 5 (3)).
_PLAIN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
)
_Q_OF = [chr(b) if b in _PLAIN else f"={b:02X}" for b in range(256)]
_Q_OF[0x20] = "_"

_WORD = re.compile(
    r"=\?([!-)+->@-~]{1,60})(?:\*[A-Za-z0-9-]*)?\?([bBqQ])\?([^?\r\n]*)\?="
)
_BETWEEN = re.compile(r"[ \t\r\n]*")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def encode(text: str, *, first: int = LONGEST) -> list[str]:
    """Give the encoded words that together say ``text``, never splitting a character.

    Args:
        text: Any text without lone surrogates; empty gives no word.
        first: Characters the first word may have; at least ``NARROWEST``.
    """
    raw = text.encode()
    spread = sum(len(_Q_OF[b]) for b in raw)
    if spread * 3 <= len(raw) * 4 + 12:
        return list(_pack(text, first, quoted=True))
    return list(_pack(text, first, quoted=False))


def _pack(text: str, first: int, *, quoted: bool) -> Iterator[str]:
    room = min(max(first, NARROWEST), LONGEST) - _AROUND
    start, used = 0, 0
    for at, char in enumerate(text):
        raw = char.encode()
        cost = sum(len(_Q_OF[b]) for b in raw) if quoted else len(raw)
        if used + cost > (room if quoted else room // 4 * 3):
            yield _word(text[start:at], quoted=quoted)
            start, used, room = at, 0, LONGEST - _AROUND
        used += cost
    if start < len(text):
        yield _word(text[start:], quoted=quoted)


def _word(text: str, *, quoted: bool) -> str:
    raw = text.encode()
    if quoted:
        return _Q + "".join(_Q_OF[b] for b in raw) + _END
    return _B + b64encode(raw).decode() + _END


def decode(value: str) -> tuple[str, bool]:
    """Give the text that a value with encoded words means, and whether all was readable.

    White space between two encoded words is not part of the text (RFC 2047 section 6.2).
    Neighbours in one charset are joined before decoding: some writers split characters.
    """
    if "=?" not in value:
        return value, True
    pieces: list[str] = []
    exact, at, run = True, 0, _Run()
    for word in _WORD.finditer(value):
        gap = value[at : word.start()]
        if not (run.charset and _BETWEEN.fullmatch(gap)):
            exact &= run.flush(pieces)
            pieces.append(gap)
        elif run.charset != word[1].lower():
            exact &= run.flush(pieces)
        run.add(word)
        at = word.end()
    exact &= run.flush(pieces)
    pieces.append(value[at:])
    return "".join(pieces), exact


class _Run:
    """Encoded words beside each other in one charset."""

    def __init__(self) -> None:
        self.charset = ""
        self._raw = bytearray()
        self._exact = True

    def add(self, word: re.Match[str]) -> None:
        self.charset = word[1].lower()
        raw, exact = _payload(word[2], word[3])
        self._raw += raw
        self._exact &= exact

    def flush(self, pieces: list[str]) -> bool:
        if not self.charset:
            return True
        text, exact = decode_charset(bytes(self._raw), self.charset)
        exact &= self._exact
        pieces.append(text)
        self.charset, self._raw, self._exact = "", bytearray(), True
        return exact


def _payload(kind: str, payload: str) -> tuple[bytes, bool]:
    raw = payload.encode("utf-8", "replace")
    if kind in "qQ":
        plain = raw.replace(b"_", b" ")
        return _HEX.sub(lambda found: bytes([int(found[1], 16)]), plain), True
    digits = _NOT_BASE64.sub(b"", raw)
    try:
        return a2b_base64(digits + b"=" * (-len(digits) % 4)), True
    except Error:
        return a2b_base64(digits[:-1]), False
