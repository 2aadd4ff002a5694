"""Reaching a host: addresses side by side, the first to answer wins, and in time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance.wire.net import connect as reaching
from mailbalance.wire.net.connect import STAGGER, areach, interleaved, reach


def by_reach(host, port, seconds):
    return reach(host, port, time.monotonic() + seconds)


def by_areach(host, port, seconds):
    return asyncio.run(areach(host, port, time.monotonic() + seconds))


@pytest.fixture(params=[by_reach, by_areach], ids=["reach", "areach"])
def how(request):
    return request.param


@pytest.fixture
def live():
    """A port that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refusing():
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = server.getsockname()
    return found[1]


@pytest.fixture
def silent():
    """A port that does not answer: its queue is full."""
    with contextlib.ExitStack() as open_ones:
        server = open_ones.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        while True:
            one = open_ones.enter_context(socket.socket())
            one.settimeout(0.1)
            try:
                one.connect(server.getsockname())
            except TimeoutError:
                break
        yield server.getsockname()[1]


@pytest.fixture
def named(monkeypatch):
    """Give a name its addresses."""

    def name(*ports):
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in ports
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return name


def test_an_address_is_reached(how, live):
    with how("127.0.0.1", live, 5) as sock:
        assert sock.getpeername()[1] == live


def test_a_silent_first_address_costs_a_quarter_of_a_second(how, named, silent, live):
    named(silent, live)
    began = time.monotonic()

    with how("some.host", 1, 60) as sock:
        assert sock.getpeername()[1] == live
    assert STAGGER * 0.9 < time.monotonic() - began < 10


def test_a_refusing_first_address_costs_no_waiting(
    how, named, refusing, live, monkeypatch
):
    monkeypatch.setattr(reaching, "STAGGER", 30)
    named(refusing, refusing, live)
    began = time.monotonic()

    with how("some.host", 1, 60) as sock:
        assert sock.getpeername()[1] == live
    assert time.monotonic() - began < 15


def test_when_all_refuse_the_last_one_says_why(how, named, refusing):
    named(refusing, refusing)

    with pytest.raises(ConnectionRefusedError):
        how("some.host", 1, 5)


@pytest.mark.parametrize("count", [1, 3])
def test_silence_ends_in_time(how, named, silent, count):
    named(*[silent] * count)
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        how("some.host", 1, 0.6)
    assert 0.5 < time.monotonic() - began < 10


def test_a_resolver_that_is_silent_ends_in_time(monkeypatch, how):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])

    with pytest.raises(TimeoutError):
        how("some.host", 1, 0.2)


def test_a_name_without_an_address_is_said(how):
    with pytest.raises(socket.gaierror):
        how("no-such-host.invalid", 1, 5)


@pytest.fixture
def made(monkeypatch):
    """Every socket made from now on, kept from being collected."""
    sockets = []

    class Noted(socket.socket):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            sockets.append(self)

    monkeypatch.setattr(socket, "socket", Noted)
    return sockets


def test_the_losers_of_a_race_are_closed_too(how, named, silent, live, made):
    named(silent, live)

    with how("some.host", 1, 5) as winner:
        assert len(made) >= 2
        assert [each for each in made if each.fileno() >= 0] == [winner]


class Together(asyncio.SelectorEventLoop):
    """A loop whose connections are all made at once, when there are as many as awaited."""

    def __init__(self, awaited):
        super().__init__()
        self.connected, self.awaited, self.all = [], awaited, asyncio.Event()

    async def sock_connect(self, sock, address):
        await super().sock_connect(sock, address)
        self.connected.append(sock)
        if len(self.connected) == self.awaited:
            self.all.set()
        await self.all.wait()


def test_who_connects_in_the_same_moment_as_the_winner_is_closed_too(named, live):
    named(live, live, live)
    loop = Together(3)

    async def run():
        winner = await areach("some.host", 1, time.monotonic() + 10)
        for _ in range(10):  # what is left to close is closed in the loop's next turns
            await asyncio.sleep(0)
        return winner

    with contextlib.closing(loop), loop.run_until_complete(run()) as winner:
        assert len(loop.connected) == 3
        assert [each for each in loop.connected if each.fileno() >= 0] == [winner]


@given(st.lists(st.sampled_from([socket.AF_INET6, socket.AF_INET])))
def test_families_take_turns_and_keep_their_order(families):
    entries = [(family, None, 0, "", at) for at, family in enumerate(families)]

    found = interleaved(entries)

    assert sorted(found, key=lambda entry: entry[4]) == entries
    for family in set(families):
        assert [e[4] for e in found if e[0] is family] == [
            e[4] for e in entries if e[0] is family
        ]
    both = 2 * min(families.count(f) for f in (socket.AF_INET6, socket.AF_INET))
    turns = [e[0] for e in found[:both]]
    assert all(a is not b for a, b in itertools.pairwise(turns))
