"""Asking a server whether it answers: nothing is sent, and the next message gains by it."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailbalance.errors import ThrottledError, TransientError, UnavailableError
from mailbalance.wire.smtp import Reuse, SmtpWire, connection
from tests.wire.smtp_peer import FIN, RST, STALL, SmtpPeer
from tests.wire.smtp_ways import MAIL, How


def run(how: How, wire: SmtpWire, *acts: str, timeout: float = 5) -> None:
    """Do one thing after the other, and close."""
    if how == "sync":
        try:
            for act in acts:
                if act == "send":
                    wire.send(MAIL, timeout=timeout)
                else:
                    wire.probe(timeout=timeout)
        finally:
            wire.close()
        return

    async def play() -> None:
        try:
            for act in acts:
                if act == "send":
                    await wire.asend(MAIL, timeout=timeout)
                else:
                    await wire.aprobe(timeout=timeout)
        finally:
            await wire.aclose()

    asyncio.run(play())


def wire_to(peer: SmtpPeer, **reuse: Any) -> SmtpWire:
    return SmtpWire(peer.server(), backend="peer", reuse=Reuse(**reuse))


def test_a_probe_opens_the_connection_that_the_next_message_takes(how: How) -> None:
    with SmtpPeer() as peer:
        run(how, wire_to(peer), "probe", "send")

        assert len(peer.sessions) == 1
        assert len(peer.accepted) == 1


def test_a_resting_connection_is_asked_with_noop(how: How) -> None:
    with SmtpPeer(NOOP="250 ok") as peer:
        run(how, wire_to(peer), "send", "probe", "send")

        assert len(peer.sessions) == 1
        assert peer.commands.count("NOOP") == 1
        assert len(peer.accepted) == 2


@pytest.mark.parametrize(
    "answer",
    ["421 bye", "500 what?", FIN, RST, b"250 ok\r\n250 more\r\n", b"junk\r\n"],
)
def test_a_resting_connection_without_a_good_answer_is_replaced(
    how: How, answer: Any
) -> None:
    with SmtpPeer(NOOP=answer) as peer:
        run(how, wire_to(peer), "send", "probe", "send")

        assert len(peer.sessions) == 2
        assert len(peer.accepted) == 2


def test_a_silent_connection_is_replaced_while_there_is_time(
    how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "NOOP", 0.1)
    with SmtpPeer(NOOP=STALL) as peer:
        run(how, wire_to(peer), "send", "probe", "send")

        assert len(peer.sessions) == 2


def test_a_server_that_is_gone_is_trouble_that_may_pass(how: How) -> None:
    with SmtpPeer() as peer:
        wire = wire_to(peer)

    with pytest.raises(TransientError) as caught:
        run(how, wire, "probe")

    assert (caught.value.backend, caught.value.phase) == ("peer", "connect")


def test_refused_credentials_are_told_as_for_a_message(how: How) -> None:
    with SmtpPeer(AUTH="535 5.7.8 no") as peer:
        with pytest.raises(UnavailableError, match="AUTH"):
            run(how, wire_to(peer), "probe")

        assert peer.accepted == []


def test_a_stalling_server_costs_no_more_than_the_time_given(how: How) -> None:
    with SmtpPeer(EHLO=STALL) as peer:
        began = time.monotonic()
        with pytest.raises(TransientError):
            run(how, wire_to(peer), "probe", timeout=0.3)

        assert time.monotonic() - began < 10


def test_a_full_pool_is_told_as_our_own_queue(how: How) -> None:
    with SmtpPeer() as peer, pytest.raises(ThrottledError) as caught:
        run(how, wire_to(peer, connections=0), "probe", timeout=0.01)

    assert "all 0 connections" in caught.value.detail

    assert caught.value.phase == "pool"


def test_how_many_connections_are_open_can_be_asked() -> None:
    gate = threading.Event()
    with (
        SmtpPeer(MAIL=["250 ok", (gate, "250 ok")]) as peer,
        ThreadPoolExecutor() as pool,
    ):
        wire = wire_to(peer)
        counts = [wire.occupancy()]
        wire.send(MAIL, timeout=5)
        counts.append(wire.occupancy())
        sending = pool.submit(wire.send, MAIL, timeout=5)
        while wire.occupancy() != (1, 0):
            time.sleep(0.002)
        gate.set()
        sending.result()
        wire.close()
        counts.append(wire.occupancy())

    assert counts == [(0, 0), (0, 1), (0, 0)]


def test_the_running_loops_connections_are_counted_with_those_of_threads() -> None:
    async def both(wire: SmtpWire) -> tuple[int, int]:
        await wire.aprobe(timeout=5)
        try:
            return wire.occupancy()
        finally:
            await wire.aclose()

    with SmtpPeer() as peer:
        wire = wire_to(peer)
        wire.probe(timeout=5)

        assert asyncio.run(both(wire)) == (0, 2)
        assert wire.occupancy() == (0, 1)
        wire.close()
