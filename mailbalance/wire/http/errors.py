"""Faults of the way to ours: the one table, for our own streams, httpx2 and httpx alike.

The rule that turns a fault into an outcome looks at how far the exchange came, hardly ever
at its class: the same ``ReadError`` is harmless before the commit point and an unknown
outcome after it. HTTP status codes are the backends' business.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Any

from mailbalance.errors import (
    DeliveryError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.secret import bare, scrub, shown, without_foreign_frames
from mailbalance.wire.net.connect import PROXY_LOGIN, ProxyError
from mailbalance.wire.net.pool import CrowdedError
from mailbalance.wire.net.tls import TOO_OLD, is_too_old

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbalance.wire.http.exchange import Exchange

#: Characters of a foreign exception's text that are quoted.
_QUOTE = 200

#: What happened, by the name of a foreign class; the families share their names, and ours
#: are of the same. Checked 2026-11 against httpcore2 2.16, httpx2 2.16, httpx 0.28.
SENTENCES = {
    "ConnectTimeout": "no connection to {host} in time",
    "ConnectError": "cannot connect to {host}",
    "PoolTimeout": "no free connection to {host} in time",
    "ProxyError": "the proxy on the way to {host} refuses",
    "UnsupportedProtocol": "no such protocol for {host}",
    "InvalidURL": "the URL for {host} is not valid",
    "WriteTimeout": "{host} did not take the request in time",
    "WriteError": "the connection to {host} broke while writing",
    "ReadTimeout": "no reply from {host} in time",
    "ReadError": "the connection to {host} broke while reading",
    "RemoteProtocolError": "{host} closed the connection or does not speak HTTP",
    "LocalProtocolError": "the request to {host} is not valid HTTP",
    "DecodingError": "the reply of {host} cannot be decoded",
    "TooManyRedirects": "{host} redirects",
    "CloseError": "the connection to {host} broke while closing",
    "CancelledError": "the request to {host} was cancelled",
    "TimeoutError": "no reply from {host} in time",
}

#: What to look at when TLS met a port that does not begin with it.
_NOT_TLS = (
    " (if this port speaks plain HTTP, as it may on this machine only, set "
    "endpoint=http://... for ses, tls=off for mailtrap)"
)

#: What to look at when HTTP met something else: TLS, or SMTP.
_LOOK = "look at its number, and at endpoint= of ses or tls= of mailtrap"

#: Statuses of a proxy below 500 that may pass (RFC 9110 section 15.5, RFC 6585).
_PASSING = frozenset({408, 425, 429})

#: Those from 500 that will not: no CONNECT, no such HTTP, a login page (RFC 6585).
_FOR_GOOD = frozenset({501, 505, 511})

#: Classes that can only come from before the first byte of our request was written.
BEFORE_COMMIT = frozenset(
    {
        "ConnectTimeout",
        "ConnectError",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "InvalidURL",
    }
)

#: Whose classes can come from the way a request takes.
_FAMILIES = frozenset(
    {"httpcore2", "httpcore", "httpx2", "httpx", "h11", "h2", "anyio"}
)

#: The same of Python's own; asyncio and uvloop say of a closed transport RuntimeError.
_FAULTS = (OSError, ValueError, EOFError, RuntimeError)

#: Classes that say the other side closed, as opposed to being slow or talking rubbish.
_CLOSED = frozenset({"RemoteProtocolError", "ReadError"})


class BrokenError(Exception):
    """An exchange broke; what broke it is its cause.

    Attributes:
        words: Names in the table, as a foreign class and its bases have.
    """

    def __init__(self, detail: str, *words: str) -> None:
        super().__init__(detail)
        self.words = words


def broken(error: Exception, what: str) -> BrokenError:
    """Return a failure under its name: ``what`` is Connect, Write or Read."""
    slow = isinstance(error, TimeoutError)
    words = (f"{what}Timeout", "TimeoutException") if slow else (f"{what}Error",)
    made = BrokenError(str(error), *words)
    made.__cause__ = error
    return made


def is_of_the_way(error: BaseException) -> bool:
    """Report whether an exception tells of the request's way, and so is ours to translate.

    Any other comes from outside, such as a time limit that a signal handler raises in the
    middle of a send. Swallowed, it would neither stop anything nor be seen by anybody.
    """
    if isinstance(error, _FAULTS):
        return True
    return isinstance(error, Exception) and any(
        cls.__module__.partition(".")[0] in _FAMILIES for cls in type(error).__mro__
    )


def ours(error: BaseException, exchange: Exchange) -> DeliveryError | None:
    """Return the error of ours to raise instead; ``None`` to let this one pass."""
    if isinstance(error, DeliveryError):
        bare(error)  # frames below hold what the server said, perhaps an echo
        return None
    without_foreign_frames(error)
    if isinstance(error, CrowdedError):
        return _crowded(exchange)
    if not is_of_the_way(error):
        return None
    return translate(error, exchange)


def translate(error: BaseException, exchange: Exchange) -> DeliveryError:
    """Return in our words what became of the request.

    Args:
        error: What httpcore2, httpx2 or httpx raised, or anything else on the way.
        exchange: How far the request came.
    """
    names = _names(error)
    if exchange.may_be_committed() and BEFORE_COMMIT.isdisjoint(names):
        return UnknownOutcomeError(
            _detail(error, names, exchange),
            likely="not_accepted" if _never_read(names, exchange) else None,
            backend=exchange.backend,
            phase="reply" if exchange.phase == "reply" else "body",
            code=_code(error, names),
        )
    if "PoolTimeout" in names:
        return _crowded(exchange)
    if (refused := _refusal(error, names, exchange)) is not None:
        return refused
    return TransientError(
        _detail(error, names, exchange),
        backend=exchange.backend,
        phase=exchange.phase,
        code=_code(error, names),
    )


def failed_early(status: int, exchange: Exchange) -> TransientError:
    """Return the error for a server's own trouble, told before the request was sent."""
    return TransientError(
        f"{exchange.host} answered {status} before it had the whole request",
        backend=exchange.backend,
        phase="request",
        code=str(status),
    )


