"""The mail that everybody sends: 3 KB of text, 7 KB of HTML, and a file if asked for.

What lives here: plain values, so that a process without this library can use them too.
What must not: any library's form of a message.
"""

from __future__ import annotations

import random

FROM = "Ana <ana@example.com>"
TO = "ben@example.com"
SUBJECT = "The monthly report"

_LINE = "All is well with your order, and here is all that you may want to know.\n"
_UMLAUTS = "Größere Füße brauchen größere Schuhe, sagt die Bäckerin täglich.\n"


def text(line: str = _LINE) -> str:
    """Give 3 KB of text."""
    return line * (3_000 // len(line))


def html(line: str = _LINE) -> str:
    """Give 7 KB of HTML."""
    paragraph = f"<p>{line.strip()}</p>\n"
    return paragraph * (7_000 // len(paragraph))


def foreign_text() -> str:
    """Give 3 KB of text that is not ASCII."""
    return text(_UMLAUTS)


def foreign_html() -> str:
    """Give 7 KB of HTML that is not ASCII."""
    return html(_UMLAUTS)


def file(size: int) -> bytes:
    """Give a file of so many bytes, without any order in them."""
    return random.Random(1).randbytes(size)
