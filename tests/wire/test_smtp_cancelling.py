"""Cancelling a task: cuts before the commit point, changes nothing after it."""

import asyncio
import threading
from typing import Any

import pytest

from mailbalance.errors import TransientError, UnknownOutcomeError
from mailbalance.wire.smtp import Accepted, SmtpWire
from tests.wire.smtp_peer import FIN, SmtpPeer
from tests.wire.smtp_ways import MAIL


async def cancel(peer: SmtpPeer, seen: Any, then: threading.Event) -> list[Any]:
    """Cancel a send once ``seen()`` is true, then open the gate; send once more."""
    wire = SmtpWire(peer.server(), backend="peer")
    task = asyncio.create_task(wire.asend(MAIL, timeout=5))
    async with asyncio.timeout(5):
        while not seen():  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0.01)
    left_at_once = task.done()
    then.set()
    results = await asyncio.gather(task, return_exceptions=True)
    results += [left_at_once, await wire.asend(MAIL, timeout=5)]
    await wire.aclose()
    return results


@pytest.mark.parametrize("where", ["greeting", "AUTH", "MAIL", "RCPT", "DATA"])
def test_before_the_commit_point_it_cuts_the_connection(where: str) -> None:
    gate = threading.Event()
    good = SmtpPeer().replies[where]
    with SmtpPeer(**{where: [(gate, good), good]}) as peer:

        def seen() -> bool:
            said = [c for s in peer.sessions for c in s.commands]
            return bool(peer.sessions) if where == "greeting" else any(
                c.startswith(where) for c in said
            )  # fmt: skip

        first, left_at_once, second = asyncio.run(cancel(peer, seen, gate))

        assert isinstance(first, asyncio.CancelledError)
        assert left_at_once
        assert isinstance(second, Accepted)
        assert len(peer.accepted) == 1
        assert len(peer.sessions) == 2


def test_after_the_commit_point_the_outcome_is_waited_for() -> None:
    gate = threading.Event()
    with SmtpPeer(dot=[(gate, "250 2.0.0 Ok")]) as peer:
        first, left_at_once, second = asyncio.run(
            cancel(peer, lambda: peer.accepted, gate)
        )

        assert isinstance(first, Accepted)
        assert not left_at_once
        assert isinstance(second, Accepted)
        assert len(peer.sessions) == 1


def test_after_the_commit_point_a_lost_reply_is_unknown_all_the_same() -> None:
    gate = threading.Event()
    with SmtpPeer(dot=[(gate, FIN), "250 2.0.0 Ok"]) as peer:
        first, left_at_once, second = asyncio.run(
            cancel(peer, lambda: peer.accepted, gate)
        )

        assert isinstance(first, UnknownOutcomeError)
        assert not left_at_once
        assert isinstance(second, Accepted)
        assert len(peer.accepted) == 2


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_of_several_messages_the_committed_one_ends_and_no_other_goes(
    extensions: tuple[str, ...],
) -> None:
    gate = threading.Event()
    dots = ["250 2.0.0 Ok", (gate, "250 2.0.0 Ok"), "250 2.0.0 Ok"]

    async def run(peer: SmtpPeer) -> list[Any]:
        wire = SmtpWire(peer.server(), backend="peer")
        task = asyncio.create_task(wire.asend_all([MAIL] * 5, timeout=5))
        async with asyncio.timeout(5):
            while len(peer.accepted) < 2:  # noqa: ASYNC110 - in another thread
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        gate.set()
        ends = await task
        await wire.aclose()
        return ends

    extensions = (*extensions, "AUTH PLAIN LOGIN")
    with SmtpPeer(dot=dots, extensions=extensions) as peer:
        ends = asyncio.run(run(peer))

    assert [type(end) for end in ends] == [Accepted] * 2 + [TransientError] * 3
    assert len(peer.accepted) == 2


def test_a_caller_with_a_timeout_of_its_own_gets_the_outcome_after_the_commit() -> None:
    gate = threading.Event()

    async def run(peer: SmtpPeer) -> Accepted:
        wire = SmtpWire(peer.server(), backend="peer")
        threading.Timer(0.3, gate.set).start()
        async with asyncio.timeout(0.15):
            accepted = await wire.asend(MAIL, timeout=5)
        await wire.aclose()
        return accepted

    with SmtpPeer(dot=(gate, "250 2.0.0 Ok")) as peer:
        assert isinstance(asyncio.run(run(peer)), Accepted)