def _crowded(exchange: Exchange) -> ThrottledError:
    """Return the error for a queue of ours, or of a user's client."""
    count = exchange.connections
    what = SENTENCES["PoolTimeout"].format(host=exchange.host)
    if count is not None:
        what = f"all {count} connections to" if count > 1 else "the one connection to"
        be = "were" if count > 1 else "was"
        what = f"{what} {exchange.host} {be} in use until too little time was left"
    return ThrottledError(what, backend=exchange.backend, phase="pool")


def is_stale(error: BaseException, exchange: Exchange) -> bool:
    """Report whether a kept connection turned out dead before anything was committed.

    Then another connection may be tried at once: the server never saw the request.
    """
    return (
        exchange.reused
        and not exchange.may_be_committed()
        and exchange.phase in {"request", "reply"}
        and not isinstance(error, DeliveryError)
        and "TimeoutException" not in _names(error)
    )


def cause_to_show(error: BaseException, exchange: Exchange) -> BaseException | None:
    """Return what was raised on the way, unless a proxy's echo of its login is in it."""
    cause = shown(error)
    said = " ".join(map(str, _chain(cause)))
    return cause if scrub(said, exchange.proxy_login) == said else None


def _names(error: BaseException) -> list[str]:
    """Return the names of an exception's class and its bases, or what stands for them."""
    words = getattr(error, "words", None)
    return list(words or [cls.__name__ for cls in type(error).__mro__])


def _never_read(names: list[str], exchange: Exchange) -> bool:
    """Report whether it looks as if the server never had the whole request.

    Its last part could not be written, or a kept connection was closed without a byte,
    just as we wrote into it.
    """
    closed = not _CLOSED.isdisjoint(names)
    idle = closed and exchange.reused and exchange.received == 0
    return idle or (exchange.cut and not exchange.received)


