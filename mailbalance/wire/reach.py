"""Reaching a host: its name looked up, its addresses tried side by side, within a limit.

What lives here: the way to a connected socket, for threads and for event loops, shared by
HTTP and SMTP. What must not: TLS, or a word of any protocol.

The next address is tried a quarter of a second after the last one, or as soon as one
fails, and the first to connect wins, so that a dead address costs little and never the
whole limit. Source: RFC 8305 ("Happy Eyeballs"), sections 4 and 5.
"""

from __future__ import annotations

import errno
import ipaddress
import math
import os
import socket
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbalance.errors import UnavailableError
from mailbalance.later import Later
from mailbalance.wire.polling import OUT, new_poll
from mailbalance.wire.within import awithin, within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
else:
    asyncio = Later("asyncio", globals())

#: Seconds before the next address is tried beside the last (RFC 8305 section 5).
STAGGER = 0.25

_RESOLVER = "mailbalance-resolver"

#: Family, kind, protocol, name and address, as ``getaddrinfo`` gives them.
Entry: TypeAlias = tuple[Any, Any, int, str, Any]


def reach(host: str, port: int, limit: float) -> socket.socket:
    """Connect to a host; the socket comes back without a time-out of its own.

    Args:
        host: A name or an address.
        port: The port.
        limit: Seconds for all of it, the name's look-up included.

    Raises:
        OSError: When no address could be reached, or the name has none.
        TimeoutError: When that took too long.
    """
    ends = time.monotonic() + limit
    waiting = interleaved(look_up(host, port, limit))
    race = _Race()
    try:
        while waiting or race.running:
            if waiting:
                race.start(waiting.pop(0))
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("no connection in time")
            winner = race.wait(min(left, STAGGER) if waiting else left)
            if winner is not None:
                return winner
    finally:
        race.end()
    raise race.failure or OSError("the name has no address")


async def areach(host: str, port: int, limit: float) -> socket.socket:
    """Do as ``reach`` does, without blocking the event loop."""
    async with asyncio.timeout(limit):
        found = await alook_up(host, port, limit)
        if len(found) == 1:
            return await _connect(found[0])
        return await _race(interleaved(found))


def look_up(host: str, port: int, limit: float) -> list[Entry]:
    """Ask the resolver, which has no time-out of its own.

    Args:
        host: A name or an address.
        port: The port.
        limit: Seconds.

    Raises:
        OSError: When the name has no address, or no thread can be started to ask.
        TimeoutError: When that took too long.
    """
    if is_address(host):
        return _found(host, port)
    return within(limit, lambda: _found(host, port), _RESOLVER)


async def alook_up(host: str, port: int, limit: float) -> list[Entry]:
    """Async version of ``look_up``."""
    if is_address(host):
        return _found(host, port)
    return await awithin(limit, lambda: _found(host, port), _RESOLVER)


def _found(host: str, port: int) -> list[Entry]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def interleaved(found: Iterable[Entry]) -> list[Entry]:
    """Put addresses in order: the families in turn, each as it was (section 4)."""
    families: dict[Any, list[Entry]] = {}
    for entry in found:
        families.setdefault(entry[0], []).append(entry)
    turns = zip_longest(*families.values())
    return [entry for turn in turns for entry in turn if entry is not None]


def is_address(host: str) -> bool:
    """Say whether a host is an address, which needs no looking up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def must_stay_here(peer: Any) -> None:
    """Refuse plaintext to another machine, whatever the name resolved to.

    Args:
        peer: The address of the other end, as ``getpeername`` gives it.

    Raises:
        UnavailableError: When it is not this machine, or unknown.
    """
    host = peer[0] if isinstance(peer, tuple) and peer else ""
    if not is_address(host) or not ipaddress.ip_address(host).is_loopback:
        raise UnavailableError(
            "plaintext reaches another machine; it works over loopback only: use https://",
            phase="connect",
        )


class _Race:
    """Connections on their way, of which the first to arrive is wanted."""

    def __init__(self) -> None:
        self.failure: OSError | None = None
        self.running: dict[int, socket.socket] = {}
        self._poll = new_poll()

    def start(self, entry: Entry) -> None:
        family, kind, protocol, _, address = entry
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # no such family on this machine
            self.failure = error
            return
        self.running[sock.fileno()] = sock
        self._poll.register(sock, OUT)
        sock.setblocking(False)
        # An address that fails at once, or is there at once, is told by the next wait.
        code = sock.connect_ex(address)
        if code not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK}:
            self._lose(sock.fileno(), code)

    def wait(self, seconds: float) -> socket.socket | None:
        if not self.running:
            return None
        for descriptor, _ in self._poll.poll(math.ceil(seconds * 1000)):
            sock = self.running[descriptor]
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                del self.running[descriptor]
                return sock
            self._lose(descriptor, code)
        return None

    def end(self) -> None:
        for sock in self.running.values():
            sock.close()

    def _lose(self, descriptor: int, code: int) -> None:
        self._poll.unregister(descriptor)
        self.running.pop(descriptor).close()
        self.failure = OSError(code, os.strerror(code))


async def _race(waiting: list[Entry]) -> socket.socket:
    running: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_connect(waiting.pop(0))))
            done, _ = await asyncio.wait(
                running,
                timeout=STAGGER if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            running -= done
            for task in done:
                failure = task.exception()
                if failure is None:
                    running |= done - {task}
                    return task.result()
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_drop)
    raise failure or OSError("the name has no address")


async def _connect(entry: Entry) -> socket.socket:
    family, kind, protocol, _, address = entry
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _drop(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of a connection that came too late to be wanted."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
