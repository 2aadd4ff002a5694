"""The parts that the ``speed`` extra makes faster: JSON and base64, the same either way.

What lives here: the one place that looks for orjson and pybase64. What must not: anything
that is there with them and not without.
"""

from __future__ import annotations

import binascii
import io
import json
from collections.abc import Callable
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]
try:
    import pybase64
except ImportError:
    pybase64 = None  # type: ignore[assignment]


__all__ = ["base64", "dumps", "escaped", "orjson", "pybase64", "sized"]

#: What JSON escapes and a text of mail hardly ever holds.
_RARE = tuple(chr(code) for code in range(32) if chr(code) not in "\t\n\r")

#: Bytes that binascii encodes at once. It takes twice the memory of what it gives, and
#: half as long again when that is more than the processor's caches hold.
_AT_ONCE = 3 * 4096


def base64(content: bytes | memoryview) -> bytes:
    """Encode in one line."""
    if pybase64 is not None:
        return pybase64.b64encode(content)
    if len(content) <= _AT_ONCE:
        return binascii.b2a_base64(content, newline=False)
    view, out = memoryview(content), sized(-(-len(content) // 3) * 4)
    for at in range(0, len(content), _AT_ONCE):
        out.write(binascii.b2a_base64(view[at : at + _AT_ONCE], newline=False))
    return out.getvalue()


def sized(size: int) -> io.BytesIO:
    """Give a buffer for so many bytes, which are not copied when it is read at last."""
    out = io.BytesIO()
    out.seek(size - 1)
    out.write(b"\0")
    out.seek(0)
    return out


def dumps(value: Any, default: Callable[[Any], str]) -> bytes:
    """Give a value as compact JSON in UTF-8.

    Args:
        value: What ``json`` takes; no NaN, which JSON has no word for.
        default: Gives a text for what it does not take.

    Raises:
        TypeError: When ``default`` does.
        ValueError: When a text holds half of a surrogate pair.
    """
    if orjson is not None:
        try:
            return orjson.dumps(value, default=default)
        except orjson.JSONEncodeError:
            pass  # an integer of more than 64 bits; or json has the same against it
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=default)
    return text.encode()


def escaped(text: str) -> bytes | None:
    """Give a text in UTF-8 as it stands between the quotes of a JSON string.

    ``json`` looks at each character by itself, which for a text of 10 KB takes longer than
    to sign it; here the whole text is searched for the few that are escaped. That pays
    for texts of some length, and not where orjson does it.

    Returns:
        ``None`` for a text with a character that only ``dumps`` knows how to write.

    Raises:
        ValueError: When the text holds half of a surrogate pair.
    """
    if any(map(text.__contains__, _RARE)):
        return None
    data = text.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return data.replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")
