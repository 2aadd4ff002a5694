"""Address headers of real mail: lists, groups, comments, folded and encoded names.

What lives here: cutting such a header into mailboxes. What must not: judging an address;
``mailbalance.address`` does, strictly, and what fails there is reported, never guessed.

Whoever stands in such a header gets the message or it is refused. So the obsolete forms of
RFC 5322 section 4.4 are read, an unfit name is dropped from its address and reported, and
everything else is a fault: above all a missing comma, which would make the second address
a part of the first one's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mailbalance.address import Address
from mailbalance.errors import MessageError
from mailbalance.rules import charsets, encoded_words
from mailbalance.rules.characters import fault_in_line

#: Characters of a header that are looked at; 64 KiB hold over a thousand addresses.
LONGEST = 65_536

# Many writers leave spaces and commas in a Q word; one with an @ may be no word at all.
_TOKEN = re.compile(
    r"""(?P<word>=\?[^?\s]{1,75}\?(?:[bBqQ]\?[^?\s]*|[qQ]\?[^?<>@"\r\n]*)\?=)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>[()<>,:;@.])
      | (?P<space>[ \t]+)
      | (?P<text>\\.|[][=]|[^][()<>,:;@."\\= \t\r\n]+)
      | (?P<broken>.)""",
    re.VERBOSE | re.DOTALL,
)

#: What ends a piece of a comment; quotes mean nothing there (RFC 5322 section 3.2.2).
_IN_COMMENT = re.compile(r"\\.|[()]|[^()\\]+|\\", re.DOTALL)

#: Stands where bytes were no text; nobody's mailbox.
_REPLACED = "\ufffd"

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'(["\\])')
_BLANKS = re.compile(r"[ \t]+")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

_CUT = "ends within a quote or comment, or has a character that no header may hold"
_JOINED = "has more than one address, or text beside it; separate addresses by commas"

#: Of which nobody knows what the author meant; an address is never guessed.
NO_TEXT = "has bytes that are no text"

#: Kind and text of a piece; ``name`` is a comment's text.
_Token = tuple[str, str]

_AT, _SPACE = ("mark", "@"), ("space", " ")
_JOINTS = (_AT, ("mark", "."))


@dataclass(slots=True)
class Mailboxes:
    """What an address header holds.

    Attributes:
        addresses: Those that can be read.
        grouped: Whether some stand in a named group.
        unnamed: How many of them have a name that had to be left out or changed.
        faults: What is wrong with each entry that is no address we can write.
    """

    addresses: list[Address] = field(default_factory=list)
    grouped: bool = False
    unnamed: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, email: str, name: str, *, exact: bool = True) -> None:
        """Take one more address; a name that no header may hold is made fit."""
        # A fold by a tab is one blank; written so, since a pattern of its own would take
        # quadratic time.
        name = _BLANKS.sub(lambda run: " " if "\t" in run[0] else run[0], name)
        if not exact:
            name = ""  # shown by nobody, and the address is good (RFC 2047 section 6.2)
        elif fault_in_line(name) is not None:
            name, exact = _UNFIT.sub(" ", name), False
        try:
            self.addresses.append(Address(email=email, name=name))
        except MessageError as error:
            self.fault(error.problems[0].removeprefix("email: "))
        else:
            self.unnamed += not exact

    def fault(self, why: str) -> None:
        """Say what is wrong with the next entry."""
        number = len(self.addresses) + len(self.faults) + 1
        self.faults.append(f"entry {number} {why}")


class _BrokenError(Exception):
    """A quote or comment is not closed, so that nobody knows where anything ends."""


@dataclass(slots=True)
class _Entry:
    """One entry: what stands outside angles, inside them, and in comments."""

    outer: list[_Token] = field(default_factory=list)
    angle: list[_Token] | None = None
    comments: list[str] = field(default_factory=list)
    is_open: bool = False
    after: bool = False

    def __bool__(self) -> bool:
        return self.angle is not None or bool(self.outer)

    def put(self, kind: str, text: str) -> None:
        """Put a token where the entry is."""
        if self.is_open and text == ">" and kind == "mark":
            self.is_open = False
        elif self.is_open and self.angle is not None:
            self.angle.append((kind, text))
        elif text == "<" and kind == "mark" and self.angle is None:
            self.angle, self.is_open = [], True
        elif kind != "space":
            self.after |= self.angle is not None
            self.outer.append((kind, text))
        elif self.outer and self.outer[-1] != _SPACE:
            self.outer.append(_SPACE)

    def has_at(self) -> bool:
        """Whether an @ stands outside its angles and quotes."""
        return _AT in self.outer

    def name(self) -> str:
        """The display name, with quotes undone but encoded words not yet.

        An old form has it in a comment behind: ``ana@example.com (Ana)``.
        """
        said = ""
        if self.angle is not None:
            said = "".join(_bare(token) for token in self.outer).strip()
        return said or (self.comments[-1] if self.comments else "")


def read(value: str) -> Mailboxes:
    """Read an address header; never raises."""
    result = Mailboxes()
    try:
        for entry in _entries(_tokens(value[:LONGEST]), result):
            _take(entry, result)
        if len(value) > LONGEST:
            result.fault(f"begins after {LONGEST} characters; split the list")
    except _BrokenError:
        result.fault(_CUT)
    return result


def read_bytes(data: bytes) -> Mailboxes:
    """Read an address header that may not be UTF-8; never raises.

    Then names are guessed, as far as no address depends on it.
    """
    text, exact = charsets.decode(data, "utf-8")
    sure = read(text)
    if exact or sure.faults:
        return sure
    guessed = read(charsets.decode(data, "windows-1252")[0])
    emails, others = ([a.email for a in each.addresses] for each in (sure, guessed))
    return sure if guessed.faults or emails != others else guessed


def split(value: str) -> list[str]:
    """Cut a list of addresses at its commas and semicolons, but for those in names."""
    pieces, piece, depth = [], "", 0
    for kind, text in _tokens(value, keep=True):
        depth += kind == "mark" and (text == "<") - (text == ">" and depth > 0)
        if kind == "mark" and text in ",;" and not depth:
            pieces.append(piece)
            piece = ""
        else:
            piece += text
    return [each.strip() for each in (*pieces, piece) if each.strip()]


def _tokens(value: str, *, keep: bool = False) -> Iterator[_Token]:
    """Give the tokens of a header, each comment as one.

    Raises:
        _BrokenError: When it ends amid a quote or comment; not with ``keep``, which gives
            the rest as it is.
    """
    at = 0
    while found := _TOKEN.match(value, at):
        kind, text = str(found.lastgroup), found[0]
        end = found.end()
        if text == "(":
            kind, end = "comment", _end_of_comment(value, at)
            text = value[at:end]
        if kind == "broken" or not end:
            if not keep:
                raise _BrokenError
            yield "text", value[at:]
            return
        yield kind, text
        at = end


def _end_of_comment(value: str, at: int) -> int:
    """Give where a comment ends, or 0 when it does not."""
    depth = 0
    for found in _IN_COMMENT.finditer(value, at):
        depth += (found[0] == "(") - (found[0] == ")")
        if not depth:
            return found.end()
    return 0


def _entries(tokens: Iterable[_Token], result: Mailboxes) -> Iterator[_Entry]:
    entry, group = _Entry(), False
    for kind, text in tokens:
        is_mark = kind == "mark"
        if kind == "comment":
            entry.comments.append(_ESCAPED.sub(r"\1", text[1:-1]).strip())
            entry.put(*_SPACE)
        elif is_mark and text in ",;" and not entry.is_open:
            if entry:
                yield entry
            entry, group = _Entry(), group and text == ","
        elif is_mark and text == ":" and not group and _is_group_name(entry):
            # What stands in front of the members is the name of their group.
            entry, group = _Entry(), True
            result.grouped = True
        else:
            entry.put(kind, text)
    if entry:
        yield entry


def _is_group_name(entry: _Entry) -> bool:
    return bool(entry) and entry.angle is None and not entry.has_at()


def _take(entry: _Entry, result: Mailboxes) -> None:
    email = _email(entry)
    if email is None:
        result.fault(_JOINED)
        return
    if _REPLACED in email:
        result.fault(NO_TEXT)
        return
    name, exact = encoded_words.decode(entry.name())
    result.add(email, name, exact=exact)


def _email(entry: _Entry) -> str | None:
    if entry.angle is None:
        return _addr_spec(entry.outer)
    if entry.is_open or entry.after:
        return None
    email = _addr_spec(_without_route(entry.angle))
    if entry.has_at():
        # The address once more as its own name; any other would be lost in the name.
        before = _addr_spec(entry.outer)
        same = email and before and before.lower() == email.lower()
        return email if same else None
    marks = {text for kind, text in entry.outer if kind == "mark"}
    return None if marks & {"<", ">", ":"} else email


def _without_route(tokens: list[_Token]) -> list[_Token]:
    """Leave out the obsolete route of ``<@relay.example:ana@example.com>``."""
    first = next((token for token in tokens if token[0] != "space"), None)
    if first == _AT and ("mark", ":") in tokens:
        return tokens[tokens.index(("mark", ":")) + 1 :]
    return tokens


def _addr_spec(tokens: list[_Token]) -> str | None:
    """Join an address; white space may stand around its dots and @ only."""
    joined: list[_Token] = []
    gap = False
    for kind, text in tokens:
        if kind == "space":
            gap = True
            continue
        is_joint = kind == "mark" and text in ".@"
        if gap and joined and not is_joint and joined[-1] not in _JOINTS:
            return None
        joined.append((kind, text))
        gap = False
    at = len(joined) - 1 - joined[::-1].index(_AT) if _AT in joined else len(joined)
    domain = _domain("".join(text for _, text in joined[at + 1 :]))
    return f"{_local_part(joined[:at])}{'@' if at < len(joined) else ''}{domain}"


def _domain(written: str) -> str:
    """Undo encoded words: the stdlib writes international domains so.

    Never before the @: there one may hide a second address.
    """
    decoded, exact = encoded_words.decode(written)
    return decoded if exact else written


def _local_part(tokens: list[_Token]) -> str:
    """Quote as a whole what the obsolete form quotes word by word: ``"a b".c``."""
    quoted = any(kind == "quoted" for kind, _ in tokens)
    words, dots = tokens[::2], tokens[1::2]
    if not quoted or len(tokens) < 3 or {text for _, text in dots} != {"."}:
        return "".join(text for _, text in tokens)
    if len(words) == len(dots) or any(kind == "mark" for kind, _ in words):
        return ""
    text = "".join(_bare(token) for token in tokens)
    return '"' + _TO_ESCAPE.sub(r"\\\1", text) + '"'


def _bare(token: _Token) -> str:
    kind, text = token
    if kind == "quoted":
        return _ESCAPED.sub(r"\1", text[1:-1])
    return " " if kind == "space" else text
