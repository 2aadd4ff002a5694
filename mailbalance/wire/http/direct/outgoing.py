"""A request as bytes: its head, its body in pieces, and where its last block begins.

What lives here: the head, and the cut before the commit point. What must not: I/O, and
any copy of a large body.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from mailbalance.secret import Secret
from mailbalance.wire.http.clients import framed

if TYPE_CHECKING:
    from mailbalance.wire.http.direct.steps import Pieces
    from mailbalance.wire.http.exchange import HttpRequest

#: Bytes at the end of a request that are held back until all before them is handed over.
#: What fits into one TLS record reaches the server whole or not at all (RFC 8446 section
#: 5.1), and most messages without attachments are no longer, and so need one write only.
LAST_BLOCK = 16 * 1024

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Whom connections lead to."""

    scheme: str
    host: str
    port: int


#: A request, ready to be written: what is handed over first, if anything, and the end of
#: it, at most ``LAST_BLOCK`` bytes.
Outgoing: TypeAlias = "tuple[Pieces, Pieces]"


@lru_cache(maxsize=64)
def target(url: str) -> tuple[Origin, str]:
    """Give whom a URL leads to, and what to ask them for.

    Raises:
        ValueError: When it cannot be asked for in a request line.
    """
    parts = urlsplit(url)
    path = parts.path or "/"
    asked = f"{path}?{parts.query}" if parts.query else path
    if not (asked.isascii() and asked.isprintable()) or " " in asked:
        raise ValueError("the path of the URL has a strange character in it")
    port = parts.port or _PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname or "", port), asked


def outgoing(request: HttpRequest) -> Outgoing:
    """Give a request's bytes, cut before its last block.

    Raises:
        ValueError: When a header holds a line end, or what HTTP cannot carry.
    """
    headers = framed(request, host=True)
    asked = target(request.url)[1]
    fields = Secret("\r\n".join(map(": ".join, headers.items())))
    head = Secret(f"{request.method} {asked} HTTP/1.1\r\n{fields}\r\n\r\n")
    lines = len(headers) + 2
    if head.count("\n") != lines or head.count("\r") != lines or "\0" in head:
        raise ValueError("a header of the request holds a line end")
    body = request.body
    if isinstance(body, bytes) and len(body) <= LAST_BLOCK:
        return cut((memoryview(head.encode("latin-1") + body),))
    views = [memoryview(piece) for piece in request.pieces]
    return cut((memoryview(head.encode("latin-1")), *views))


def cut(pieces: Pieces, size: int = LAST_BLOCK) -> Outgoing:
    """Cut the last ``size`` bytes off, or leave a short request in one."""
    at = len(pieces)
    while at and (length := len(pieces[at - 1])) <= size:
        at -= 1
        size -= length
    if not at:
        return (), pieces
    if not size:
        return pieces[:at], pieces[at:]
    straddling = pieces[at - 1]
    return (*pieces[: at - 1], straddling[:-size]), (straddling[-size:], *pieces[at:])
