"""TLS in memory: bytes in, bytes out, for a transport that knows nothing of it.

What lives here: one TLS session over two buffers. What must not: I/O.

asyncio's own TLS keeps what it could not send yet where nobody can see it; with the
session in our hands the transport's buffer alone says whether a byte has left.
"""

from __future__ import annotations

import ssl

_READ = 16 * 1024


class Tls:
    """The client's side of one TLS session.

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
        """Go on with the handshake; say whether it is done.

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
        """Encrypt; give the bytes to write."""
        while data:
            data = data[self._session.write(data) :]
        return self._going.read()

    def pending(self) -> bytes:
        """Give what TLS itself has to say."""
        return self._going.read() if self._going.pending else b""

    def take(self, data: bytes | memoryview) -> None:
        """Take bytes that came."""
        self._coming.write(data)

    def opened(self) -> tuple[bytes, bool]:
        """Decrypt what has come; give it, and whether no more will come.

        What stands before a record that is not to be decrypted is as good as any: it may
        be the reply.
        """
        if not self._open:
            return b"", False
        found = []
        try:
            while data := self._session.read(_READ):
                found.append(data)
        except ssl.SSLWantReadError:
            return b"".join(found), False
        except ssl.SSLZeroReturnError:
            pass  # the server said that it is done
        except ssl.SSLError as error:
            self.fault = error
        return b"".join(found), True
