"""A server that knows old versions of TLS only is told so, and not tried again."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from typing import Any

import pytest

from mailbalance import Envelope, MailtrapBackend, Message
from mailbalance.errors import UnavailableError
from mailbalance.wire.smtp import SmtpWire
from tests.wire.peer import Peer, serve
from tests.wire.smtp_peer import CERTIFICATE, SmtpPeer
from tests.wire.smtp_ways import MAIL, How, send

MESSAGE = Message(from_="a@example.com", to="b@example.com", subject="s", text="t")


def old() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_over_http(how: How, ca: str) -> None:
    with Peer((serve,), old()) as peer:
        backend = MailtrapBackend(token="token", base_url=peer.url(""), ca=ca)
        error = failure(backend, how)

    assert (type(error), error.phase, error.code) == (UnavailableError, "tls", "tls")
    assert "TLS 1.2 or later is needed" in error.detail


def failure(backend: MailtrapBackend, how: How) -> Any:
    mail = MESSAGE, Envelope.of(MESSAGE)

    async def asend() -> None:
        try:
            await backend.asend(*mail, timeout=5)
        finally:
            await backend.aclose()

    with pytest.raises(UnavailableError) as caught:
        backend.send(*mail, timeout=5) if how == "sync" else asyncio.run(asend())
    backend.close()
    return caught.value


@pytest.mark.parametrize("security", ["implicit", "starttls"])
def test_over_smtp(security: Any, how: How, ca: str) -> None:
    peer = SmtpPeer(security=security)
    peer._context = old()
    with peer:
        (error,) = send(how, SmtpWire(peer.server(ca=ca), backend="peer"), MAIL)

    assert isinstance(error, UnavailableError)
    assert error.phase == "tls" if how == "sync" else error.phase in {"tls", "starttls"}
    assert "TLS 1.2 or later is needed" in error.detail
