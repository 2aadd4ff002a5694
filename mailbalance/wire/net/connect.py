"""The way to a connected stream: a name looked up, addresses tried, a proxy, TLS.

The next address is tried a quarter of a second after the last one, or as soon as one
fails, and the first to connect wins, so that a dead address costs little and never the
whole limit. Source: RFC 8305 ("Happy Eyeballs"), sections 4 and 5.

A proxy is one more connection on the way: reached like any host, in TLS if its URL says
so, then asked by CONNECT (RFC 9110 section 9.3.6) or by SOCKS, which python-socks speaks.
"""

from __future__ import annotations

import base64
import errno
import ipaddress
import math
import os
import re
import socket
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from mailbalance.errors import UnavailableError
from mailbalance.fork_lock import IMPORTING
from mailbalance.later import Later
from mailbalance.secret import Secret
from mailbalance.wire.net.drive import Commit, Read, adrive, drive
from mailbalance.wire.net.polling import OUT, new_poll
from mailbalance.wire.net.socket_stream import SocketStream
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.net.within import awithin, within

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from mailbalance.wire.net import asyncio_stream
    from mailbalance.wire.net.drive import Steps
else:
    asyncio = Later("asyncio", globals())
    asyncio_stream = Later("mailbalance.wire.net.asyncio_stream", globals())

#: Seconds before the next address is tried beside the last (RFC 8305 section 5).
STAGGER = 0.25

_RESOLVER = "mailbalance-resolver"

#: What to do when a proxy answers 407.
PROXY_LOGIN = "the proxy wants a user and password: put them into HTTPS_PROXY"

#: Bytes of a proxy's reply to CONNECT.
_PROXY_REPLY = 64 * 1024

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n")

#: Family, kind, protocol, name and address, as ``getaddrinfo`` gives them.
Entry: TypeAlias = tuple[Any, Any, int, str, Any]


class Origin(NamedTuple):
    """Whom connections lead to."""

    scheme: str
    host: str
    port: int


class ProxyError(OSError):
    """A proxy does not let us through; the text begins with its verb.

    Attributes:
        code: The status of its reply, ``socks``, or ``""``.
    """

    def __init__(self, detail: str, code: str = "") -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way.

    Attributes:
        origin: Where it is; the scheme says how it is spoken to.
        user: Whom it knows us as, if it wants to know.
        password: Their password.
    """

    origin: Origin
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Read a proxy's URL; user and password are percent-encoded there."""
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        user = None if parts.username is None else Secret(unquote(parts.username))
        password = Secret(unquote(parts.password or ""))
        return cls(Origin(parts.scheme, parts.hostname or "", port), user, password)

    @property
    def where(self) -> str:
        """Host and port, for error texts."""
        return f"{self.origin.host}:{self.origin.port}"


_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def connect(
    origin: Origin,
    ca: str | None,
    ends: float,
    *,
    proxy: Proxy | None = None,
    enter: Callable[[str], object],
) -> SocketStream:
    """Open a connection, in TLS if the origin's scheme is ``https``.

    Args:
        origin: Where to.
        ca: Path of a PEM file to trust instead of the system's certificates.
        ends: Until when, for all of it.
        proxy: What to go through.
        enter: Called with the name of each phase as it begins.

    Raises:
        OSError: When that failed, or took too long.
    """
    enter("connect" if proxy is None else "proxy")
    stream = None
    try:
        if proxy is None:
            stream = SocketStream(reach(origin.host, origin.port, ends))
        elif proxy.origin.scheme.startswith("socks"):
            stream = SocketStream(_through_socks(origin, proxy, ends))
        else:
            stream = SocketStream(reach(*proxy.origin[1:], ends))
            if proxy.origin.scheme == "https":
                stream.start_tls(client_context(), proxy.origin.host, ends)
            drive(stream, connecting(origin, proxy, ends))
        if origin.scheme == "https":
            enter("tls")
            stream.start_tls(client_context(ca), origin.host, ends)
        else:
            must_stay_here(stream.socket.getpeername())
    except BaseException:
        if stream is not None:
            stream.abort()
        raise
    return stream


async def aconnect(
    origin: Origin,
    ca: str | None,
    ends: float,
    *,
    proxy: Proxy | None = None,
    enter: Callable[[str], object],
) -> asyncio_stream.AsyncioStream:
    """Async version of ``connect``."""
    enter("connect" if proxy is None else "proxy")
    stream = None
    over = asyncio_stream.AsyncioStream.over
    try:
        if proxy is None:
            sock = await areach(origin.host, origin.port, ends)
            stream = await over(sock)
            if origin.scheme != "https":
                must_stay_here(sock.getpeername())
        elif proxy.origin.scheme.startswith("socks"):
            stream = await over(await _athrough_socks(origin, proxy, ends))
        else:
            stream = await over(await areach(*proxy.origin[1:], ends))
            if proxy.origin.scheme == "https":
                await stream.start_tls(client_context(), proxy.origin.host, ends)
            await adrive(stream, connecting(origin, proxy, ends))
        if origin.scheme == "https":
            enter("tls")
            await stream.start_tls(client_context(ca), origin.host, ends)
    except BaseException:
        if stream is not None:
            stream.abort()
        raise
    return stream


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


