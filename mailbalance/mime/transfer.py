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
from mailbalance.mime import parameters
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
_NOT_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r\n|\Z)")

#: What base64 is made of; the alphabet for URLs in its place; and a run of digits.
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_RUN = re.compile(rb"([^=]+)(=*)")


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
    # Comments may stand in it (RFC 2045 section 6.1 and its appendix A).
    kind = parameters.without_comments(encoding).strip(" \t\"';").lower()
    if kind == "base64":
        return _from_base64(data)
    if kind == "quoted-printable":
        lines = data.split(b"\r\n")
        written = b"\r\n".join([line.rstrip(b" \t") for line in lines])
        return binascii.a2b_qp(written), not _NOT_QUOTED.search(written)
    return data, kind in ("", "7bit", "8bit", "binary")


def _from_base64(data: bytes) -> tuple[bytes, bool]:
    """Decode every run of digits, since some writers encode a file in several.

    Characters outside the alphabet are passed over, as RFC 2045 section 6.8 has it, and
    make the data unsound: they are a sign of other text, or of digits that were lost.
    """
    if b" " in data or b"\t" in data:
        data = b"\r\n".join([line.strip(b" \t") for line in data.split(b"\r\n")])
    digits = data.translate(None, b"\r\n")
    odd = digits.translate(None, _DIGITS)
    sound = not odd
    if odd and _is_url_safe(data, odd):
        digits, sound = digits.translate(_URL_SAFE), True
    elif odd:
        digits = digits.translate(None, bytes(set(odd)))
    decoded: list[bytes] = []
    for run in _RUN.finditer(digits):
        left, padding = len(run[1]) % 4, len(run[2])
        sound &= left != 1 and padding >= -left % 4
        whole = run[1][:-1] if left == 1 else run[1]
        decoded.append(binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)))
    return b"".join(decoded), sound


def _is_url_safe(data: bytes, odd: bytes) -> bool:
    """Whether these are lines of the other alphabet (RFC 4648 section 5) and no text."""
    if odd.strip(b"-_") or b"+" in data or b"/" in data:
        return False
    first, *others = map(len, data.strip(b"\r\n").split(b"\r\n"))
    return not others or (set(others[:-1]) <= {first} and 0 < others[-1] <= first)
