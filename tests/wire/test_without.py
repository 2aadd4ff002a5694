"""What a machine may lack: threads, ``select.poll``, a proxy that we can talk to."""

from __future__ import annotations

import asyncio
import contextlib
import select
import sys
import threading
from contextlib import AbstractContextManager

import pytest

from mailbalance import Mailer, Message, Receipt
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.backends.memory import MemoryBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend
from tests.wire.peer import Peer, serve
from tests.wire.smtp_peer import SmtpPeer

NOTE = Message(from_="a@x.com", to=["b@x.com"], subject="hello", text="hi")
KEYS = {"access_key": "A", "secret_key": "S", "region": "eu-west-1"}
TAKEN = b'{"MessageId": "1", "success": true, "message_ids": ["1"]}'


def by_send(mailer: Mailer, lacking: AbstractContextManager[None]) -> Receipt:
    with lacking:
        return mailer.send(NOTE)


def by_asend(mailer: Mailer, lacking: AbstractContextManager[None]) -> Receipt:
    async def send() -> Receipt:
        try:
            with lacking:
                return await mailer.asend(NOTE)
        finally:
            await mailer.aclose()

    return asyncio.run(send())


@pytest.fixture(params=[by_send, by_asend], ids=["send", "asend"])
def sent(request):
    """Send by one backend with another behind it; give the receipt."""

    def send(backend, lacking=contextlib.nullcontext()):  # noqa: B008
        mailer = Mailer({backend: 100, MemoryBackend("backup"): "backup"})
        try:
            return request.param(mailer, lacking)
        finally:
            mailer.close()

    return send


def first_error(receipt):
    assert receipt.backend == "backup"
    first = receipt.attempts[0]
    assert first.outcome == "not_accepted"
    return first


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:1080",
        "socks5h://user:hidden@127.0.0.1:1080",
        "socks4://127.0.0.1:1080",
        "socks4a://127.0.0.1",
        "SOCKS5://127.0.0.1:1080",
        "socks://127.0.0.1:1080",
    ],
)
@pytest.mark.parametrize("make", [MailtrapBackend, SesBackend])
def test_a_socks_proxy_that_cannot_be_used_is_named_and_the_next_backend_asked(
    sent, make, proxy, monkeypatch
):
    monkeypatch.setitem(sys.modules, "python_socks", None)  # the extra is missing
    options = {"token": "a-token-of-mailtrap"} if make is MailtrapBackend else KEYS
    backend = make(**options, environ={"HTTPS_PROXY": proxy})

    first = first_error(sent(backend))

    assert (first.phase, first.code) == ("proxy", "socks")
    for word in ("HTTPS_PROXY", "NO_PROXY", "SOCKS"):
        assert word in first.detail
    assert "hidden" not in first.detail


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named_without_its_password(sent, scheme):
    with Peer((serve,)) as peer:
        port = peer.port
    environ = {"HTTPS_PROXY": f"{scheme}://user:hidden@127.0.0.1:{port}"}

    first = first_error(
        sent(MailtrapBackend(token="a-token-of-mailtrap", environ=environ))
    )

    assert first.phase == "proxy"
    assert f"the proxy 127.0.0.1:{port} on the way to send.api" in first.detail
    assert "hidden" not in first.detail


@contextlib.contextmanager
def no_threads(monkeypatch):
    """Be a machine that has no room for another thread."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield


def ways():
    """Give backends that must ask a resolver, or for keys."""
    name = "some.host"
    yield MailtrapBackend(
        token="a-token-of-mailtrap", base_url=f"https://{name}", environ={}
    )
    yield SesBackend(**KEYS, endpoint=f"https://{name}", environ={})
    yield SesBackend(region="eu-west-1", environ={"AWS_PROFILE": "p"})
    yield SesBackend(
        **KEYS,
        endpoint=f"https://{name}",
        environ={"HTTPS_PROXY": "http://some.proxy:1"},
    )
    yield MailtrapSmtpBackend(token="a-token-of-mailtrap", host=name)
    yield SesSmtpBackend(region="eu-west-1", environ={"AWS_PROFILE": "p"}, host=name)


@pytest.mark.parametrize("which", range(6))
def test_where_no_thread_can_be_started_the_next_backend_is_asked(
    sent, which, monkeypatch
):
    backend = list(ways())[which]

    receipt = sent(backend, no_threads(monkeypatch))

    assert "can't start new thread" in first_error(receipt).detail


@pytest.mark.parametrize("security", ["off", "starttls", "implicit"])
def test_smtp_works_without_poll(sent, ca, security, monkeypatch):
    monkeypatch.delattr(select, "poll")
    with SmtpPeer(security=security) as peer:
        backend = MailtrapSmtpBackend(
            token="a-token-of-mailtrap",
            host="127.0.0.1",
            port=peer.port,
            tls=security,
            ca=ca,
        )
        assert sent(backend).backend == "mailtrap-smtp"
        assert len(peer.accepted) == 1


def test_http_works_without_poll(sent, monkeypatch):
    monkeypatch.delattr(select, "poll")

    def answer(caller):
        while caller.take():
            caller.reply(200, TAKEN)

    with Peer((answer,)) as peer:
        for backend in (
            SesBackend(**KEYS, endpoint=f"http://127.0.0.1:{peer.port}"),
            MailtrapBackend(
                token="a-token-of-mailtrap", base_url=f"http://127.0.0.1:{peer.port}"
            ),
        ):
            assert sent(backend).backend == backend.name
