"""How large a message may become, without writing it.

What lives here: the two estimates, one for every message and one for those it finds large.
What must not: the writing (``writer``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailbalance.mime import transfer

if TYPE_CHECKING:
    from mailbalance.attachment import Attachment
    from mailbalance.message import Message

_HEADER_END = re.compile(rb"\r\n\r\n|\n\r?\n|\r\r")

#: Bytes for headers of fixed size: Date, Message-ID, MIME-Version, boundaries.
_FIXED = 2048

#: Bytes at most that a character of a header takes: four octets in base64, and folding.
_PER_CHARACTER = 8


def upper_size(message: Message) -> int:
    """Give the most bytes that ``render`` can make of a message, without making them."""
    if message.raw is not None:
        # Of the header, what it lacks may be added.
        size = len(message.raw) + _line_ends(message.raw)
        return size + _size_of_head(message) + _FIXED + _growth(message)
    return _FIXED + _size_of_head(message) + _size_of_content(message)


def _growth(message: Message) -> int:
    """Give how much longer fields get that hold more than ASCII."""
    source = message.raw or b""
    if source.isascii():
        return 0
    end = _HEADER_END.search(source)
    names = [a.filename for a in message.attachments if not a.filename.isascii()]
    head = end.start() if end else len(source)
    # A part may have its name twice, each time in three characters for an octet.
    return _PER_CHARACTER * (head + 2 * len("".join(names).encode()))


def rough_size(message: Message) -> int:
    """Give what ``upper_size`` is never above, without looking into texts and files."""
    if message.raw is not None:
        most = (3 if message.raw.isascii() else 16) * len(message.raw)
        return most + _rough_size_of_head(message) + _FIXED
    # Four octets and a line end in base64 for each character of a text, at worst.
    texts = 7 * (len(message.text or "") + len(message.html or ""))
    most = 2 * _FIXED + _rough_size_of_head(message) + texts
    for file in message.attachments:
        most += 3 * len(file.content) + 2 * _FIXED
    return most


def _rough_size_of_head(message: Message) -> int:
    people = [*message.to, *message.cc, *message.reply_to]
    if message.from_ is not None:
        people.append(message.from_)
    texts = [message.subject, *[each.email + each.name for each in people]]
    if message.headers:
        texts += [name + value for name, value in message.headers.items()]
    return _PER_CHARACTER * (len("".join(texts)) + 16 * len(texts))


def _size_of_head(message: Message) -> int:
    size = _PER_CHARACTER * (len(message.subject) + 16)
    for address in (message.from_, *message.to, *message.cc, *message.reply_to):
        if address is not None:
            size += len(address.email) + _PER_CHARACTER * (len(address.name) + 16)
    for name, value in message.headers.items():
        size += _PER_CHARACTER * (len(name) + len(value) + 16)
    return size


def _size_of_content(message: Message) -> int:
    texts = (message.text or "", message.html or "")
    octets = [len(t) if t.isascii() else len(t.encode()) for t in texts]
    ends = [t.count("\n") + t.count("\r") for t in texts]
    bodies = sum(transfer.upper_size(n + e) for n, e in zip(octets, ends, strict=True))
    return bodies + sum(map(_size_of_file, message.attachments))


def _size_of_file(file: Attachment) -> int:
    is_message = transfer.is_message(file.content_type)
    ends = _line_ends(file.content) if is_message else 0
    return transfer.upper_size(len(file.content)) + _FIXED + ends


def _line_ends(content: bytes) -> int:
    """Give the most line ends that may have to be made whole."""
    return content.count(b"\n") + content.count(b"\r")
