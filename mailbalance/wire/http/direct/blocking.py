"""A connection on a blocking socket, and the pump that runs a dialogue on it.

What lives here: the socket line and the sync pump. What must not: any judgement, any
pooling. A test may give ``pump`` any object with ``write``, ``finish`` and ``read``, or a
``SocketLine`` over any socket.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

from mailbalance.secret import bare
from mailbalance.wire.http.direct.steps import Finish, Read, Write, must_be_an_answer
from mailbalance.wire.http.exchange import HttpResponse
from mailbalance.wire.polling import IN, OUT, new_poll

if TYPE_CHECKING:
    from mailbalance.wire.http.direct.dialogue import Dialogue
    from mailbalance.wire.http.direct.steps import Pieces, Step

#: Bytes of one read; replies are some hundred long.
_RECEIVE = 16 * 1024

#: Pieces of one system call, far below any system's limit (POSIX promises 16).
_GATHER = 16

#: close() with this linger discards what the kernel still holds and resets the connection.
LINGER_NONE = struct.pack("ii", 1, 0)

_FULL = (BlockingIOError, ssl.SSLWantWriteError)
_AGAIN = (BlockingIOError, ssl.SSLWantReadError)


class SocketLine:
    """A connected socket, plain or in TLS, each wait with its limit in seconds.

    The socket never blocks: waiting is ``poll``'s, which costs one system call where a
    socket's own time-out costs two.

    Attributes:
        retired: Set to have it dropped instead of used again.
        before: The body of the last reply that came over it.
    """

    def __init__(self, sock: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # a pair of sockets in a test has no TCP
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self.socket: socket.socket = sock
        self._poll = new_poll()
        self._poll.register(sock, IN)
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._parted = self._handed = self._used = False
        self.retired = False
        self.before = b""

    def write(
        self, rest: list[memoryview], limit: float, patience: float = math.inf
    ) -> bytes | None:
        """Hand all bytes to the kernel, or stop and give what the server says.

        Args:
            rest: The bytes in pieces; those that were handed over are taken off.
            limit: Seconds.
            patience: Seconds of them in which the kernel may take none.

        Raises:
            OSError: When that failed, or took too long.
        """
        ends = time.monotonic() + limit
        self._parted = True
        while rest:
            if not self._send(rest):
                self._wait(min(ends - time.monotonic(), patience), IN | OUT)
                if (said := self._glance()) is not None:
                    return said
        return self._glance()

    def finish(self, pieces: Pieces, limit: float) -> bytes | None:
        """Hand the request's last bytes to the kernel, unless the server spoke before.

        Returns:
            What the server said; then nothing of this was handed over. A new connection
            is not looked at.

        Raises:
            OSError: When that failed, or took too long.
        """
        if self._used and self._poll.poll(0) and (said := self._unasked()) is not None:
            return said
        # In one piece: TLS needs it, and so few bytes are joined sooner than listed.
        data = memoryview(b"".join(pieces))
        try:
            rest = [data[self.socket.send(data) :]]
        except _FULL:
            rest = [data]
        if rest[0]:
            ends = time.monotonic() + limit
            while rest:
                self._wait(ends - time.monotonic(), OUT)
                self._send(rest)
        self._handed = self._used
        return None

    def read(self, limit: float) -> bytes:
        """Wait for some bytes; ``b""`` when the server closed.

        With no time left it takes what is there: a process that was suspended past its
        deadline finds the reply that came meanwhile.

        Raises:
            OSError: When none came, or the connection broke.
        """
        ends = time.monotonic() + limit
        while True:
            try:
                if self._tls is None or not self._tls.pending():
                    self._wait(limit, IN)
            except TimeoutError:
                if not self._poll.poll(0):
                    raise
            try:
                data = self.socket.recv(_RECEIVE)
            except _AGAIN:
                limit = ends - time.monotonic()
                continue
            if self._handed:
                self._handed = False
                must_be_an_answer(data, self.socket, parted=self._parted)
            return data

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing has come that nobody asked for."""
        self._used, self._parted, self._handed = True, False, False
        if self.retired:
            return False
        if not self._poll.poll(0):
            return True
        try:
            return self._glance() is None
        except OSError:
            return False

    def start_tls(self, context: ssl.SSLContext, host: str, limit: float) -> None:
        """Go on in TLS, with the certificate checked for ``host``.

        Raises:
            OSError: When that failed, or took too long.
        """
        ends = time.monotonic() + limit
        self._poll.unregister(self.socket)
        sock = context.wrap_socket(
            self.socket, server_hostname=host, do_handshake_on_connect=False
        )
        self.socket = self._tls = sock
        self._poll.register(sock, IN)
        while wanted := _wanted(sock):
            self._wait(ends - time.monotonic(), wanted)

    def close(self) -> None:
        """Close it; nothing is on its way any more."""
        self.socket.close()

    def abort(self) -> None:
        """Cut the connection; nothing buffered is sent any more."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        except OSError:
            pass
        finally:
            self.socket.close()

    def _send(self, rest: list[memoryview]) -> bool:
        """Send what the kernel takes, and keep what it did not; say whether it took any."""
        try:
            if self._tls is not None or len(rest) == 1:
                sent = self.socket.send(rest[0])
            else:
                sent = self.socket.sendmsg(rest[:_GATHER])
        except _FULL:
            return False
        while rest and sent >= len(rest[0]):
            sent -= len(rest.pop(0))
        if sent:
            rest[0] = rest[0][sent:]
        return True

    def _glance(self) -> bytes | None:
        """Give what is there without waiting; ``None`` if nothing, ``b""`` at the end."""
        if not self._poll.poll(0):
            return None
        try:
            return self.socket.recv(_RECEIVE)
        except _AGAIN:
            return None  # TLS's own talk, such as a session ticket

    def _unasked(self) -> bytes | None:
        try:
            return self._glance()
        except OSError:
            return b""

    def _wait(self, limit: float, events: int) -> None:
        if limit <= 0:
            raise TimeoutError("the deadline has passed")
        if events == IN:
            ready = self._poll.poll(math.ceil(limit * 1000))
        else:
            self._poll.modify(self.socket, events)
            try:
                ready = self._poll.poll(math.ceil(limit * 1000))
            finally:
                self._poll.modify(self.socket, IN)
        if not ready:
            raise TimeoutError("the deadline has passed")


def _wanted(sock: ssl.SSLSocket) -> int:
    """Go on with a handshake; say what to wait for, or 0 when it is done."""
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        return IN
    except ssl.SSLWantWriteError:
        return OUT
    return 0


def pump(line: SocketLine, dialogue: Dialogue) -> HttpResponse:
    """Run a dialogue to its end.

    Raises:
        DeliveryError: As the dialogue judged.
    """
    steps = dialogue.run()
    step: Step = next(steps)
    while True:
        answer = None
        try:
            if type(step) is Finish:
                answer = line.finish(*step)
            elif type(step) is Read:
                answer = line.read(step)
            elif type(step) is HttpResponse:
                return step
            elif type(step) is Write:
                answer = line.write(*step)
        except OSError as error:
            step = steps.throw(bare(error))
        else:
            step = steps.send(answer)
