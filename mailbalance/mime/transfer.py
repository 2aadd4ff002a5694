"""Content-transfer-encodings: choosing one, and both directions.

What lives here: 7bit, quoted-printable and base64 (RFC 2045 section 6). What must not:
headers, structure.

8bit is never written: not every server on the way takes it (SES advises 7bit).
"""

from __future__ import annotations

import binascii
import re
import struct

from mailbalance import speed
from mailbalance.rules.header_rules import LONGEST_LINE

#: Octets in a line of base64 before and after encoding (RFC 2045 section 6.8: 76).
_BASE64_IN, _BASE64_OUT = 57, 76

#: Cuts many lines at once, in a third of the time that slices take; few enough that they
#: stay in the processor's caches from one step to the next.
_MANY = 256
_MANY_LINES = struct.Struct("76s" * _MANY)

#: What 7bit text may hold, CR and LF as pairs: TAB and the printable characters.
_SEVEN_BIT = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])

_ENDING = re.compile(rb"\r\n?|\n")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def crlf(data: bytes) -> bytes:
    """Make every CR, LF and CRLF a CRLF (RFC 5321 section 2.3.8; against smuggling)."""
    if b"\r" not in data:
        return data.replace(b"\n", b"\r\n")
    return _ENDING.sub(b"\r\n", data)


def is_seven_bit(data: bytes) -> bool:
    """Whether bytes with CRLF line ends may travel as they are."""
    return not data.translate(None, _SEVEN_BIT) and not has_long_line(data)


def has_long_line(data: bytes, *, end: int = 2) -> bool:
    """Report whether a line is over 998 characters (RFC 5321 section 4.5.3.1.6).

    It leaps from line end to line end, each the last that the line before may have.

    Args:
        data: The lines.
        end: Octets of a line end; with 1, a line that is just as long may be reported too.
    """
    at = 0
    while len(data) - at > LONGEST_LINE:
        found = data.rfind(b"\n", at, at + LONGEST_LINE + end)
        if found < 0:
            return True
        at = found + 1
    return False


def is_message(content_type: str) -> bool:
    """Whether it is a message, which must not be encoded (RFC 2046 section 5.2.1)."""
    return content_type.lower().startswith("message/")


def encode_text(text: str) -> tuple[str, bytes]:
    """Give the cheapest encoding that is valid for a text, and the encoded bytes."""
    data = crlf(text.encode())
    if is_seven_bit(data):
        return "7bit", data
    if _quoted_size(data) < len(data) * 4 // 3:
        return "quoted-printable", quoted_printable(data)
    return "base64", base64(data)


def _quoted_size(data: bytes) -> int:
    """Give the most that ``quoted_printable`` makes of text with CRLF line ends."""
    special = len(data.translate(None, _SEVEN_BIT)) + data.count(b"=")
    # White space at the end of a line, and a dot that is all of one, at either end too.
    special += sum(map(data.count, (b" \r", b"\t\r", b"\n.\r")))
    special += data.startswith(b".") + data.endswith((b" ", b"\t", b"."))
    return len(data) + 2 * special + (len(data) + 2 * special) // 25


def quoted_printable(data: bytes) -> bytes:
    """Encode text with CRLF line ends; lines get at most 76 characters."""
    # binascii writes its soft line breaks as the first line end it sees: show it a CRLF.
    return binascii.b2a_qp(b"\r\n" + data, istext=True)[2:]


def base64(data: bytes, end: bytes = b"") -> bytes:
    """Encode in lines of 76 characters, joined by CRLF, with ``end`` after the last."""
    view, step = memoryview(data), _BASE64_IN * _MANY
    whole = (len(data) - 1) // step * step  # the last line has none after it
    if whole <= 0:
        return _lines(view) + end
    digits = -(-len(data) // 3) * 4
    out = speed.sized(digits + (digits - 1) // _BASE64_OUT * len(b"\r\n") + len(end))
    for at in range(0, whole, step):
        cut = _MANY_LINES.unpack(speed.base64(view[at : at + step]))
        out.write(b"\r\n".join(cut))
        out.write(b"\r\n")
    out.write(_lines(view[whole:]))
    out.write(end)
    return out.getvalue()


def _lines(data: memoryview) -> bytes:
    digits = speed.base64(data)
    return b"\r\n".join(
        [digits[at : at + _BASE64_OUT] for at in range(0, len(digits), _BASE64_OUT)]
    )


def upper_size(octets: int) -> int:
    """Give the most that ``encode_text`` or ``base64`` makes of this many octets."""
    return (octets // _BASE64_IN + 1) * (_BASE64_OUT + 2)


def decode(data: bytes, encoding: str) -> tuple[bytes, bool]:
    """Undo a transfer encoding, and say whether it was well formed; never raises."""
    kind = encoding.strip().lower()
    if kind == "base64":
        return _from_base64(data)
    if kind == "quoted-printable":
        lines = data.split(b"\r\n")
        return binascii.a2b_qp(
            b"\r\n".join([line.rstrip(b" \t") for line in lines])
        ), True
    return data, kind in ("", "7bit", "8bit", "binary")


def _from_base64(data: bytes) -> tuple[bytes, bool]:
    digits = _NOT_BASE64.sub(b"", data.partition(b"=")[0])
    if len(digits) % 4 == 1:
        return binascii.a2b_base64(digits[:-1]), False
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)), True
