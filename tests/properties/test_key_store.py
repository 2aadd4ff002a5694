"""The key store against simple models: one caller with a clock, and a crowd."""

import os
import threading
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mailbalance import MemoryKeys, Receipt, UnknownOutcomeError
from mailbalance.delivery.key_store import Claim
from tests.properties.key_histories import figures, memory, restless

SEED = int(os.environ.get("MB_SEED", "1"))
WINDOW, MOST = 20.0, 2

keys = st.sampled_from(["a", "b", "c"])
contents = st.sampled_from(["one", "two"])
ends = st.sampled_from([Receipt("accepted", "ses"), UnknownOutcomeError("lost")])
which = st.sampled_from([0, 0, 0, 1, 2, 3])


@dataclass
class Kept:
    """What the model knows of a key: who claimed it until when, and its end if any."""

    token: str
    content: str
    until: float
    end: object = None
    ended: float | None = None

    def at(self, now):
        """Give what a store should tell of it; ``None`` when it is out of the window."""
        since = self.until if self.ended is None else self.ended
        if now >= since + WINDOW:
            return None
        lapsed = self.ended is None and now >= self.until
        return Claim(self.token, self.content, self.end, lapsed)

    def under_way(self, now):
        return self.ended is None and now < self.until


class KeyStoreMachine(RuleBasedStateMachine):
    """One store, one caller, a clock that is moved by hand."""

    store_class = MemoryKeys

    @initialize()
    def begin(self):
        self.now = 0.0
        self.store = self.store_class(WINDOW, MOST, clock=lambda: self.now)
        self.kept = {}
        self.tokens = []

    def token(self, key, back):
        """Give the token that a key has, or one used lately for whatever key."""
        if back == 0 and key in self.kept:
            return self.kept[key].token
        return self.tokens[-1 - back] if back < len(self.tokens) else "nobody"

    def told(self, key):
        return self.kept[key].at(self.now) if key in self.kept else None

    @rule(key=keys, content=contents, lease=st.sampled_from([3.0, 9.0]), back=which)
    def claim(self, key, content, lease, back):
        own, over = f"t{len(self.tokens)}", self.token(key, back)
        before = self.told(key)
        if before and before.end is None and not before.lapsed:
            over = None  # none but what has ended is ever claimed anew
        given = self.store.claim(key, content, own, lease=lease, over=over)
        if before is None or before.token == over:
            assert given == Claim(own, content)
            self.tokens.append(own)
            self.kept[key] = Kept(own, content, self.now + lease)
            self.make_room(key)
            assert len(self.store) <= MOST or not self.store._ended
        else:
            assert given == before

    def make_room(self, claimed):
        """Follow the store in what it forgot, if it was allowed to forget that."""
        gone = []
        for key, kept in list(self.kept.items()):
            if kept.at(self.now) and self.store._find(key, self.now) is None:
                assert key != claimed
                assert not kept.under_way(self.now)
                gone.append(self.kept.pop(key))
        if gone:
            assert len(self.store) == MOST or not self.store._ended
        left = [k.ended for k in self.kept.values() if k.ended is not None]
        for kept in gone:
            if kept.ended is not None:
                assert all(kept.ended <= ended for ended in left)

    @rule(key=keys, back=which, end=ends)
    def settle(self, key, back, end):
        token, before = self.token(key, back), self.told(key)
        self.store.settle(key, token, end)
        if before and before.token == token and before.end is None:
            self.kept[key].end, self.kept[key].ended = end, self.now

    @rule(key=keys, back=which)
    def release(self, key, back):
        token, before = self.token(key, back), self.told(key)
        self.store.release(key, token)
        if before and before.token == token and before.end is None:
            del self.kept[key]

    @rule(key=keys)
    def forget(self, key):
        before = self.told(key)
        can = before is not None and (before.end is not None or before.lapsed)
        assert self.store.forget(key) is can
        if can:
            del self.kept[key]

    @rule(seconds=st.sampled_from([0.5, 2.5, 6.0, 15.0]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def it_tells_what_the_model_tells(self):
        for key in self.kept:
            assert self.store._find(key, self.now) == self.told(key), key


def run(machine, examples, steps, **options):
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_the_store_does_what_its_model_does():
    run(KeyStoreMachine, 25, 30)


@pytest.mark.proof
def test_the_store_does_what_its_model_does_at_length():
    run(KeyStoreMachine, 200, 50)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_store_does_what_its_model_does_for_long():
    run(KeyStoreMachine, 5000, 50)


class AnybodyReleases(MemoryKeys):
    def release(self, key, token):
        self._drop(key)


class NeverForgets(MemoryKeys):
    def _tidy(self, now):
        pass

    def _find(self, key, now):
        return super()._find(key, min(now, 10.0))


class DropsWhoIsUnderWay(MemoryKeys):
    def claim(self, key, *words, **options):
        given = super().claim(key, *words, **options)
        while len(self._claimed) > 1:
            self._claimed.popitem(last=False)
        return given


class ForgetsTheLatest(MemoryKeys):
    def claim(self, key, *words, **options):
        if len(self) >= self.most and self._ended and key not in self._ended:
            self._ended.popitem()
        return super().claim(key, *words, **options)


class LapsedIsFree(MemoryKeys):
    def _find(self, key, now):
        found = super()._find(key, now)
        return None if found and found.lapsed else found


class SettlesTwice(MemoryKeys):
    def _claim_of(self, key, token, now):
        found = self._find(key, now)
        return found if found and found.token == token else None


@pytest.mark.parametrize(
    "broken",
    [
        AnybodyReleases,
        NeverForgets,
        DropsWhoIsUnderWay,
        ForgetsTheLatest,
        LapsedIsFree,
        SettlesTwice,
    ],
)
def test_a_broken_store_is_found(broken):
    """The control: each of these must turn the machine red."""
    machine = type("Broken", (KeyStoreMachine,), {"store_class": broken})

    with pytest.raises(AssertionError):
        run(machine, 1000, 50, phases=[Phase.generate], database=None)


# A crowd


def wrong(found):
    return {n: found[n] for n in ("not_linearizable", "doubled", "receipts_apart")}


NOTHING = {"not_linearizable": 0, "doubled": 0, "receipts_apart": 0}


def test_a_crowd_gets_answers_that_one_after_another_would_get():
    found = figures(10, SEED)

    assert wrong(found) == NOTHING, found


@pytest.mark.proof
@pytest.mark.timeout(180)
def test_a_crowd_gets_such_answers_in_every_history():
    found = figures(200, SEED)

    assert wrong(found) == NOTHING, found
    assert found["overlapping"] > 200, found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_crowd_gets_such_answers_in_thousands_of_histories():
    found = figures(5000, SEED)

    assert wrong(found) == NOTHING, found


class Unlocked(MemoryKeys):
    """Looks first, and claims later, whoever came between."""

    def claim(self, key, fingerprint, token, *, lease, over=None):
        found = self._find(key, self._clock())
        restless()
        if found is not None and found.token != over:
            return found
        mine = Claim(token, fingerprint)
        self._claimed[key] = mine, self._clock() + lease, os.getpid()
        return mine


class Stale(MemoryKeys):
    """Answers a claim, now and then, with what it knew before."""

    last = threading.local()

    def claim(self, key, *words, **options):
        given = super().claim(key, *words, **options)
        if given.end is not None and key in vars(self.last):
            return vars(self.last).pop(key)
        if given.end is None and given.token != words[1]:
            vars(self.last)[key] = given
        return given


@pytest.mark.parametrize(
    ("broken", "sign"), [(Unlocked, "doubled"), (Stale, "not_linearizable")]
)
def test_a_crowd_finds_a_broken_store(broken, sign):
    """The control for the crowd: it must see races, and answers out of order."""
    found = figures(0, SEED)
    for more in range(20):
        if found[sign]:
            break
        found = figures(3, SEED + 3 * more, lambda: broken(clock=restless))

    assert found[sign], found


def test_the_crowds_store_is_the_real_one():
    assert type(memory()) is MemoryKeys
