"""A cancellation in the very moment in which TLS is there."""

import asyncio
import socket
import ssl
from typing import Any

import pytest

from mailbalance.errors import DeliveryError
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.smtp import SmtpWire
from tests.wire.smtp_peer import SmtpPeer
from tests.wire.smtp_ways import MAIL


@pytest.mark.parametrize("security", ["implicit", "starttls"])
def test_it_leaves_no_transport_on_a_socket_that_was_closed(
    security: Any, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending: list[asyncio.Task[Any]] = []

    class AtTheEnd(ssl.SSLObject):
        def getpeercert(self, binary_form: bool = False) -> Any:
            sending[0].cancel()  # asyncio asks for it when the handshake is complete
            return super().getpeercert(binary_form)

    monkeypatch.setattr(client_context(ca), "sslobject_class", AtTheEnd)

    async def run() -> Any:
        wire = SmtpWire(peer.server(ca), backend="peer")
        sending.append(asyncio.create_task(wire.asend(MAIL, timeout=5)))
        [end] = await asyncio.gather(*sending, return_exceptions=True)
        # These get the lowest free numbers, the one of the socket before among them.
        others = [socket.socket() for _ in range(3)]
        for other in others:
            other.setblocking(False)
            address = ("127.0.0.1", peer.port)
            await asyncio.get_running_loop().sock_connect(other, address)
            other.close()
        await wire.aclose()
        return end

    with SmtpPeer(security=security) as peer:
        end = asyncio.run(run())

    assert isinstance(end, asyncio.CancelledError | DeliveryError)
    assert not peer.accepted
