"""SMTP connections over asyncio: bytes in, bytes out, time.

What lives here: the pump between a transport and a ``Dialogue``, its idle clock and its
limits. What must not: a single SMTP word; those are the door's.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, cast

from mailbalance.sandbox.smtp_dialogue import Dialogue, Need

if TYPE_CHECKING:
    from mailbalance.sandbox.smtp_doors import SmtpDoor

#: A command line; RFC 5321 4.5.3.1.4 asks for 512, AUTH may be longer (RFC 4954: 12288).
MAX_COMMAND = 12_288 + 2
#: Connections of one door; RFC 5321 names none. The providers' own limits are lower.
MAX_CONNECTIONS = 200

_END = b"\r\n.\r\n"
_STUFFED = re.compile(rb"\r\n\.")


class SmtpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(
        self, door: SmtpDoor, connections: set[SmtpProtocol], context: ssl.SSLContext
    ) -> None:
        self._door = door
        self._connections = connections
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._inbox = bytearray()
        self._need: Need | float = Need.LINE
        self._scanned = 0
        self._too_big = False
        self._eof = False
        self._busy = True
        self._heard = self._loop.time()
        self._clock: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or turn the client away."""
        self._transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("sslcontext") is not None
        self._dialogue = Dialogue(self._door, tls=tls, gone=lambda: self._eof)
        self._steps = self._dialogue.steps()
        self._connections.add(self)
        if len(self._connections) > MAX_CONNECTIONS:
            self._hang_up(self._door.words.too_many_connections)
            return
        self._watch()
        self._advance(None)
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let a delayed message finish, as a real server would; forget the rest."""
        self._eof = True
        self._connections.discard(self)
        self._door.leave(self._dialogue)
        if self._clock is not None:
            self._clock.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and answer as far as they go."""
        self._heard = self._loop.time()
        self._inbox += data
        if not self._busy:
            self._pump()
        elif len(self._inbox) > MAX_COMMAND:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Answer what came before the end; a TLS connection cannot stay half open."""
        self._eof = True
        if not self._busy:
            self._transport.close()
        return self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """Read no more while the client does not take its replies."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    def _advance(self, received: bytes | None) -> None:
        """Hand over what was needed; go on until something is missing."""
        try:
            self._need = self._steps.send(received)
        except StopIteration:
            self._hang_up()
            return
        self._busy = False
        if self._need is Need.DROP:
            self._dialogue.outbox.clear()
            self._hang_up()
        elif self._need is Need.TLS:
            # The client's hello must wait in the kernel for start_tls() to read it.
            self._transport.pause_reading()
            self._flush()
            self._wait(self._upgrade())
        elif not isinstance(self._need, Need):
            self._wait(self._delay(self._need))

    def _pump(self) -> None:
        while not self._busy:
            taken = self._take_body() if self._need is Need.BODY else self._take_line()
            if taken is False:
                break
            self._advance(None if taken is True else taken)
        self._flush()
        if self._eof and not self._busy:
            self._transport.close()

    def _take_line(self) -> bytes | bool:
        """A line, or ``False`` if none is complete."""
        end = self._inbox.find(b"\n", self._scanned)
        self._scanned = len(self._inbox)
        if (end if end >= 0 else self._scanned) > MAX_COMMAND:
            self._hang_up("500 Line too long")
            return False
        if end < 0:
            return False
        line = bytes(self._inbox[:end]).rstrip(b"\r")
        del self._inbox[: end + 1]
        self._scanned = 0
        return line

    def _take_body(self) -> bytes | bool:
        """The message, ``True`` if it was too big, ``False`` if it is not complete."""
        if self._inbox.startswith(b".\r\n") and not self._too_big:
            end, size = 0, 3
        else:
            end = self._inbox.find(_END, max(0, self._scanned - len(_END)))
            size = end + len(_END)
        if end < 0:
            self._scanned = len(self._inbox)
            if self._scanned - len(_END) >= self._door.max_size:  # so the end is beyond
                self._too_big = True
                del self._inbox[: -len(_END)]
                self._scanned = 0
            return False
        too_big = self._too_big or end > self._door.max_size
        body = b"\r\n" + bytes(self._inbox[:end]) + (b"\r\n" if end else b"")
        del self._inbox[:size]
        self._scanned, self._too_big = 0, False
        return too_big or _STUFFED.sub(b"\r\n", body)[2:]

    def _wait(self, doing: asyncio._CoroutineLike[None]) -> None:
        self._busy = True
        self._task = self._loop.create_task(doing)

    async def _delay(self, seconds: float) -> None:
        self._flush()
        await asyncio.sleep(seconds)
        self._resume()

    async def _upgrade(self) -> None:
        # RFC 3207 section 4.2: what came in clear after STARTTLS is not a command. What
        # comes from here on was decrypted, perhaps before this coroutine goes on.
        self._inbox.clear()
        try:
            upgraded = await self._loop.start_tls(
                self._transport, self, self._context, server_side=True
            )
        except (OSError, ssl.SSLError):
            self._transport.abort()
            return
        if upgraded is None:
            return
        self._transport = upgraded
        self._need = Need.LINE
        self._resume()

    def _resume(self) -> None:
        self._task = None
        self._busy = True
        self._advance(None)
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._pump()

    def _flush(self) -> None:
        if self._dialogue.outbox and not self._transport.is_closing():
            self._transport.write(bytes(self._dialogue.outbox))
        self._dialogue.outbox.clear()

    def _hang_up(self, last: str = "") -> None:
        self._busy = True
        if last:
            self._dialogue.outbox += last.encode() + b"\r\n"
        self._flush()
        self._transport.close()

    def _watch(self) -> None:
        """Close the connection when nothing was heard for too long."""
        silent = self._loop.time() - self._heard
        if silent >= self._door.idle and not self._busy:
            self._hang_up(self._door.words.timeout)
            return
        rest = self._door.idle - silent if silent < self._door.idle else self._door.idle
        self._clock = self._loop.call_later(rest, self._watch)
