"""Message objects of the standard library: their bytes, and who is in their headers.

What lives here: all that knows ``email.message``; Django, Flask-Mail and others build on
it. What must not: what a message means (``reader``).

Addresses are read off the objects and never off what the stdlib writes of them: it leaves
decoded names without quotes, so that a name with a comma or a < makes other addresses
(fixed in parts only, from 3.11.7 to 3.13.0). For the same reason the headers are written
here, in 7 bits, since no backend offers SMTPUTF8 (RFC 6531 section 3.1).
"""

from __future__ import annotations

import io
import re
from email import policy
from email.errors import InvalidHeaderDefect
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message as StdlibMessage
from itertools import islice
from typing import Any

from mailbalance.errors import MessageError
from mailbalance.mime import address_lists, folding
from mailbalance.mime.address_lists import Mailboxes
from mailbalance.mime.seven_bit import seven_bit
from mailbalance.mime.transfer import crlf
from mailbalance.rules import charsets, header_rules

#: Of what the stdlib's parser complains about, this concerns names and groups alone.
_HARMLESS = re.compile("encoded.word|phrase|group|quoted printable")

_ADDRESSES = frozenset(["from", "to", "cc", "bcc", "reply-to"])
_FOLD = re.compile(r"(?:\r\n|\r|\n)(?=[ \t])")
_NOT_PLAIN = re.compile(r"[^\t\r\n -~]|(?:\r\n?|\n)(?![ \t])")

#: ftext of RFC 5322 section 3.6.8; whatever the stdlib has parsed is of this form.
_NAME = re.compile(r"[!-9;-~]+")

#: 998 and not the default 78: below it the stdlib folds inside URLs.
_STDLIB = policy.SMTP.clone(
    max_line_length=header_rules.LONGEST_LINE, raise_on_defect=False
)


def is_object(source: object) -> bool:
    """Whether it is a message of the standard library, of whichever subclass."""
    return isinstance(source, StdlibMessage)


def as_bytes(source: StdlibMessage[Any, Any]) -> bytes:
    """Write a message with CRLF line ends, in 7 bits wherever that changes no signature.

    ``as_bytes`` of a subclass may lack the parameter ``policy``, as Django's does.

    Raises:
        MessageError: When it cannot be written.
    """
    written = io.BytesIO()
    try:
        generator = BytesGenerator(written, mangle_from_=False, policy=_Written())
        generator.flatten(source)
    except MessageError:
        raise
    except Exception as error:  # its generator raises anything, down to KeyError
        reason = f"{type(error).__name__}"
        raise MessageError(f"the stdlib cannot write this message: {reason}") from error
    return seven_bit(crlf(written.getvalue()))


def mailboxes(source: StdlibMessage[Any, Any], name: str) -> list[Mailboxes]:
    """Read each field of this name, by the object's own understanding of it.

    Args:
        source: The message.
        name: In lower case.

    Raises:
        MessageError: When the object cannot tell its value.
    """
    try:
        return [
            _mailboxes(source.policy.header_fetch_parse(each, value), value)
            for each, value in source.raw_items()
            if each.lower() == name
        ]
    except Exception as error:  # its parser raises anything too
        title, reason = name.title(), type(error).__name__
        raise MessageError(f"{title}: the stdlib cannot read it: {reason}") from error


def _mailboxes(value: Any, given: Any) -> Mailboxes:
    if hasattr(value, "addresses"):
        return _of_parsed(value)
    if isinstance(given, Header):
        return _of_chunks(given)
    # As it was given: of bytes that are no ASCII, the stdlib makes question marks.
    text = _FOLD.sub("", str(given))
    data = None if text.isascii() else _kept(text)
    return address_lists.read(text) if data is None else address_lists.read_bytes(data)


