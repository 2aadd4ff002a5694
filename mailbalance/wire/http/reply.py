"""A reply as it comes in, whoever reads it.

What lives here: the body's cap, whether it came in full, and what it is then worth. What
must not: I/O, judging a status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mailbalance.errors import TransientError, UnknownOutcomeError
from mailbalance.wire.http.exchange import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbalance.wire.http.exchange import Exchange

#: Bytes of a reply that are read; a send's reply is some hundred bytes long.
REPLY_LIMIT = 1024 * 1024

#: What is wrong with a longer one.
TOO_LONG = f"is longer than {REPLY_LIMIT} bytes"

#: How an answer of a mail API begins: as JSON (RFC 8259 section 2), as the XML of SES's
#: first API, or not at all.
_OF_AN_API = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*"
    rb'(?:\Z|[\[{"]|(?:null|true|false)\s*\Z|(?:<\?xml[^>]*>\s*)?<\w+Response\b)'
)

#: How compressed data begins (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1).
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

#: What is in no text: control characters, or bytes that are not UTF-8.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\ufffd]")


def compression(headers: Mapping[str, str], body: bytes) -> str:
    """Return how a body is compressed, or ``""``; it never was asked to be.

    The header alone does not tell: a user's own client has unpacked the body already.
    """
    for magic, name in _COMPRESSED.items():
        if body.startswith(magic):
            return name
    said = headers.get("content-encoding", "").strip().lower()
    if said in {"", "identity"} or not said.isascii() or not said.isprintable():
        return ""
    text = body.decode("utf-8", "replace")
    return said[:40] if _CONTROLS.search(text) else ""


def is_a_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Report whether a reply, perhaps cut short, is a page for people."""
    kind = headers.get("content-type", "").lower()
    return "html" in kind or (body.lstrip().startswith(b"<") and not _is_api(body))


def is_of_an_api(headers: Mapping[str, str], body: bytes) -> bool:
    """Report whether a reply looks like an API's, and not like a page of a proxy."""
    kind = headers.get("content-type", "").lower()
    if not body:
        return "html" not in kind
    if compression(headers, body):
        return "json" in kind
    return _is_api(body)


def _is_api(body: bytes) -> bool:
    return _OF_AN_API.match(body) is not None


@dataclass(slots=True)
class Reply:
    """A reply as it comes in."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)
    fault: str = ""

    def take(self, chunk: bytes) -> bool:
        """Add a chunk; say whether more may follow."""
        self.body += chunk
        if len(self.body) <= REPLY_LIMIT:
            return True
        del self.body[REPLY_LIMIT:]
        self.fault = TOO_LONG
        return False

    def is_exact(self, exchange: Exchange) -> bool:
        """Say whether the reply ended where its connection's bytes ended.

        If more came with it, a later request on that connection would be given these
        bytes for its reply. Such a connection must not be used again.
        """
        if self.fault or exchange.heads != 1:
            return False
        if "transfer-encoding" in self.headers:
            return exchange.latest.endswith(b"\r\n")
        end = bytes(self.body[-len(exchange.latest) :]) if self.body else b"\n"
        return exchange.latest.endswith(end)

    def settled(self, exchange: Exchange) -> HttpResponse:
        """Give the reply for judgement.

        Raises:
            UnknownOutcomeError: When it says success but could not be read in full.
            TransientError: The same, for a harmless request.
        """
        if self.fault and 200 <= self.status < 300:
            detail = f"the reply of {exchange.host} says success, but it {self.fault}"
            facts: dict[str, Any] = {"backend": exchange.backend, "phase": "reply"}
            facts["code"] = str(self.status)
            if exchange.harmless:
                raise TransientError(detail, **facts)
            page = is_a_page(self.headers, bytes(self.body))
            likely: Literal["accepted"] | None = None if page else "accepted"
            raise UnknownOutcomeError(detail, likely=likely, **facts)
        body, line = bytes(self.body), exchange.connection
        if line is None:
            return HttpResponse(self.status, self.headers, body)
        before, line.before = line.before, body
        return HttpResponse(self.status, self.headers, body, before, line)
