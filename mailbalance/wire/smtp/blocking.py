"""A session on a blocking socket, and the pump that runs a transaction on it.

What lives here: the socket line and the sync pump. What must not: any judgement of a reply,
any pooling.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

from mailbalance.wire.smtp.replies import MalformedReplyError, ReplyReader
from mailbalance.wire.smtp.steps import Accepted, BrokenError, Read, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbalance.wire.smtp.chain import Chain
    from mailbalance.wire.smtp.replies import Reply
    from mailbalance.wire.smtp.steps import Step
    from mailbalance.wire.smtp.transaction import Transaction

_RECEIVE = 65536

#: close() with this linger discards what the kernel still holds and resets the connection.
LINGER_NONE = struct.pack("ii", 1, 0)


class SocketLine:
    """A blocking socket that speaks in replies, each wait with its limit in seconds."""

    def __init__(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        self.socket = sock
        self._reader = ReplyReader()

    def write(self, data: bytes | memoryview, limit: float) -> None:
        """Hand all bytes to the kernel.

        Raises:
            BrokenError: When that failed, or took too long.
        """
        ends = time.monotonic() + limit
        view = memoryview(data)
        with _told():
            while view:
                self._wait_until(ends)
                view = view[self.socket.send(view) :]

    def read(self, limit: float) -> Reply:
        """Wait for the next reply.

        Raises:
            BrokenError: When none came, or something that is no reply.
        """
        ends = time.monotonic() + limit
        try:
            with _told():
                while (reply := self._reader.next()) is None:
                    self._wait_until(ends)
                    self._receive()
        except BrokenError as broken:
            broken.begun = self._reader.begun
            raise
        return reply

    def glance(self) -> Reply | None:
        """Give a reply that is already there.

        Raises:
            BrokenError: When the other side has closed.
        """
        with _told():
            reply = self._reader.next()
            if reply is None and self._pull():
                reply = self._reader.next()
        return reply

    def answers(self, limit: float) -> bool:
        """Say NOOP, and tell whether the server answers as it should."""
        try:
            self.write(b"NOOP\r\n", limit)
            return self.read(limit).code == 250 and self.empty
        except BrokenError:
            return False

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        try:
            with _told():
                return self._reader.empty and not self._pull()
        except BrokenError:
            return False

    @property
    def empty(self) -> bool:
        """Whether nothing more than the replies read so far has been received."""
        return self._reader.empty

    def start_tls(self, context: ssl.SSLContext, host: str, limit: float) -> None:
        """Go on in TLS, with the certificate checked for ``host``."""
        self.socket.settimeout(limit)
        self.socket = context.wrap_socket(self.socket, server_hostname=host)

    def hang_up(self) -> None:
        """Say QUIT without waiting for the answer, and close."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(0)
            self.socket.send(b"QUIT\r\n")
        self.socket.close()

    def part(self, limit: float) -> None:
        """Say QUIT, wait for the answer, and close, whatever comes."""
        with contextlib.suppress(BrokenError):
            self.write(b"QUIT\r\n", limit)
            self.read(limit)
        self.socket.close()

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        except OSError:
            pass
        finally:
            self.socket.close()

    def abandon(self) -> None:
        """Let go of a socket that belongs to the process we were forked from."""
        self.socket.close()

    def _wait_until(self, ends: float) -> None:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)

    def _receive(self) -> None:
        data = self.socket.recv(_RECEIVE)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._reader.feed(data)

    def _pull(self) -> bool:
        """Read what is there without waiting; tell whether there was any."""
        self.socket.settimeout(0)
        try:
            self._receive()
        except (BlockingIOError, ssl.SSLWantReadError):
            return False  # TLS's own talk, such as a session ticket
        return True


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Raise a socket's failures in the transaction's words."""
    try:
        yield
    except TimeoutError as error:
        raise BrokenError("the server did not answer in time", "timeout") from error
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise BrokenError(f"the connection was lost: {why}", "closed") from error
    except MalformedReplyError as error:
        raise BrokenError(f"the server sent {error}", "garbled") from error


def pump(line: SocketLine, transaction: Transaction) -> Accepted:
    """Run a transaction to its end.

    Raises:
        DeliveryError: As the transaction judged.
    """
    steps = transaction.run()
    step: Step = next(steps)
    while not isinstance(step, Accepted):
        try:
            answer = _do(line, step)
        except BrokenError as broken:
            step = steps.throw(broken)
        else:
            step = steps.send(answer)
    return step


def pump_all(line: SocketLine, chain: Chain) -> None:
    """Run a chain until it has no more steps; what came of it is in its ``ends``."""
    steps = chain.run()
    with contextlib.suppress(StopIteration):
        step = next(steps)
        while True:
            try:
                answer = _do(line, step)
            except BrokenError as broken:
                step = steps.throw(broken)
            else:
                step = steps.send(answer)


def _do(line: SocketLine, step: Step) -> Reply | None:
    if isinstance(step, Write):
        line.write(step.data, step.limit)
        return None
    return line.read(step.limit) if isinstance(step, Read) else line.glance()
