"""Header fields of a raw message that hold more than ASCII, written in ASCII.

What lives here: the form of such fields, in the message and in its parts. What must not:
bodies, and what is signed.

RFC 6532 allows UTF-8 in them, but only where SMTPUTF8 is offered (RFC 6531 section 3.1),
which neither SES nor Mailtrap does. So the text is kept and its form is changed: encoded
words (RFC 2047), A-labels in domains, and RFC 2231 in parameters. A signature over such a
field cannot stay whole, for whoever signs must have written it so (RFC 6376, 5.3).
"""

from __future__ import annotations

import re
from functools import partial

from mailbalance.errors import MessageError
from mailbalance.mime import address_lists, folding, parameters, raw, structure
from mailbalance.rules import charsets, header_rules

_ADDRESSES = frozenset(["from", "to", "cc", "bcc", "reply-to"])
_PARAMETERS = frozenset(["content-type", "content-disposition"])

#: Have a form of their own, in which no text can stand.
_FIXED = frozenset(
    {b"message-id", b"resent-message-id", b"date", b"resent-date", b"mime-version"}
    | {b"content-id", b"content-transfer-encoding", b"dkim-signature"}
)
_SEALED = ("multipart/signed", "multipart/encrypted")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_QUOTE = re.compile(r'(["\\])')


def in_ascii(data: bytes, *, depth: int = 0) -> bytes:
    """Return a message with CRLF line ends, its fields in ASCII where that is possible."""
    if data.isascii() or depth > structure.DEEPEST:
        return data
    fields, body = raw.split(data)
    written = [each if each.isascii() else _field(each) for each in fields]
    declared = next((f for f in fields if raw.name_of(f) == b"content-type"), b"")
    kind, params, _ = parameters.read(_text(_unfolded(declared)))
    inner = body
    if kind.startswith("multipart/") and kind not in _SEALED:
        change = partial(in_ascii, depth=depth + 1)
        inner = structure.replaced(body, params.get("boundary", ""), change)
    if written == fields and inner == body:
        return data  # as it came, also where a part lacks the line after its header
    return b"".join([*written, b"\r\n", inner])


def _field(field: bytes) -> bytes:
    """Return a field in ASCII, or as it is when it cannot be written so."""
    name, low = field.partition(b":")[0], raw.name_of(field)
    if low in _FIXED or not name.isascii():
        return field
    title = name.decode("ascii").rstrip(" \t")
    try:
        value = _value(low.decode("ascii"), _unfolded(field))
    except MessageError:
        return field
    if not value.isascii():  # such as the name of a parameter
        return field
    return folding.field(title, value).encode("ascii")


def _value(low: str, data: bytes) -> str:
    """Return a field's value in ASCII.

    Raises:
        MessageError: When it has none.
    """
    if (
        low in _ADDRESSES
        or low.startswith("resent-")
        or header_rules.holds_addresses(low)
    ):
        return _addresses(data)
    text = _text(data)
    if low in _PARAMETERS:
        return _parameters(text)
    return folding.encode_header_value(low, _UNFIT.sub(" ", text).strip())


def _addresses(data: bytes) -> str:
    found = address_lists.read_bytes(data)
    if found.grouped or found.faults or not found.addresses:
        raise MessageError("its addresses cannot be written in ASCII")
    return folding.encode_addresses("To", found.addresses)


def _parameters(text: str) -> str:
    main, params, _ = parameters.read(text)
    if not main.isascii():
        raise MessageError("a content field cannot be written in ASCII")
    written = [main, *(_parameter(name, text) for name, text in params.items())]
    return ";\r\n ".join(written)


def _parameter(name: str, value: str) -> str:
    if value.isascii():
        # A boundary, above all, has to stay the same for every reader.
        return f'{name}="' + _QUOTE.sub(r"\\\1", value) + '"'
    if name == "boundary":
        raise MessageError("a boundary is no text")
    return parameters.write(name, _UNFIT.sub(" ", value))


def _unfolded(field: bytes) -> bytes:
    return field.partition(b":")[2].replace(b"\r\n", b"").strip(b" \t")


def _text(data: bytes) -> str:
    """Return a text in UTF-8, or in what it most likely is in."""
    text, exact = charsets.decode(data, "utf-8")
    return text if exact else charsets.decode(data, "windows-1252")[0]