def connecting(origin: Origin, proxy: Proxy, ends: float) -> Steps:
    """Ask a proxy for a tunnel; the protocol's result is ``True``.

    Nothing of the request is written before its reply, so however this fails, nothing
    was sent: it has no commit point.

    Raises:
        ProxyError: When it refuses, or its reply is none.
        OSError: When the connection broke, or the time is over.
    """
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if proxy.user is not None:
        login = f"{proxy.user}:{proxy.password}".encode()
        lines.append(
            Secret(f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}")
        )
    asked = memoryview("\r\n".join([*lines, "", ""]).encode("latin-1"))
    yield Commit(((asked,), ends))
    said, status, reason = b"", b"1", b""
    while status.startswith(b"1"):  # interim (RFC 9110 section 15.2)
        while b"\r\n\r\n" not in said:
            more = yield Read((ends, False))
            if not more:
                raise ProxyError("closed the connection")
            said += more
            if len(said) > _PROXY_REPLY or not b"HTTP/1.".startswith(said[:7]):
                raise _no_http()
        head, _, said = said.partition(b"\r\n\r\n")
        status, reason = _status(head)
    if not status.startswith(b"2"):
        raise _refused(status.decode(), reason)
    if said:  # a server speaks only after us (RFC 9110 section 9.3.6)
        raise ProxyError("spoke before it was asked")
    yield True


def _status(head: bytes) -> tuple[bytes, bytes]:
    """Return the status of a proxy's reply, and the reason beside it."""
    found = _STATUS.match(head + b"\r\n")
    if found is None:
        raise _no_http()
    return found[1], found[2] or b""


def _no_http() -> ProxyError:
    return ProxyError("does not speak HTTP")


def _refused(status: str, reason: bytes) -> ProxyError:
    said = "".join(c for c in reason.decode("latin-1") if c.isprintable())[:100]
    if status == "407":
        said = PROXY_LOGIN
    return ProxyError(f"refuses with {status}: {said}", status)


def _through_socks(origin: Origin, proxy: Proxy, ends: float) -> socket.socket:
    """Have python-socks connect; each of its waits has a limit, but not all together."""
    with IMPORTING:
        from python_socks.sync import Proxy as Socks

    def ask() -> socket.socket:
        socks = Socks(**_socks(proxy))
        left = max(0.001, ends - time.monotonic())
        try:
            found: socket.socket = socks.connect(*origin[1:], timeout=left)
        except Exception as error:  # noqa: BLE001 - it has several families
            raise _socks_error(error) from None
        return found

    return within(ends - time.monotonic(), ask, "mailbalance-proxy")


async def _athrough_socks(origin: Origin, proxy: Proxy, ends: float) -> socket.socket:
    with IMPORTING:
        from python_socks.async_.asyncio import Proxy as Socks

    left = ends - time.monotonic()
    try:
        async with asyncio.timeout(left):
            socks = Socks(**_socks(proxy))
            found: socket.socket = await socks.connect(*origin[1:], timeout=left)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - it has several families
        raise _socks_error(error) from None
    return found


def _socks(proxy: Proxy) -> dict[str, Any]:
    with IMPORTING:
        from python_socks import ProxyType

    return {
        "proxy_type": ProxyType.SOCKS5,
        "host": proxy.origin.host,
        "port": proxy.origin.port,
        "username": proxy.user,
        "password": proxy.password or None,
        # With socks5h the proxy looks names up, with socks5 we do, as curl and boto3 do.
        "rdns": proxy.origin.scheme == "socks5h",
    }


def _socks_error(error: Exception) -> OSError:
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return TimeoutError("no tunnel in time")
    if isinstance(error, OSError):
        return error
    said = "".join(c if c.isprintable() else " " for c in str(error))[:100]
    return ProxyError(f"refuses: {said}", "socks")


def reach(host: str, port: int, ends: float) -> socket.socket:
    """Connect to a host; the socket comes back without a time-out of its own.

    Args:
        host: A name or an address.
        port: The port.
        ends: Until when, the name's look-up included.

    Raises:
        OSError: When no address could be reached, or the name has none.
        TimeoutError: When that took too long.
    """
    waiting = interleaved(_look_up(host, port, ends))
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


async def areach(host: str, port: int, ends: float) -> socket.socket:
    """Async version of ``reach``."""
    async with asyncio.timeout(ends - time.monotonic()):
        found = await _alook_up(host, port, ends)
        if len(found) == 1:
            return await _connect(found[0])
        return await _race(interleaved(found))


def interleaved(found: Iterable[Entry]) -> list[Entry]:
    """Return addresses in order: the families in turn, each as it was (section 4)."""
    families: dict[Any, list[Entry]] = {}
    for entry in found:
        families.setdefault(entry[0], []).append(entry)
    turns = zip_longest(*families.values())
    return [entry for turn in turns for entry in turn if entry is not None]


def is_address(host: str) -> bool:
    """Report whether a host is an address, which needs no looking up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


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


def _look_up(host: str, port: int, ends: float) -> list[Entry]:
    """Ask the resolver, which has no time-out of its own."""
    if is_address(host):
        return _found(host, port)
    return within(ends - time.monotonic(), lambda: _found(host, port), _RESOLVER)


async def _alook_up(host: str, port: int, ends: float) -> list[Entry]:
    """Async version of ``_look_up``."""
    if is_address(host):
        return _found(host, port)
    return await awithin(ends - time.monotonic(), lambda: _found(host, port), _RESOLVER)


def _found(host: str, port: int) -> list[Entry]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
