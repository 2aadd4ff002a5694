"""MemoryKeys by itself: claims, ends, windows, room, and forks."""

import asyncio
import os
import threading

import pytest

from mailbalance import ConfigError, KeyStore, MemoryKeys, Receipt, UnknownOutcomeError
from tests.unit.test_fork_lock import ends_in_a_child

ACCEPTED = Receipt("accepted", "ses")
LOST = UnknownOutcomeError("lost")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def claim(store, key, token, **options):
    return store.claim(key, "content", token, **{"lease": 90.0, **options})


def settled(store, *keys):
    for key in keys:
        claim(store, key, f"of {key}")
        store.settle(key, f"of {key}", ACCEPTED)


def knows(store, key):
    """Say whether the store knows a key, leaving it as it was."""
    known = claim(store, key, "ask").token != "ask"
    store.release(key, "ask")
    return known


def test_it_is_a_key_store():
    assert isinstance(MemoryKeys(), KeyStore)


@pytest.mark.parametrize(
    "wrong", [{"window": 0}, {"window": float("inf")}, {"most": 0}]
)
def test_a_store_that_would_remember_nothing_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MemoryKeys(**wrong)


def test_an_end_is_kept_for_the_window_and_no_longer(clock):
    store = MemoryKeys(window=60, clock=clock)
    settled(store, "k")

    clock.now += 59.9
    assert knows(store, "k")
    clock.now += 0.1
    assert not knows(store, "k")
    assert len(store) == 0


def test_the_window_begins_with_the_end(clock):
    store = MemoryKeys(window=60, clock=clock)
    claim(store, "k", "a")
    clock.now += 50
    store.settle("k", "a", ACCEPTED)
    clock.now += 50

    assert claim(store, "k", "b").end == ACCEPTED


def test_the_oldest_end_makes_room():
    store = MemoryKeys(most=2)

    settled(store, "first", "second", "third")

    assert [knows(store, k) for k in ("third", "second")] == [True, True]
    assert not knows(store, "first")


def test_a_claim_under_way_never_makes_room():
    store = MemoryKeys(most=2)

    for n in range(4):
        claim(store, f"busy {n}", "a")
    settled(store, "late")
    claim(store, "one more", "a")

    assert all(knows(store, f"busy {n}") for n in range(4))
    assert not knows(store, "late")


def test_a_claim_that_never_ended_lapses_and_is_then_forgotten(clock):
    store = MemoryKeys(window=60, clock=clock)
    claim(store, "k", "a", lease=10)

    clock.now += 10
    lapsed = claim(store, "k", "b")
    clock.now += 60

    assert (lapsed.token, lapsed.end, lapsed.lapsed) == ("a", None, True)
    assert not knows(store, "k")


def test_an_end_that_comes_after_the_lease_still_counts(clock):
    store = MemoryKeys(clock=clock)
    claim(store, "k", "a", lease=10)
    clock.now += 11
    assert claim(store, "k", "b").lapsed

    store.settle("k", "a", ACCEPTED)

    assert claim(store, "k", "b").end == ACCEPTED
    assert not claim(store, "k", "b").lapsed


@pytest.mark.parametrize("act", ["settle", "release"])
def test_only_who_claimed_a_key_ends_it(act):
    store = MemoryKeys()
    claim(store, "k", "a")

    if act == "settle":
        store.settle("k", "b", ACCEPTED)
    else:
        store.release("k", "b")

    assert claim(store, "k", "c") == claim(store, "k", "d")
    assert claim(store, "k", "c").end is None


def test_an_end_stays_what_it_was():
    store = MemoryKeys()
    settled(store, "k")

    store.settle("k", "of k", LOST)
    store.release("k", "of k")

    assert claim(store, "k", "b").end == ACCEPTED


def test_one_of_two_takes_the_place_of_an_unknown_end():
    store = MemoryKeys()
    claim(store, "k", "a")
    store.settle("k", "a", LOST)

    first = claim(store, "k", "b", over="a")
    second = claim(store, "k", "c", over="a")

    assert (first.token, second.token) == ("b", "b")


def test_only_what_has_ended_can_be_forgotten(clock):
    store = MemoryKeys(clock=clock)
    claim(store, "k", "a", lease=10)

    assert not store.forget("k")
    clock.now += 10
    assert store.forget("k")
    assert not store.forget("k")


def test_the_async_operations_do_the_same():
    async def main():
        store = MemoryKeys()
        mine = await store.aclaim("k", "content", "a", lease=9)
        await store.arelease("k", "a")
        again = await store.aclaim("k", "content", "b", lease=9)
        await store.asettle("k", "b", ACCEPTED)
        other = await store.aclaim("k", "content", "c", lease=9)
        return mine.token, again.token, other.end, await store.aforget("k")

    assert asyncio.run(main()) == ("a", "b", ACCEPTED, True)


def test_it_shows_how_many_and_never_which():
    store = MemoryKeys()
    settled(store, "secret-1", "secret-2")
    claim(store, "secret-3", "a")

    assert repr(store) == "<MemoryKeys 2 kept, 1 under way>"


forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def forking(test):
    for mark in forks:
        test = mark(test)
    return test


@forking
def test_a_child_knows_what_was_settled_before_the_fork():
    store = MemoryKeys()
    settled(store, "k")

    def act():
        assert claim(store, "k", "child").end == ACCEPTED

    assert ends_in_a_child(act)


@forking
def test_what_was_under_way_in_the_parent_has_lapsed_in_the_child():
    store = MemoryKeys()
    claim(store, "k", "parent")

    def act():
        assert claim(store, "k", "child").lapsed
        assert claim(store, "other", "child").token == "child"

    assert ends_in_a_child(act)
    assert not claim(store, "k", "b").lapsed


@forking
def test_forks_amid_many_claims_leave_every_child_a_whole_store():
    store, over = MemoryKeys(most=50), threading.Event()

    def work(name):
        n = 0
        while not over.is_set():
            settled(store, f"{name} {n}")
            n += 1

    workers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    try:
        ends = [ends_in_a_child(lambda: settled(store, "c")) for _ in range(20)]
    finally:
        over.set()
        for worker in workers:
            worker.join()

    assert all(ends)
