"""The HTTP pool's own limit: who waits, who is told, and what can be asked about it."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from mailbalance import ThrottledError
from mailbalance.wire.http import HttpRequest, HttpWire

from .peer import Peer, serve


class Held:
    """A peer's act that answers when it is told to."""

    def __init__(self):
        self.came, self.gate = threading.Event(), threading.Event()

    def __call__(self, caller):
        while caller.take():
            self.came.set()
            self.gate.wait(20)
            caller.reply()


def mail(peer):
    return HttpRequest("POST", peer.url(), {}, b"mail")


def test_a_thread_in_a_crowd_is_told_that_the_queue_is_ours():
    act = Held()
    with Peer((act,)) as peer, ThreadPoolExecutor(1) as threads:
        wire = HttpWire(backend="b", connections=1)
        first = threads.submit(wire.post, mail(peer), timeout=20)
        act.came.wait(10)

        with pytest.raises(ThrottledError, match="the one connection") as caught:
            wire.post(mail(peer), timeout=0.3)
        act.gate.set()

        assert first.result().status == 200
        assert (caught.value.phase, caught.value.backend) == ("pool", "b")
        wire.close()


def test_a_task_in_a_crowd_is_told_that_the_queue_is_ours():
    act = Held()

    async def run(peer):
        wire = HttpWire(backend="b", connections=2)
        async with asyncio.TaskGroup() as tasks:
            sends = [
                tasks.create_task(wire.apost(mail(peer), timeout=20)) for _ in "ab"
            ]
            await asyncio.to_thread(act.came.wait, 10)
            with pytest.raises(ThrottledError, match="all 2 connections") as caught:
                await wire.apost(mail(peer), timeout=0.3)
            act.gate.set()
        await wire.aclose()
        return sends, caught.value

    with Peer((act,)) as peer:
        sends, error = asyncio.run(run(peer))

    assert {each.result().status for each in sends} == {200}
    assert error.phase == "pool"


def test_more_threads_than_connections_are_all_served():
    with Peer((serve,)) as peer, ThreadPoolExecutor(16) as threads:
        wire = HttpWire(backend="b", connections=2)
        sends = [threads.submit(wire.post, mail(peer), timeout=20) for _ in range(64)]

        assert {each.result().status for each in sends} == {200}
        assert peer.connections <= 2
        wire.close()


def test_how_many_connections_are_open_can_be_asked():
    act = Held()
    with Peer((act,)) as peer, ThreadPoolExecutor(1) as threads:
        wire = HttpWire(backend="b")
        counts = [wire.occupancy()]
        sending = threads.submit(wire.post, mail(peer), timeout=20)
        act.came.wait(10)
        counts.append(wire.occupancy())
        act.gate.set()
        sending.result()
        counts.append(wire.occupancy())
        wire.close()
        counts.append(wire.occupancy())

    assert counts == [(0, 0), (1, 0), (0, 1), (0, 0)]


def test_the_running_loops_connections_are_counted_with_those_of_threads():
    async def both(wire, peer):
        await wire.apost(mail(peer), timeout=5)
        try:
            return wire.occupancy()
        finally:
            await wire.aclose()

    with Peer((serve,)) as peer:
        wire = HttpWire(backend="b")
        wire.post(mail(peer), timeout=5)

        assert asyncio.run(both(wire, peer)) == (0, 2)
        assert wire.occupancy() == (0, 1)
        wire.close()


def test_a_forked_child_counts_its_own_connections():
    with Peer((serve,)) as peer:
        wire = HttpWire(backend="b")
        wire.post(mail(peer), timeout=5)

        child = os.fork()
        if child == 0:
            os._exit(0 if wire.occupancy() == (0, 0) else 1)

        assert os.waitpid(child, 0)[1] == 0
        assert wire.occupancy() == (0, 1)
        wire.close()


def test_a_users_own_clients_are_not_counted():
    with httpx2.Client() as client:
        wire = HttpWire(backend="b", client=client, async_client=httpx2.AsyncClient())

        assert wire.occupancy() is None
