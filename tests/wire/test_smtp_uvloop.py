"""The async half on uvloop, where that is installed."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from mailbalance.errors import UnknownOutcomeError
from mailbalance.wire.smtp import Accepted, Mail, Security, SmtpWire
from mailbalance.wire.smtp.body import canonical
from tests.wire.smtp_peer import FIN, SmtpPeer
from tests.wire.smtp_ways import MAIL

uvloop = pytest.importorskip("uvloop")

HUGE = Mail("a@x.com", ("b@x.com",), (b"y" * 76 + b"\r\n") * 100_000)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@pytest.mark.parametrize("security", ["off", "starttls", "implicit"])
def test_messages_arrive_on_one_connection(ca: str, security: Security) -> None:
    async def work(wire: SmtpWire) -> None:
        for mail in (MAIL, HUGE, MAIL):
            assert isinstance(await wire.asend(mail, timeout=9), Accepted)
        await wire.aclose()

    with SmtpPeer(security=security) as peer:
        run(work(SmtpWire(peer.server(ca), backend="peer")))

        assert [len(each[2]) for each in peer.accepted] == [
            mail.size for mail in (MAIL, HUGE, MAIL)
        ]
        assert len(peer.sessions) == 1


def test_a_lost_reply_is_unknown_and_a_cancelled_body_is_cut(ca: str) -> None:
    gate = threading.Event()

    async def work(wire: SmtpWire) -> None:
        task = asyncio.create_task(wire.asend(HUGE, timeout=9))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        with pytest.raises(UnknownOutcomeError):
            await wire.asend(MAIL, timeout=5)
        await wire.aclose()

    with SmtpPeer(security="implicit", body=[gate, b""], dot=FIN) as peer:
        run(work(SmtpWire(peer.server(ca), backend="peer")))

        assert [each[2] for each in peer.accepted] == [canonical(MAIL.content)]
