"""A request as bytes: its head, its body in pieces, and where its last block begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from mailbalance import __version__
from mailbalance.secret import Secret
from mailbalance.swift import swift
from mailbalance.wire.net.connect import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.wire.net.drive import Pieces

#: Bytes at the end of a request that are held back until all before them is handed over.
#: What fits into one TLS record reaches the server whole or not at all (RFC 8446 section
#: 5.1), and most messages without attachments are no longer, and so need one write only.
LAST_BLOCK = 16 * 1024

USER_AGENT = f"mailbalance/{__version__}"

_STANDING = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}

_PORTS = {"http": 80, "https": 443}

#: A request, ready to be written: what is handed over first, if anything, and the end of
#: it, at most ``LAST_BLOCK`` bytes.
Outgoing: TypeAlias = "tuple[Pieces, Pieces]"


@swift
@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: where to, with which headers, and the exact bytes of its body.

    The body may come in pieces, so that a large part of it need not be copied.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | tuple[bytes, ...] = field(repr=False)

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The body in pieces, none of them copied."""
        return (self.body,) if isinstance(self.body, bytes) else self.body

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


@lru_cache(maxsize=64)
def target(url: str) -> tuple[Origin, str]:
    """Return whom a URL leads to, and what to ask them for.

    Raises:
        ValueError: When it cannot be asked for in a request line.
    """
    parts = urlsplit(url)
    path = parts.path or "/"
    asked = f"{path}?{parts.query}" if parts.query else path
    if not (asked.isascii() and asked.isprintable()) or " " in asked:
        raise ValueError("the path of the URL has an invalid character in it")
    port = parts.port or _PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname or "", port), asked


@lru_cache(maxsize=64)
def host_of(url: str) -> str:
    """Return a URL's host and port, as the ``Host`` header has them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def framed(request: HttpRequest, *, host: bool = False) -> dict[str, str]:
    """Return a request's headers with those that every request of ours carries.

    ``Content-Length`` makes anything shorter an incomplete request (RFC 9112 section
    6.3), which is what the commit point rests on. Compressed replies are not asked for:
    they are small, and may not grow in unpacking. A GET has no body, and says so by
    having no length (RFC 9110 section 8.6).
    """
    headers = {**_STANDING, **request.headers}
    body = request.body
    length = len(body) if isinstance(body, bytes) else sum(map(len, body))
    if length or request.method != "GET":
        headers["Content-Length"] = str(length)
    if host and "Host" not in headers:
        headers = {"Host": host_of(request.url), **headers}
    return headers


def outgoing(request: HttpRequest) -> Outgoing:
    """Return a request's bytes, cut before its last block.

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
    if isinstance(body, bytes) and len(head) + len(body) <= LAST_BLOCK:
        return (), (memoryview(head.encode("latin-1") + body),)
    views = [memoryview(piece) for piece in request.pieces]
    return cut((memoryview(head.encode("latin-1")), *views))


def cut(pieces: Pieces, size: int | None = None) -> Outgoing:
    """Cut the last ``size`` bytes off, or leave a short request in one."""
    at, size = len(pieces), LAST_BLOCK if size is None else size
    while at and (length := len(pieces[at - 1])) <= size:
        at -= 1
        size -= length
    if not at:
        return (), pieces
    if not size:
        return pieces[:at], pieces[at:]
    straddling = pieces[at - 1]
    return (*pieces[: at - 1], straddling[:-size]), (straddling[-size:], *pieces[at:])
