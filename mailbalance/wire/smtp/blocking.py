"""A session on a blocking socket, and the pump that runs a transaction on it.

What lives here: the socket line and the sync pump. What must not: any judgement of a reply,
any pooling.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

from mailbalance.wire.net.polling import IN, OUT, new_poll
from mailbalance.wire.net.unasked import UnaskedError, is_under_way
from mailbalance.wire.smtp.replies import MalformedReplyError, ReplyReader
from mailbalance.wire.smtp.steps import Accepted, Ask, BrokenError, Commit, Read, Write

if TYPE_CHECKING:
    from mailbalance.wire.smtp.chain import Chain
    from mailbalance.wire.smtp.replies import Reply
    from mailbalance.wire.smtp.steps import Step, Steps
    from mailbalance.wire.smtp.transaction import Transaction

#: Bytes of one read; a reply is a line or a few.
_RECEIVE = 4096

#: close() with this linger discards what the kernel still holds and resets the connection.
LINGER_NONE = struct.pack("ii", 1, 0)


class SocketLine:
    """A socket that speaks in replies, each wait with its limit in seconds.

    The socket never blocks: waiting is ``poll``'s, which costs one system call where a
    socket's own time-out costs two.
    """

    def __init__(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self.socket = sock
        self._poll = new_poll()
        self._poll.register(sock, IN)
        self._tls: ssl.SSLSocket | None = None
        self._handed = False
        self._reader = ReplyReader()

    def write(self, data: bytes | memoryview, limit: float) -> None:
        """Hand all bytes to the kernel.

        Raises:
            BrokenError: When that failed, or took too long.
        """
        try:
            self._write(data, time.monotonic() + limit)
        except OSError as error:
            raise _told(error) from error

    def commit(self, data: bytes | memoryview, limit: float) -> None:
        """Hand all bytes to the kernel; what is read next must be the answer to them.

        Raises:
            BrokenError: When that failed, or took too long.
        """
        self.write(data, limit)
        self._handed = True

    def read(self, limit: float) -> Reply:
        """Wait for the next reply.

        Raises:
            BrokenError: When none came, or something that is no reply.
        """
        return self.ask(b"", limit)

    def ask(self, data: bytes | memoryview, limit: float) -> Reply:
        """Hand all bytes to the kernel, and wait for the next reply.

        With no time left it takes a reply that is there: a process that was suspended
        past its deadline finds the one that came meanwhile.

        Raises:
            BrokenError: When either failed, or both took too long.
        """
        ends = time.monotonic() + limit
        try:
            if data:
                self._write(data, ends)
            while (reply := self._reader.next()) is None:
                try:
                    self._wait(ends, IN)
                except TimeoutError:
                    if not self._polled(0):
                        raise
                self._receive()
        except (OSError, MalformedReplyError) as error:
            broken = _told(error)
            broken.begun = self._reader.begun
            raise broken from error
        return reply

    def glance(self) -> Reply | None:
        """Give a reply that is already there.

        Raises:
            BrokenError: When the other side has closed.
        """
        try:
            reply = self._reader.next()
            if reply is None and self._pull():
                reply = self._reader.next()
        except (OSError, MalformedReplyError) as error:
            raise _told(error) from error
        return reply

    def answers(self, limit: float) -> bool:
        """Say NOOP, and tell whether the server answers as it should."""
        try:
            return self.ask(b"NOOP\r\n", limit).code == 250 and self.empty
        except BrokenError:
            return False

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        try:
            return self._reader.empty and not self._pull()
        except OSError:
            return False

    @property
    def empty(self) -> bool:
        """Whether nothing more than the replies read so far has been received."""
        return self._reader.empty

    def start_tls(self, context: ssl.SSLContext, host: str, limit: float) -> None:
        """Go on in TLS, with the certificate checked for ``host``."""
        self.socket.settimeout(limit)
        sock = context.wrap_socket(self.socket, server_hostname=host)
        self.socket = self._tls = sock  # with the same descriptor, which poll knows
        sock.setblocking(False)

    def hang_up(self) -> None:
        """Say QUIT without waiting for the answer, and close."""
        with contextlib.suppress(OSError):
            self.socket.send(b"QUIT\r\n")
        self.socket.close()

    def part(self, limit: float) -> None:
        """Say QUIT, wait for the answer, and close, whatever comes."""
        with contextlib.suppress(BrokenError):
            self.ask(b"QUIT\r\n", limit)
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

    def _write(self, data: bytes | memoryview, ends: float) -> None:
        if ends <= time.monotonic():
            raise TimeoutError
        while data:
            try:
                data = memoryview(data)[self.socket.send(data) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(ends, OUT)
            except ssl.SSLWantReadError:
                self._wait(ends, IN)

    def _wait(self, ends: float, event: int) -> None:
        left = ends - time.monotonic()
        if left <= 0 or not self._polled(math.ceil(left * 1000), event):
            raise TimeoutError

    def _polled(self, milliseconds: int, event: int = IN) -> bool:
        if event == OUT:
            self._poll.modify(self.socket, OUT)
            try:
                return bool(self._poll.poll(milliseconds))
            finally:
                self._poll.modify(self.socket, IN)
        if self._tls is not None and self._tls.pending():
            return True
        return bool(self._poll.poll(milliseconds))

    def _receive(self) -> bool:
        """Read what is there; tell whether there was any."""
        try:
            data = self.socket.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False  # TLS's own talk, such as a session ticket
        if not data:
            raise ConnectionResetError("the server closed the connection")
        if self._handed:
            self._handed = False
            if is_under_way(self.socket):
                raise UnaskedError(data[:64])
        self._reader.feed(data)
        return True

    def _pull(self) -> bool:
        """Read what is there without waiting; tell whether there was any."""
        return self._polled(0) and self._receive()


def _told(error: OSError | MalformedReplyError) -> BrokenError:
    """Put a socket's failure in the transaction's words."""
    if isinstance(error, UnaskedError):
        return BrokenError(str(error), "garbled")
    if isinstance(error, TimeoutError):
        return BrokenError("the server did not answer in time", "timeout")
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
        return BrokenError(f"the connection was lost: {why}", "closed")
    return BrokenError(f"the server sent {error}", "garbled")


def pump(line: SocketLine, transaction: Transaction) -> Accepted:
    """Run a transaction to its end.

    Raises:
        DeliveryError: As the transaction judged.
    """
    steps = transaction.run()
    step: Step = next(steps)
    while not isinstance(step, Accepted):
        step = _taken(line, steps, step)
    return step


def pump_all(line: SocketLine, chain: Chain) -> None:
    """Run a chain until it has no more steps; what came of it is in its ``ends``."""
    steps = chain.run()
    with contextlib.suppress(StopIteration):
        step = next(steps)
        while True:
            step = _taken(line, steps, step)


def _taken(line: SocketLine, steps: Steps, step: Step) -> Step:
    """Take a step, tell what came of it, and give the next."""
    answer = None
    try:
        if isinstance(step, Ask):
            answer = line.ask(step.data, step.limit)
        elif isinstance(step, Write):
            hand_over = line.commit if type(step) is Commit else line.write
            hand_over(step.data, step.limit)
        else:
            answer = line.read(step.limit) if isinstance(step, Read) else line.glance()
    except BrokenError as broken:
        return steps.throw(broken)
    return steps.send(answer)
