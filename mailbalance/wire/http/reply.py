"""A reply as it comes in, whoever reads it.

What lives here: the body's cap, whether it came in full, and what it is then worth. What
must not: I/O, judging a status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbalance.errors import TransientError, UnknownOutcomeError
from mailbalance.wire.http.exchange import HttpResponse

if TYPE_CHECKING:
    from mailbalance.wire.http.exchange import Exchange

#: Bytes of a reply that are read; a send's reply is some hundred bytes long.
REPLY_LIMIT = 1024 * 1024

#: What is wrong with a longer one.
TOO_LONG = f"is longer than {REPLY_LIMIT} bytes"


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
            raise UnknownOutcomeError(detail, likely="accepted", **facts)
        return HttpResponse(self.status, self.headers, bytes(self.body))
