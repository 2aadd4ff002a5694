"""A Message to the bytes of RFC 5322 and MIME.

What lives here: which headers a message has, which parts, in which order. What must not:
how a value is encoded (``folding``, ``parameters``, ``transfer``), raw messages (``raw``).

The form::

    multipart/mixed
    ├── multipart/alternative
    │   ├── text/plain
    │   └── multipart/related
    │       ├── text/html
    │       └── inline files
    └── other files

Containers with one child are left out. Inline files stand beside the HTML that shows them
and not around both alternatives: so mail readers that show the plain text do not list
them as attachments, and ``multipart/related`` has the HTML as its root (RFC 2387).
Everything written is 7-bit ASCII with CRLF line ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from mailbalance.errors import MessageError
from mailbalance.mime import folding, header_bytes, parameters, raw, transfer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbalance.address import Address
    from mailbalance.attachment import Attachment
    from mailbalance.message import Message

_LINE_END = b"\r\n"

#: What a boundary of ours looks like.
_LIKE_OURS = re.compile(rb"=_[0-9a-f]{30}")


@dataclass(slots=True)
class _Part:
    """A part: its own headers, its body in pieces; never changed.

    Attributes:
        headers: Lines with their line ends.
        pieces: What the body is joined from.
        plain: The pieces that are not encoded, where a boundary could occur by itself.
        end: The line end that a boundary after it begins with, if the pieces lack it.
    """

    headers: str
    pieces: list[bytes]
    plain: list[bytes]
    end: bytes = _LINE_END


def render(message: Message) -> bytes:
    """Give the message as bytes, the same on every call.

    Raises:
        MessageError: When it has no MIME form: only a provider's template, or an address
            that needs SMTPUTF8.
    """
    return b"".join(pieces(message))


def pieces(message: Message) -> tuple[bytes, ...]:
    """Give what ``render`` joins: large files stand alone, and every piece ends a line.

    They are made once for each message, and held for every try of it.

    Raises:
        MessageError: As ``render`` does.
    """
    return message.once("_rendered", _render)


def fault_in_header(message: Message) -> str | None:
    """Say why the header of a raw message cannot be sent, or ``None`` when it can."""
    if message.raw is None or message.raw.isascii():
        return None
    return message.once("_header_fault", _header_fault) or None


def _header_fault(message: Message) -> str:
    fields, _ = raw.split(render(message))
    if all(each.isascii() for each in fields):
        return ""
    return (
        "raw: a field of its header has more than ASCII where encoded words cannot "
        "stand, and no provider offers SMTPUTF8; write it in ASCII"
    )


def _render(message: Message) -> tuple[bytes, ...]:
    if message.raw is not None:
        return (_completed(message, message.raw),)
    if not (message.text or message.html):
        raise MessageError(
            "text: is empty, and so is html; a template has no MIME form"
        )
    part = _content(message)
    head = f"{_head(message)}{part.headers}\r\n".encode("ascii")
    end = b"" if part.pieces[-1].endswith(_LINE_END) else _LINE_END
    return _gathered([head, *part.pieces, end])


def _gathered(pieces: list[bytes]) -> tuple[bytes, ...]:
    """Join pieces, but for large ones that are whole lines."""
    if max(map(len, pieces)) < folding.LARGE:
        return (b"".join(pieces),)
    gathered: list[bytes] = []
    run: list[bytes] = []
    for piece in pieces:
        whole = piece.endswith(_LINE_END) and (not run or run[-1].endswith(_LINE_END))
        if whole and len(piece) >= folding.LARGE:
            if run:
                gathered.append(b"".join(run))
            gathered.append(piece)
            run = []
        elif piece:
            run.append(piece)
    if run:
        gathered.append(b"".join(run))
    return tuple(gathered)


def _head(message: Message) -> str:
    lines = [
        folding.field(name, value)
        for name, write in _MAIN_FIELDS.items()
        if (value := write(message))
    ]
    if message.headers:
        lines += [
            folding.field(name, folding.encode_header_value(name, value))
            for name, value in message.headers.items()
        ]
    return "".join(lines) + "MIME-Version: 1.0\r\n"


def _addresses(name: str, which: str) -> Callable[[Message], str]:
    """Make what writes the addresses that a message has in one of its fields."""

    def write(message: Message) -> str:
        found: tuple[Address, ...] = getattr(message, which)
        return folding.encode_addresses(name, found) if found else ""

    return write


def _author(message: Message) -> str:
    author = message.from_
    return "" if author is None else folding.encode_addresses("From", (author,))


#: What writes each field that every message has; it gives nothing where there is nothing.
_MAIN_FIELDS: dict[str, Callable[[Message], str]] = {
    "From": _author,
    "To": _addresses("To", "to"),
    "Cc": _addresses("Cc", "cc"),
    "Reply-To": _addresses("Reply-To", "reply_to"),
    "Subject": lambda message: folding.encode_header_value("Subject", message.subject),
    "Date": lambda message: message.stamp().date,
    "Message-ID": lambda message: message.stamp().message_id,
}


def _completed(message: Message, source: bytes) -> bytes:
    known = {name: partial(write, message) for name, write in _MAIN_FIELDS.items()}
    return header_bytes.in_ascii(raw.render(source, known))


def _content(message: Message) -> _Part:
    bounds = _Boundaries(message.stamp().message_id)
    inline, files = _files(message) if message.attachments else ([], [])
    choices: list[_Part] = []
    if message.text:
        choices.append(_text_part("plain", message.text))
    if message.html:
        shown = [_text_part("html", message.html), *inline]
        choices.append(bounds.wrap("related", shown, '; type="text/html"'))
    body = bounds.wrap("alternative", choices)
    return bounds.wrap("mixed", [body, *files])


def _files(message: Message) -> tuple[list[_Part], list[_Part]]:
    """Give those that stand beside the HTML, and the others."""
    inline: list[_Part] = []
    files: list[_Part] = []
    for file in message.attachments:
        beside = inline if file.inline and message.html else files
        beside.append(_file_part(file))
    return inline, files


def _text_part(subtype: str, text: str) -> _Part:
    encoding, body = transfer.encode_text(text)
    return _Part(
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n",
        [body],
        [body] if encoding == "7bit" else [],
    )


def _file_part(file: Attachment) -> _Part:
    content_type, encoding, body = _encoded(file)
    end = b"" if encoding == "base64" else _LINE_END
    shown = "inline" if file.inline else "attachment"
    name = parameters.write("filename", file.filename)
    headers = (
        f"Content-Type: {content_type}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n"
        f"Content-Disposition: {shown};\r\n {name}\r\n"
    )
    if file.content_id is not None:
        headers += f"Content-ID: <{file.content_id}>\r\n"
    return _Part(headers, [body], [body] if encoding == "7bit" else [], end)


def _encoded(file: Attachment) -> tuple[str, str, bytes]:
    """Encode a file: base64, so that not a bit changes on the way.

    An attached message must stay readable (RFC 2046 section 5.2.1 allows no encoding), so
    one that is not 7-bit travels as plain bytes under its file name instead. Base64 comes
    with its last line end, without which it would have to be copied to be sent.
    """
    if not transfer.is_message(file.content_type):
        return file.content_type, "base64", transfer.base64(file.content, _LINE_END)
    body = transfer.crlf(file.content)
    if body and transfer.is_seven_bit(body):
        return file.content_type, "7bit", body
    body = transfer.base64(file.content, _LINE_END)
    return "application/octet-stream", "base64", body


class _Boundaries:
    """Makes containers, each with a boundary that its content does not hold.

    The boundaries follow from the Message-ID, so that the same message gives the same
    bytes. ``=_`` occurs in neither quoted-printable nor base64 (RFC 2045 section 6.7).
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._used = 0

    def wrap(self, kind: str, parts: list[_Part], rest: str = "") -> _Part:
        """Put parts into ``multipart/<kind>``; a single part stays as it is."""
        if len(parts) == 1:
            return parts[0]
        plain = [piece for part in parts for piece in part.plain]
        # One rare character first: that search takes a tenth of the other's time.
        close = [piece for piece in plain if b"_" in piece and b"--=_" in piece]
        boundary = self._unlike(
            {b for piece in close for b in _LIKE_OURS.findall(piece)}
        )
        pieces: list[bytes] = []
        for part in parts:
            pieces.append(f"--{boundary}\r\n{part.headers}\r\n".encode("ascii"))
            pieces += part.pieces
            pieces.append(part.end)
        pieces.append(f"--{boundary}--".encode("ascii"))
        headers = f'Content-Type: multipart/{kind}{rest};\r\n boundary="{boundary}"\r\n'
        return _Part(headers, pieces, plain)

    def _unlike(self, there: set[bytes]) -> str:
        """Make one that is not there; who wrote the text may know all that come first."""
        while True:
            self._used += 1
            seed = f"{self._seed} {self._used}".encode()
            boundary = f"=_{blake2b(seed, digest_size=15).hexdigest()}"
            if boundary.encode() not in there:
                return boundary
