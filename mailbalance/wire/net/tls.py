"""TLS as every connection of ours uses it: one context, and two forms of a session.

Building an ``SSLContext`` costs about 30 ms (loading the system's certificates), so it is
made once for each CA file and shared by threads, loops and backends. There is no way to
switch verification off.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from mailbalance.secret import hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of one read, and of one record (RFC 8446 section 5.1).
_RECORD = 16 * 1024


def ca_of_requests(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the path in ``REQUESTS_CA_BUNDLE``, which boto3 and requests honour."""
    return hidden(environ).get("REQUESTS_CA_BUNDLE") or None


@lru_cache(maxsize=16)
def client_context(ca: str | None = None) -> ssl.SSLContext:
    """Give the shared context: verified, host name checked, TLS 1.2 or later.

    Args:
        ca: Path of a PEM file, or of a folder prepared by OpenSSL's ``rehash``, to trust
            instead of the system's certificates. Without one, OpenSSL itself honours
            ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` of the process.

    Raises:
        OSError: When ``ca`` cannot be read.

    Source: RFC 8996 (TLS 1.0 and 1.1 are out of use), RFC 7817 (what to check).
    """
    if ca is not None and os.path.isdir(ca):  # as requests takes them
        context = ssl.create_default_context(capath=ca)
    else:
        context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2
    # Python takes SSLKEYLOGFILE up unasked; whoever reads that file reads the mail.
    context.keylog_filename = None  # type: ignore[assignment] # typeshed: str only
    return context


#: How OpenSSL says that the two sides have no version of TLS in common: in an alert of the
#: server's, or on seeing the one it chose.
_TOO_OLD = frozenset(
    {
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SSL_VERSION",
        "VERSION_TOO_LOW",
    }
)

TOO_OLD = "TLS 1.2 or later is needed"


def is_too_old(error: BaseException) -> bool:
    """Report whether a handshake failed because the server knows older versions only."""
    return isinstance(error, ssl.SSLError) and getattr(error, "reason", "") in _TOO_OLD


class Tls:
    """The client's side of one TLS session in memory: bytes in, bytes out.

    asyncio's own TLS keeps what it could not send yet where nobody can see it; with the
    session in our hands the transport's buffer alone says whether a byte has left.

    Args:
        context: The verified context.
        host: Whom the certificate must be for.

    Attributes:
        fault: What made it impossible to decrypt any more, if anything did.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._coming = ssl.MemoryBIO()
        self._going = ssl.MemoryBIO()
        self._session = context.wrap_bio(
            self._coming, self._going, server_hostname=host
        )
        self._open = False
        self.fault: ssl.SSLError | None = None

    def shake_hands(self) -> bool:
        """Go on with the handshake; report whether it is done.

        Raises:
            ssl.SSLError: When it failed, the certificate's check included.
        """
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._open = True
        return True

    def sealed(self, data: memoryview) -> bytes:
        """Encrypt; return the bytes to write."""
        while data:
            data = data[self._session.write(data) :]
        return self._going.read()

    def pending(self) -> bytes:
        """Return what TLS itself has to say."""
        return self._going.read() if self._going.pending else b""

    def take(self, data: bytes | memoryview) -> None:
        """Take bytes that came."""
        self._coming.write(data)

    def opened(self) -> tuple[bytes, bool]:
        """Decrypt what has come; return it, and whether no more will come.

        What stands before a record that is not to be decrypted is as good as any: it may
        be the reply.
        """
        if not self._open:
            return b"", False
        found = []
        try:
            while data := self._session.read(_RECORD):
                found.append(data)
        except ssl.SSLWantReadError:
            return b"".join(found), False
        except ssl.SSLZeroReturnError:
            pass  # the server said that it is done
        except ssl.SSLError as error:
            self.fault = error
        return b"".join(found), True


class TlsOverTls:
    """What is used of an ``ssl.SSLSocket``, for TLS inside another TLS session.

    ``ssl.SSLSocket`` cannot wrap one of its own kind.

    Args:
        sock: The outer session, which never blocks.
        context: The verified context of the inner one.
        host: Whom its certificate must be for.
    """

    def __init__(self, sock: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        self._outer = sock
        self._tls = Tls(context, host)
        self._sealed = memoryview(b"")
        self._promised = 0
        self._opened = b""
        self._over = False
        self.fileno, self.close = sock.fileno, sock.close
        self.setsockopt, self.getpeername = sock.setsockopt, sock.getpeername

    def do_handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            ssl.SSLWantReadError: When the server must say something first.
            ssl.SSLWantWriteError: When nothing more can be written now.
        """
        while not self._tls.shake_hands():
            self._sealed = memoryview(bytes(self._sealed) + self._tls.pending())
            self._flush()
            self._take()
        self._sealed = memoryview(bytes(self._sealed) + self._tls.pending())
        self._flush()

    def send(self, data: memoryview) -> int:
        """Encrypt one record and hand it over; report how many of the bytes it holds.

        Raises:
            ssl.SSLWantWriteError: When a part of it is left; call it again with the same.
        """
        if not self._sealed:
            part = data[:_RECORD]
            self._sealed = memoryview(self._tls.sealed(part))
            self._promised = len(part)
        self._flush()
        return self._promised

    def recv(self, _most: int) -> bytes:
        """Return what is there, or ``b""`` at the end.

        Raises:
            ssl.SSLWantReadError: When nothing is.
        """
        while not (self._opened or self._over):
            self._opened, self._over = self._tls.opened()
            if not (self._opened or self._over):
                self._take()
        data, self._opened = self._opened, b""
        if not data and self._tls.fault is not None:
            raise self._tls.fault
        return data

    def pending(self) -> int:
        """Report whether the outer session has bytes that its socket does not show."""
        return self._outer.pending() or len(self._opened)

    def _take(self) -> None:
        data = self._outer.recv(_RECORD)
        if not data:
            raise ssl.SSLEOFError(8, "the tunnel was closed in the TLS session")
        self._tls.take(data)

    def _flush(self) -> None:
        while self._sealed:
            self._sealed = self._sealed[self._outer.send(self._sealed) :]
