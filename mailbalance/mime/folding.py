"""Header fields to lines: RFC 2047 encoding and folding.

What lives here: ``encode_header_value``, ``address_list`` and the one ``fold``. What must
not: which headers a message has.

A value is cut into *chunks*, each carrying the white space before it, and lines break only
between chunks. So nothing is ever broken that has no white space: no address, no URL of a
List-Unsubscribe, no quoted name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from mailbalance.address import Address
from mailbalance.errors import MessageError
from mailbalance.rules import encoded_words, header_rules
from mailbalance.rules.characters import fault_in_line

#: Columns. Source: RFC 5322 section 2.1.1; with encoded words 76 (RFC 2047 section 2).
_LINE, _LINE_OF_WORDS = 78, 76

#: Bytes from which a piece of a message is not copied to be joined with others.
LARGE = 65536

_PHRASE = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
)
_QUOTE = re.compile(r'(["\\])')

#: A longer name is written as encoded words, which fold; a quoted string would not.
_LONGEST_QUOTED = 64


def encode_header_value(name: str, value: str) -> str:
    """Give a header's value as ASCII lines, joined by CRLF and a space or tab.

    Args:
        name: The header it is for; it decides whether encoded words are allowed.
        value: Its text.

    Raises:
        MessageError: When the value holds a control character, or the header cannot
            carry it.
    """
    if _stands_as_it_is(name, value):
        return value
    fault = header_rules.fault_in_value(name, value)
    if fault is not None:
        raise MessageError(f"{name}: {fault}")
    if header_rules.holds_addresses(name):
        return encode_addresses(name, [Address.parse(value)])
    return _fold(name, _chunks(name, value)) if value else ""


def _stands_as_it_is(name: str, value: str) -> bool:
    """Whether a value is plain and short: what most are, seen at little cost."""
    return (
        len(name) + len(": ") + len(value) <= _LINE
        and value.isascii()
        and value.isprintable()
        and "=?" not in value
        and value == value.strip(" ")
        and not header_rules.holds_addresses(name)
    )


def encode_addresses(name: str, addresses: Iterable[Address]) -> str:
    """Give an address header's value, folded between addresses where possible."""
    return _fold(name, _address_chunks(addresses))


def address_list(addresses: Iterable[Address]) -> str:
    """Give the header form of addresses: ASCII only, in one line.

    Raises:
        MessageError: When a part before an @ is not ASCII.
    """
    return "".join(_address_chunks(addresses)).lstrip(" ")


def address(one: Address) -> str:
    """Give the header form of one address.

    Raises:
        MessageError: When its part before the @ is not ASCII.
    """
    email = one.email
    if not one.name and email.isascii() and not email.startswith('"'):
        return email
    return "".join(_one_address(one)).lstrip(" ")


def _chunks(name: str, value: str) -> list[str]:
    chunks = header_rules.BREAK.split(value)
    if header_rules.is_structured(name) or _is_plain(value, chunks):
        return chunks
    room = _LINE_OF_WORDS - len(name) - 2
    words = encoded_words.encode(value, first=room)
    return [words[0], *(f" {word}" for word in words[1:])]


def _is_plain(value: str, chunks: list[str]) -> bool:
    """Whether an unstructured value survives as it is: read back equal by any reader."""
    return (
        value.isascii()
        and "=?" not in value
        and "\t" not in value
        and value == value.strip(" ")
        and max(map(len, chunks)) <= header_rules.LONGEST_STRETCH
    )


def _address_chunks(addresses: Iterable[Address]) -> list[str]:
    chunks: list[str] = []
    for at, address in enumerate(addresses):
        if at:
            chunks[-1] += ","
        chunks += _one_address(address)
    return chunks


def _one_address(address: Address) -> Sequence[str]:
    if not address.email.isascii():
        raise MessageError(
            "an address has non-ASCII characters before its @, which no backend carries"
        )
    if not address.name:
        # Some readers take a quoted local part for a name unless it stands in < and >.
        quoted = address.email.startswith('"')
        return [f" <{address.email}>" if quoted else f" {address.email}"]
    words, email = phrase(address.name), f" <{address.email}>"
    if len(words) == 1 and len(words[0]) + len(email) <= _LINE_OF_WORDS:
        return (f" {words[0]}{email}",)
    return (*(f" {word}" for word in words), email)


def phrase(name: str) -> Sequence[str]:
    """Give the words of a display name, quoted or encoded where needed."""
    if not name.isascii() or "=?" in name or len(name) > _LONGEST_QUOTED:
        return encoded_words.encode(name)
    if _PHRASE.fullmatch(name):
        return (name,)
    return ('"' + _QUOTE.sub(r"\\\1", name) + '"',)


def _fold(name: str, chunks: Sequence[str]) -> str:
    if not chunks:
        return ""
    text = "".join(chunks)
    total = len(name) + 2 + len(text)
    limit = _LINE_OF_WORDS if "=?" in text else _LINE
    if total <= limit:
        return text.lstrip(" ") if text[0] == " " else text
    first = chunks[0].lstrip(" ")
    # Never right after the name: some readers take that fold's space for the value's.
    lines, line, used = [], first, len(name) + 2 + len(first)
    for chunk in chunks[1:]:
        if used + len(chunk) > limit:
            lines.append(line)
            line, used = "", 0
        line += chunk
        used += len(chunk)
    lines.append(line)
    return "\r\n".join(lines)


def field(name: str, value: str) -> str:
    """Join a name and an encoded value to a header field with its line end."""
    return f"{name}: {value}\r\n"


def prepend(
    pieces: tuple[bytes, ...], headers: Iterable[tuple[str, str]]
) -> tuple[bytes, ...]:
    """Put header fields in front of a message in pieces, without copying large ones.

    Raises:
        MessageError: When a name or value is not fit for a header.
    """
    lines = [field(_checked(name), encode_header_value(name, v)) for name, v in headers]
    front = "".join(lines).encode("ascii")
    if len(pieces[0]) < LARGE:
        return front + pieces[0], *pieces[1:]
    return (front, *pieces) if front else pieces


@lru_cache(maxsize=64)
def _checked(name: str) -> str:
    if not header_rules.is_name(name):
        fault = fault_in_line(name) or "is no header name"
        raise MessageError(f"a header's name {fault}")
    return name