def _detail(error: BaseException, names: list[str], exchange: Exchange) -> str:
    sentence = next((SENTENCES[name] for name in names if name in SENTENCES), "")
    what = (sentence or f"{names[0]} on the way to {{host}}").format(
        host=_whom(exchange)
    )
    said = scrub(_root(error), exchange.proxy_login)
    quoted = "".join(c if c.isprintable() else " " for c in said)[:_QUOTE]
    hint = _hint(error, names, exchange)
    return f"{what}: {quoted}{hint}" if quoted else f"{what}{hint}"


def _root(error: BaseException) -> str:
    """Return the text of the operating system's own error, if there is one."""
    texts = [str(found) for found in _chain(error) if isinstance(found, OSError)]
    return next((text for text in texts if text), str(error))


def _hint(error: BaseException, names: list[str], exchange: Exchange) -> str:
    """Point at the settings when the port speaks something else."""
    for found in _chain(error):
        if isinstance(found, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(found):
            return _NOT_TLS
    told = bool(exchange.received) and not exchange.spoke
    if told or "illegal status line" in str(error):
        return f" (this port does not seem to speak HTTP: {_LOOK})"
    if not _CLOSED.isdisjoint(names) and _hung_up_on_plaintext(exchange):
        return f" (if this port does not speak HTTP, {_LOOK})"
    return ""


def _hung_up_on_plaintext(exchange: Exchange) -> bool:
    """Report whether a port did what one that begins with TLS does when told HTTP."""
    plaintext = not (exchange.reused or exchange.secured)
    return plaintext and exchange.received == 0


def _code(error: BaseException, names: list[str]) -> str:
    """Return a short code: an errno's name, ``dns``, ``tls``, ``timeout`` or ``closed``."""
    for found in _chain(error):
        if isinstance(found, socket.gaierror):
            return "dns"
        if isinstance(found, ssl.SSLError):
            return "tls"
        if isinstance(found, OSError) and found.errno is not None:
            return errno.errorcode.get(found.errno, str(found.errno))
    if "TimeoutException" in names or "TimeoutError" in names:
        return "timeout"
    return "closed" if not _CLOSED.isdisjoint(names) else ""


def _refusal(
    error: BaseException, names: list[str], exchange: Exchange
) -> DeliveryError | None:
    """Return the error for what another attempt here would meet again, if it is that."""
    facts: dict[str, Any] = {"backend": exchange.backend, "phase": exchange.phase}
    for found in _chain(error):
        if isinstance(found, ssl.SSLCertVerificationError):
            what = f"the certificate is not to be trusted: {found.verify_message}"
            return UnavailableError(
                f"{what} ({_whom(exchange)})", code="certificate", **facts
            )
        if is_too_old(found):
            return UnavailableError(
                f"the TLS handshake failed: {TOO_OLD} ({_whom(exchange)})",
                code="tls",
                **facts,
            )
        if isinstance(found, ProxyError):
            kind = _kind(found.code)
            said = scrub(str(found), exchange.proxy_login)
            return kind(f"{_whom(exchange)} {said}", code=found.code, **facts)
    if "ProxyError" in names:  # a user's own client says it with the status first
        status = str(error).partition(" ")[0]
        status = status if status.isdecimal() else ""
        hint = f": {PROXY_LOGIN}" if status == "407" else ""
        what = _detail(error, names, exchange) + hint
        return _kind(status)(what, code=status, **{**facts, "phase": "proxy"})
    return None


def _kind(status: str) -> type[DeliveryError]:
    """Return what a proxy's refusal is: for good, it would refuse every message."""
    if status == "socks":
        return TransientError
    code = int(status or 0)
    for_good = (300 <= code < 500 and code not in _PASSING) or code in _FOR_GOOD
    return UnavailableError if for_good else TransientError


def _whom(exchange: Exchange) -> str:
    """Return whom it failed at: on the way to a proxy, that is the proxy."""
    if exchange.phase == "proxy" and exchange.via:
        return f"the proxy {exchange.via} on the way to {exchange.host}"
    return exchange.host


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to what caused it."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        yield at
        seen.add(id(at))
        at = at.__cause__ or at.__context__
