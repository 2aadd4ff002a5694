"""MIME parameters: ``name=value`` of RFC 2045, with the charsets of RFC 2231.

What lives here: writing one parameter, reading a header with parameters. What must not:
what a parameter means.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from mailbalance.rules import charsets, encoded_words

_PLAIN = re.compile(r"[A-Za-z0-9 !#$&()+,.=@^_`{|}~\[\]-]+")
_ATTRIBUTE_CHARS = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_PERCENT = [chr(b) if b in _ATTRIBUTE_CHARS else f"%{b:02X}" for b in range(256)]


def write(name: str, value: str) -> str:
    """Give ``name="value"``, or ``name*=utf-8''value`` when the value is not plain ASCII.

    One of the two and never both: every current mail reader knows RFC 2231, and two names
    for one file are a way to disguise it. Quotes, semicolons, percent signs and what looks
    like an encoded word go the second way too, since readers undo them differently.
    """
    if _PLAIN.fullmatch(value):
        return f'{name}="{value}"'
    return f"{name}*=utf-8''" + "".join(_PERCENT[b] for b in value.encode())


#: Characters of a header that are looked at; more is no header but an attack.
_LONGEST = 65_536

_PARAMETER = re.compile(r';\s*([^\s=;"*]+)(\*\d*\*?)?\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_ESCAPED = re.compile(r"\\(.)")

#: The number of a piece; four digits are more than any header has pieces.
_SECTION = re.compile(r"\*[0-9]{1,4}\*?")


def read(value: str) -> tuple[str, dict[str, str]]:
    """Give a header's main value and its parameters, names in lower case; never raises.

    Continuations and charsets of RFC 2231 are put together; encoded words, which many
    writers put into quoted values against RFC 2047, are decoded.
    """
    value = value[:_LONGEST]
    main = value.partition(";")[0].partition("(")[0].strip().lower()
    plain: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[str, bool]]] = {}
    for found in _PARAMETER.finditer(value):
        name, mark, text = found[1].lower(), found[2], _unquoted(found[3].strip())
        if mark is None:
            plain.setdefault(name, encoded_words.decode(text)[0])
            continue
        at = int(mark.strip("*")) if _SECTION.fullmatch(mark) else 0
        extended.setdefault(name, {}).setdefault(at, (text, mark.endswith("*")))
    joined = {name: _joined(pieces) for name, pieces in extended.items()}
    return main, {**plain, **joined}


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text


def _joined(pieces: dict[int, tuple[str, bool]]) -> str:
    """Join the pieces of one parameter; the first names the charset (RFC 2231, 4.1)."""
    charset, raw = "utf-8", b""
    for at, (text, percent) in sorted(pieces.items()):
        if percent and at == min(pieces) and text.count("'") >= 2:
            charset = text.partition("'")[0]
            piece = text.split("'", 2)[2].encode("utf-8", "replace")
        else:
            piece = text.encode("utf-8", "replace")
        raw += unquote_to_bytes(piece) if percent else piece
    return charsets.decode(raw, charset)[0]