def _of_parsed(value: Any) -> Mailboxes:
    """Read a header that the stdlib has taken apart."""
    found = Mailboxes(
        grouped=any(group.display_name is not None for group in value.groups)
    )
    for address in value.addresses:
        if not _is_text(address.addr_spec):
            found.fault(address_lists.NO_TEXT)
        elif address.username and address.domain:
            found.add(_text(address.addr_spec), _text(address.display_name))
        else:
            found.fault("is no address")
    if any(
        isinstance(defect, InvalidHeaderDefect) and not _HARMLESS.search(str(defect))
        for defect in value.defects
    ):
        found.fault("or one before it is no address; separate addresses by commas")
    return found


def _of_chunks(value: Header) -> Mailboxes:
    """Read a header made of pieces, each in its charset.

    Where the name alone was encoded, only the encoded form tells it from the address; where
    all was encoded as one, only the decoded form has an address.
    """
    encoded = address_lists.read(_text(value.encode(maxlinelen=0)))
    decoded = address_lists.read(_text(str(value)))
    if encoded.faults or decoded.faults:
        return decoded if encoded.faults else encoded
    if [a.email for a in encoded.addresses] != [a.email for a in decoded.addresses]:
        encoded.fault("can be read in two ways; put names with commas in quotes")
    return encoded


def _text(value: Any) -> str:
    """Give a value without its folds, and with bytes that were kept in it read."""
    text = _FOLD.sub("", str(value))
    data = None if text.isascii() else _kept(text)
    if data is None:
        return text
    found, exact = charsets.decode(data, "utf-8")
    return found if exact else charsets.decode(data, "windows-1252")[0]


def _kept(text: str) -> bytes | None:
    """Give the bytes that the stdlib kept in a text, or ``None`` when none can be."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def _is_text(value: str) -> bool:
    """Whether it has no bytes in it that would have to be guessed."""
    data = None if value.isascii() else _kept(value)
    return data is None or charsets.decode(data, "utf-8")[1]


class _Written(policy.EmailPolicy):
    """How header fields are written, whatever policy the message came with."""

    linesep = "\r\n"
    cte_type = "8bit"  # bodies are left to seven_bit, which all subclasses let in

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Give a field with its line end."""
        if not _NAME.fullmatch(name):
            # It would end the header, be part of another field, or be lost as one.
            raise MessageError(
                "a header's name is none; use printable ASCII without colon or space"
            )
        if not self.max_line_length:  # so it is asked not to touch what is signed
            return super().fold_binary(name, value)
        return f"{name}: {_written(name, value)}\r\n".encode("ascii")


def _written(name: str, value: Any) -> str:
    low = name.lower()
    if type(value) is str and _stands(value):
        return value
    text = _text(value)
    if "\n" in text or "\r" in text:
        title = name if header_rules.is_name(name) else "a header"
        raise MessageError(f"{title}: holds a line break; remove it")
    try:
        if hasattr(value, "addresses") or low in _ADDRESSES or "resent-" in low:
            found = _mailboxes(value, value)
            if found.addresses and not found.faults:
                return _people(name, value, found)
        if not low.startswith("content-"):
            return folding.encode_header_value(name, text)
    except MessageError:
        pass  # the stdlib finds some form even for what no backend carries
    own = hasattr(value, "fold")
    header: Any = value if own else _STDLIB.header_factory(name, text)
    field: str = header.fold(policy=_STDLIB)
    return field.partition(":")[2].strip(" \r\n")


def _people(name: str, value: Any, found: Mailboxes) -> str:
    if not (found.grouped and hasattr(value, "groups")):
        return folding.encode_addresses(name, found.addresses)
    addresses = iter(found.addresses)
    written: list[str] = []
    for group in value.groups:
        members = islice(addresses, len(group.addresses))
        text = folding.encode_addresses(name, members)
        if group.display_name is not None:
            text = f"{' '.join(folding.phrase(group.display_name))}: {text};"
        written.append(text)
    return ",\r\n ".join(written)


def _stands(value: str) -> bool:
    """Whether a value from a header or a program can go as it is."""
    return not _NOT_PLAIN.search(value) and all(
        len(line) <= header_rules.LONGEST_STRETCH for line in value.splitlines()
    )
