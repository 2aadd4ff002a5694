"""Address headers of real mail: lists, groups, comments, folded and encoded names.

What lives here: cutting such a header into mailboxes. What must not: judging an address;
``mailbalance.address`` does, strictly, and what fails there is reported, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailbalance.address import Address
from mailbalance.errors import MessageError
from mailbalance.rules import encoded_words
from mailbalance.rules.characters import fault_in_line

#: Characters of a header that are looked at; 64 KiB hold over a thousand addresses.
LONGEST = 65_536

# A quoted part before an @ may hold any mark, and 64 octets (RFC 5321 section 4.5.3.1.1).
_TOKEN = re.compile(
    r"""(?P<word>=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<angle><"(?:[^"\\]|\\.){0,64}"@[^<>"]*>|<[^<>]*>)
      | (?P<escape>\\.)
      | (?P<mark>[(),;:])
      | (?P<text>[^"<>(),;:\\=]+|.)""",
    re.VERBOSE | re.DOTALL,
)

#: Stands where bytes were no text; nobody's mailbox.
_REPLACED = "\ufffd"

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(slots=True)
class Mailboxes:
    """What an address header holds.

    Attributes:
        addresses: Those that can be read.
        grouped: Whether some stand in a named group.
        unreadable: How many entries are no address we can write.
    """

    addresses: list[Address] = field(default_factory=list)
    grouped: bool = False
    unreadable: int = 0


@dataclass(slots=True)
class _Entry:
    pieces: list[tuple[bool, str]] = field(default_factory=list)
    angle: str | None = None
    comment: str = ""
    grouped: bool = False

    def __bool__(self) -> bool:
        return self.angle is not None or bool(self.written())

    def written(self) -> str:
        """What stands outside angles and comments, quotes included."""
        return "".join(token for _, token in self.pieces).strip()

    def name(self) -> str:
        """The display name, with quotes undone but encoded words not yet."""
        if any(token.strip() for quoted, token in self.pieces if not quoted):
            return "".join(
                _bare(quoted, token) for quoted, token in self.pieces
            ).strip()
        return "".join(_bare(quoted, token) for quoted, token in self.pieces if quoted)


def _bare(quoted: bool, token: str) -> str:
    return _ESCAPED.sub(r"\1", token[1:-1]) if quoted else token


def read(value: str) -> Mailboxes:
    """Read an address header; never raises."""
    result = Mailboxes()
    for entry in _entries(value[:LONGEST]):
        result.grouped |= entry.grouped
        address = _address(entry)
        if address is None:
            result.unreadable += 1
        else:
            result.addresses.append(address)
    result.unreadable += len(value) > LONGEST
    return result


def _entries(value: str) -> Iterator[_Entry]:
    entry, group, depth = _Entry(), False, 0
    for found in _TOKEN.finditer(value):
        piece, kind = found[0], found.lastgroup
        if depth or piece == "(":
            depth += (piece == "(") - (piece == ")")
            entry.comment += piece
        elif piece in (",", ";"):
            if entry:
                yield entry
            group = group and piece == ","
            entry = _Entry(grouped=group)
        elif piece == ":" and entry.angle is None:
            entry, group = _Entry(grouped=True), True
        elif kind == "angle" and entry.angle is None:
            entry.angle = piece[1:-1].strip()
        else:
            entry.pieces.append((kind == "quoted", piece))
    if entry:
        yield entry


def _address(entry: _Entry) -> Address | None:
    bare = entry.angle is None
    email = entry.written() if entry.angle is None else entry.angle
    name, exact = encoded_words.decode(
        _comment(entry.comment) if bare else entry.name()
    )
    if not exact or fault_in_line(name) is not None or _REPLACED in email:
        return None
    try:
        return Address(email=_with_domain_decoded(email), name=name)
    except MessageError:
        return None


def _with_domain_decoded(email: str) -> str:
    """Undo what the stdlib does to international domains; never before the @.

    There an encoded word may hide a second address.
    """
    local, at, domain = email.rpartition("@")
    return f"{local}{at}{encoded_words.decode(domain)[0]}"


def _comment(comment: str) -> str:
    """The name of an address written as ``ana@example.com (Ana)``, an old form."""
    return comment.strip().removeprefix("(").removesuffix(")").strip()
