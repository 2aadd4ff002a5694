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
_ESCAPED_MARK = re.compile(r'\\(["\\])')

#: The number of a piece; four digits are more than any header has pieces.
_SECTION = re.compile(r"\*[0-9]{1,4}\*?")


_COMMENT_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[()]', re.DOTALL)

#: Parameters whose values many writers leave unquoted, parentheses and all.
_FILE_NAMES = ("name", "filename")


def without_comments(value: str) -> str:
    """Return a structured value without what stands in parentheses (RFC 5322, 3.2.2)."""
    if "(" not in value:
        return value
    kept: list[str] = []
    depth = at = 0
    for found in _COMMENT_MARK.finditer(value):
        if found[0] == "(":
            if not depth:
                kept.append(value[at : found.start()])
            depth += 1
        elif found[0] == ")" and depth:
            depth -= 1
            at = found.end()
    return "".join(kept) if depth else "".join([*kept, value[at:]])


def read(value: str) -> tuple[str, dict[str, str], bool]:
    """Return a header's main value, its parameters, and whether all were readable.

    Names are in lower case. Continuations and charsets of RFC 2231 are put together;
    encoded words, which many writers put into quoted values against RFC 2047, are
    decoded. A form of RFC 2231 that is broken gives way to a plain one. Never raises.
    """
    text = value[:_LONGEST].replace("\t", " ")  # which many writers fold by
    main = without_comments(text).partition(";")[0].strip().lower()
    plain, extended, exact = _found(text)
    for name, pieces in extended.items():
        joined = _joined(pieces)
        exact &= joined[1]
        if joined[1] or not plain.get(name, joined)[1]:
            plain[name] = joined
    exact &= len(value) <= _LONGEST and all(sound for _, sound in plain.values())
    return main, {name: text for name, (text, _) in plain.items()}, exact


def _found(
    value: str,
) -> tuple[dict[str, tuple[str, bool]], dict[str, dict[int, tuple[str, bool]]], bool]:
    """Return plain parameters, the pieces of others, and whether none is there twice."""
    plain: dict[str, tuple[str, bool]] = {}
    extended: dict[str, dict[int, tuple[str, bool]]] = {}
    once = True
    for found in _PARAMETER.finditer(value):
        name, mark = found[1].lower(), found[2]
        text = _unquoted(found[3].strip(), name)
        if mark is None:
            said = encoded_words.decode(text)
            once &= plain.setdefault(name, said)[0] == said[0]
            continue
        at = int(mark.strip("*")) if _SECTION.fullmatch(mark) else 0
        pieces = extended.setdefault(name, {})
        once &= at not in pieces
        pieces.setdefault(at, (text, mark.endswith("*")))
    return plain, extended, once


def _unquoted(text: str, name: str) -> str:
    # Paths of Windows come unescaped, and nobody escapes what need not be.
    escaped = _ESCAPED_MARK if name in _FILE_NAMES else _ESCAPED
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return escaped.sub(r"\1", text[1:-1])
    if text.startswith('"'):  # which nothing closes
        return escaped.sub(r"\1", text[1:])
    if "(" in text and name not in _FILE_NAMES:
        return without_comments(text).strip()
    return text


def _joined(pieces: dict[int, tuple[str, bool]]) -> tuple[str, bool]:
    """Join the pieces of one parameter; the first names the charset (RFC 2231, 4.1).

    Also return whether none is missing and all can be read.
    """
    charset, raw, first = "utf-8", [], min(pieces)
    for at, (text, percent) in sorted(pieces.items()):
        if percent and at == first and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)  # noqa: PLW2901
        piece = text.encode("utf-8", "replace")
        raw.append(unquote_to_bytes(piece) if percent else piece)
    text, exact = charsets.decode(b"".join(raw), charset)
    return text, exact and first == 0 and max(pieces) == len(pieces) - 1
