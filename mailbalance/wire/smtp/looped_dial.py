"""The opening of a session in an event loop, with aiosmtplib.

What lives here: connecting, TLS, EHLO and AUTH, each within its limit, and the handing over
of the transport. What must not: anything about a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, cast

import aiosmtplib

from mailbalance.secret import frameless
from mailbalance.wire.net.connect import areach
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.smtp.commands import Features
from mailbalance.wire.smtp.connection import Connection
from mailbalance.wire.smtp.faults import FOREIGN, cause_to_show, translate
from mailbalance.wire.smtp.looped import TransportLine
from mailbalance.wire.smtp.opening import (
    EHLO_NAME,
    data_before_tls,
    mechanism,
    must_be_loopback,
    must_offer_starttls,
)
from mailbalance.wire.smtp.replies import MalformedReplyError, ReplyReader

if TYPE_CHECKING:
    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.smtp.server import Credentials, Server
    from mailbalance.wire.smtp.verdict import Rule


async def dial(
    server: Server, deadline: Deadline, rules: tuple[Rule, ...]
) -> Connection[TransportLine]:
    """Open a session, ready for its first message.

    Raises:
        DeliveryError: When that failed; nothing was said of any message.
    """
    opening = _Opening(server, deadline)
    try:
        with frameless():
            return await opening.run()
    except (*FOREIGN, aiosmtplib.SMTPException) as error:
        opening.abort()
        failure = translate(error, opening.phase, server, rules)
        cause = cause_to_show(error, opening.phase, server)
    except BaseException:
        opening.abort()
        raise
    raise failure from cause


class _Opening:
    """One session on its way to being open."""

    def __init__(self, server: Server, deadline: Deadline) -> None:
        self.phase = "connect"
        self._server = server
        self._deadline = deadline
        self._sock: socket.socket | None = None
        self._client: _Client | None = None

    async def run(self) -> Connection[TransportLine]:
        server = self._server
        limit = self._deadline.opening()
        sock = self._sock = await areach(
            server.host, server.port, time.monotonic() + limit
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server.security == "off":
            must_be_loopback(sock)
        client = await self._greet(sock)
        self.phase = "ehlo"
        async with self._limit():
            await client.ehlo(timeout=None)
        if self._server.security == "starttls":
            await self._upgrade(client)
        if self._server.credentials is not None:
            await self._log_in(client, self._server.credentials)
        line = TransportLine(cast("asyncio.Transport", client.transport), sock)
        return Connection(line, Features.of(client.esmtp_extensions), time.monotonic())

    def abort(self) -> None:
        transport = self._client.transport if self._client else None
        if transport is not None:
            cast("asyncio.Transport", transport).abort()
        elif self._sock is not None:
            _cut(self._sock)

    def _limit(self) -> asyncio.Timeout:
        """Limit a step of aiosmtplib.

        It is given no time-out of its own: it would use ``asyncio.wait_for``, which
        before Python 3.12 loses a cancellation that comes just as the wait ends.
        """
        return asyncio.timeout(self._deadline.opening())

    async def _greet(self, sock: socket.socket) -> aiosmtplib.SMTP:
        implicit = self._server.security == "implicit"
        secured = self._server.security != "off"
        client = self._client = _Client(
            hostname=self._server.host,
            sock=sock,
            local_hostname=EHLO_NAME,
            use_tls=implicit,
            start_tls=False,
            tls_context=client_context(self._server.ca) if secured else None,
        )
        self.phase = "tls" if implicit else "greeting"
        try:
            async with self._limit():
                await client.connect(timeout=None)
        except aiosmtplib.SMTPException as error:
            # With implicit TLS one call does two phases; what failed tells them apart.
            if isinstance(error.__cause__ or error, _GREETING):
                self.phase = "greeting"
            raise
        return client

    async def _upgrade(self, client: aiosmtplib.SMTP) -> None:
        must_offer_starttls(client.esmtp_extensions)
        self.phase = "starttls"
        transport = cast("asyncio.Transport", client.transport)
        watch = _Watch(cast("asyncio.Protocol", client.protocol))
        transport.set_protocol(watch)
        async with self._limit():
            await client.starttls(timeout=None)
        if watch.more_than_one_reply:
            raise data_before_tls()
        self.phase = "ehlo"
        async with self._limit():
            await client.ehlo(timeout=None)

    async def _log_in(self, client: aiosmtplib.SMTP, credentials: Credentials) -> None:
        self.phase = "auth"
        chosen = mechanism(client.esmtp_extensions)
        act = client.auth_plain if chosen == "PLAIN" else client.auth_login
        async with self._limit():
            await act(credentials.user, credentials.password, timeout=None)


class _Client(aiosmtplib.SMTP):
    """aiosmtplib's client, which cuts a connection that it gives up.

    Its own ``close`` says goodbye in TLS, which leaves a transport on the socket that
    nobody knows of any more: the socket's number would then be taken for the next one.
    """

    def close(self) -> None:
        """Cut the connection and forget it."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        super().close()


#: What aiosmtplib raises, or gives as the cause, when the greeting is what failed.
_GREETING = (
    aiosmtplib.SMTPResponseException,
    aiosmtplib.SMTPServerDisconnected,
    aiosmtplib.SMTPReadTimeoutError,
)


class _Watch(asyncio.Protocol):
    """Stands before aiosmtplib's protocol until TLS begins, and sees what it discards."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._reader = ReplyReader()

    @property
    def more_than_one_reply(self) -> bool:
        try:
            return self._reader.next() is not None and not self._reader.empty
        except MalformedReplyError:
            return True

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)


def _cut(sock: socket.socket) -> None:
    """Cut a connection that may have a transport of asyncio which nobody can reach.

    Cancelled as TLS is just there, ``create_connection`` begins a goodbye and forgets the
    transport. Closed below it, the socket's number would go to the next connection, and
    the transport's reader with it. Shut down, the transport sees the end and closes it.
    """
    if sock.fileno() < 0:  # its transport has closed it
        return
    try:
        asyncio.get_running_loop().remove_reader(sock)
    except RuntimeError:  # that is how asyncio says that a transport has it
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    else:
        sock.close()
