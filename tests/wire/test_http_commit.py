"""The commit point itself: the events, the time that must be left, and cancelling."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from mailbalance import DeliveryError, TransientError
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.http.exchange import Exchange
from mailbalance.wire.http.user_clients import tracing

from .peer import OK, Peer, serve, serve_once


class Clock:
    """Time that passes when told."""

    now = 100.0

    def __call__(self):
        return self.now


def exchange(timeout=30.0):
    clock = Clock()
    return Exchange("b", "host", timeout, clock), clock


def our(method=b"POST"):
    return {"request": type("Request", (), {"method": method})()}


def test_headers_alone_commit_nothing():
    found, _ = exchange()

    for step in ("connection.connect_tcp", "http11.send_request_headers"):
        tracing(found)(f"{step}.started", our())
        tracing(found)(f"{step}.complete", {"return_value": None})

    assert not found.committed


@pytest.mark.parametrize("protocol", ["http11", "http2"])
def test_the_call_that_hands_over_the_body_commits(protocol):
    found, _ = exchange()

    tracing(found)(f"{protocol}.send_request_body.started", our())

    assert found.committed


def test_a_proxys_connect_commits_nothing():
    found, _ = exchange()

    tracing(found)("http11.send_request_body.started", our(b"CONNECT"))

    assert not found.committed
    assert found.phase == "proxy"


@pytest.mark.parametrize(
    ("timeout", "late", "early"), [(30, 15.1, 14.9), (9, 4.6, 4.4), (300, 217.6, 217.4)]
)
def test_with_too_little_time_left_it_fails_instead(timeout, late, early):
    """A quarter of the time before the reply is kept for another attempt."""
    slow, clock = exchange(timeout)
    clock.now += late
    with pytest.raises(TransientError, match="not enough time left"):
        tracing(slow)("http11.send_request_body.started", our())
    assert not slow.committed

    fast, clock = exchange(timeout)
    clock.now += early
    tracing(fast)("http11.send_request_body.started", our())
    assert fast.committed


def test_waits_before_the_commit_point_leave_the_reserve_alone():
    found, clock = exchange(30)
    assert found.opening() == pytest.approx(10)  # half is for another attempt
    assert found.before_commit() == pytest.approx(15)

    clock.now += 5
    tracing(found)("http11.send_request_body.started", our())

    assert found.left() == pytest.approx(25)


def test_a_tls_handshake_that_stalls_is_not_accepted_and_ends_in_time():
    def stall(caller):
        caller.wait_until_gone()

    with Peer((stall,)) as peer:
        url = peer.url().replace("http:", "https:")
        request = HttpRequest("POST", url, {}, b"x")
        with pytest.raises(TransientError) as caught:
            HttpWire(backend="b").post(request, timeout=0.6)

    assert (caught.value.phase, caught.value.code) == ("tls", "timeout")


def cancelled(act, family, *, when, timeout=5.0, tls=False):
    """Start a send, cancel it when told, and give what it ended with and the peer."""

    async def run(peer):
        client = family.AsyncClient(verify=False) if family else None
        wire = HttpWire(backend="b", async_client=client)
        url = peer.url().replace("http:", "https:") if tls else peer.url()
        request = HttpRequest("POST", url, {}, b"mail")
        task = asyncio.create_task(wire.apost(request, timeout=timeout))
        await asyncio.to_thread(when.wait, 5)
        task.cancel()
        await asyncio.sleep(0)
        peer.cancelled.set()
        try:
            return await task
        finally:
            await wire.aclose()
            if client is not None:
                await client.aclose()

    with Peer((act,)) as peer:
        peer.cancelled = threading.Event()
        try:
            return asyncio.run(run(peer)), peer
        except (asyncio.CancelledError, DeliveryError) as error:
            return error, peer


def test_cancelling_before_the_commit_point_ends_it_at_once():
    greeted = threading.Event()

    def act(caller):
        caller.sock.recv(99)
        greeted.set()
        caller.wait_until_gone()

    outcome, peer = cancelled(act, None, when=greeted, tls=True)

    assert isinstance(outcome, asyncio.CancelledError)
    assert peer.requests == []


def test_cancelling_after_the_commit_point_waits_for_the_outcome(family):
    taken = threading.Event()

    def act(caller):
        caller.take()
        taken.set()
        caller.peer.cancelled.wait(5)
        caller.reply()

    outcome, _ = cancelled(act, family, when=taken)

    assert outcome.body == OK


def test_cancelling_after_the_commit_point_still_ends_in_time(family):
    taken = threading.Event()

    def act(caller):
        caller.take()
        taken.set()
        caller.wait_until_gone()

    outcome, _ = cancelled(act, family, when=taken, timeout=0.5)

    assert outcome.outcome == "unknown"


def test_cancelling_while_the_body_is_written_ends_it_at_once():
    """Most of a large body is still on this side when the caller is cancelled."""
    begun = threading.Event()

    def act(caller):
        caller.take_head()
        begun.set()
        caller.peer.cancelled.wait(5)
        caller.wait_until_gone()

    async def run(peer):
        wire = HttpWire(backend="b")
        request = HttpRequest("POST", peer.url(), {}, b"x" * 20_000_000)
        task = asyncio.create_task(wire.apost(request, timeout=1))
        await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        await asyncio.sleep(0)
        peer.cancelled.set()
        return await task

    with Peer((act,)) as peer:
        peer.cancelled = threading.Event()
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(run(peer))


def test_cancelled_sends_leave_the_pool_as_good_as_new():
    with Peer((serve,)) as peer:

        async def churn():
            wire = HttpWire(backend="b")
            request = HttpRequest("POST", peer.url(), {}, b"mail")
            for turns in range(120):
                task = asyncio.create_task(wire.apost(request, timeout=5))
                for _ in range(turns % 12):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})
            ends = [wire.apost(request, timeout=5) for _ in range(20)]
            return await asyncio.gather(*ends)

        assert len(asyncio.run(churn())) == 20


def test_a_second_event_loop_has_its_own_connections():
    wire = HttpWire(backend="b")

    with Peer((serve,)) as peer:
        request = HttpRequest("POST", peer.url(), {}, b"mail")
        replies = [asyncio.run(wire.apost(request, timeout=5)) for _ in range(3)]

    assert [reply.status for reply in replies] == [200] * 3
    assert peer.connections == 3


def test_a_loop_that_ended_is_forgotten():
    wire = HttpWire(backend="b")

    with Peer((serve,)) as peer:
        request = HttpRequest("POST", peer.url(), {}, b"mail")
        asyncio.run(wire.apost(request, timeout=5))

    assert not wire._apools.loops


def test_after_closing_a_send_opens_anew():
    wire = HttpWire(backend="b")

    with Peer((serve,)) as peer:
        request = HttpRequest("POST", peer.url(), {}, b"mail")
        wire.post(request, timeout=5)
        wire.close()
        wire.post(request, timeout=5)
        wire.close()

    assert peer.connections == 2


def test_many_threads_share_one_wire_and_each_gets_its_own_reply():
    wire = HttpWire(backend="b")
    wrong = []

    def echo(caller):
        while request := caller.take():
            caller.reply(200, request.body)

    def work(number, url):
        for turn in range(20):
            body = f"{number}-{turn}".encode()
            reply = wire.post(HttpRequest("POST", url, {}, body), timeout=10)
            if reply.body != body:
                wrong.append((body, reply.body))

    with Peer((echo,)) as peer:
        threads = [
            threading.Thread(target=work, args=(n, peer.url())) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wire.close()

    assert wrong == []
    assert len(peer.requests) == 160


_FORK = """
import os, sys
from mailbalance.wire.http import HttpRequest, HttpWire
wire = HttpWire(backend="b")
def send(body):
    return wire.post(HttpRequest("POST", sys.argv[1], {}, body), timeout=10).body
assert send(b"parent") == b"parent"
child = os.fork()
for turn in range(50):
    body = f"{os.getpid()}-{turn}".encode()
    assert send(body) == body, "somebody else's reply"
if not child:
    os._exit(0)
_, status = os.waitpid(child, 0)
wire.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_parent_and_child_use_different_connections():
    def echo(caller):
        while request := caller.take():
            caller.reply(200, request.body)

    with Peer((echo,)) as peer:
        script = [sys.executable, "-c", _FORK, peer.url()]
        done = subprocess.run(script, check=False, capture_output=True, timeout=30)

    assert done.returncode == 0, done.stderr
    assert peer.connections == 2


def test_stale_connections_found_by_several_sends_cost_nobody_a_failure():
    with Peer((serve_once, serve_once, serve_once, serve)) as peer:

        async def three(wire):
            request = HttpRequest("POST", peer.url(), {}, b"mail")
            await asyncio.gather(*(wire.apost(request, timeout=5) for _ in "abc"))

        async def run():
            wire = HttpWire(backend="b")
            await three(wire)
            for _ in "abc":
                await asyncio.to_thread(peer.wait_for_an_end)
            await three(wire)

        asyncio.run(run())

    assert (peer.connections, len(peer.requests)) == (6, 6)
