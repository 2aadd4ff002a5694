"""Recorded histories of a key store under a crowd, checked against a sequential model.

What lives here: ``figures()``, which makes the histories and counts what is wrong; run it
by ``python -m tests.properties.key_histories [histories] [seed]``. Half of the crowd are
threads, half are tasks; all send by one mailer, under two keys with two contents each. Two
things are checked: that the store's answers could have come one after another (Herlihy and
Wing's linearizability, by Wing and Gong's search), and that no message went out twice.
"""

import asyncio
import itertools
import json
import logging
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tenacity import stop_after_attempt

from mailbalance import (
    DeliveryError,
    KeyConflictError,
    Mailer,
    MemoryBackend,
    MemoryKeys,
    RejectedError,
    RetryPolicy,
    UnknownOutcomeError,
)

CROWD, EACH = 8, 4
KEYS, CONTENTS = ("a", "b"), ("one", "two")


@dataclass
class Operation:
    """One call of a store: when it began and ended, and what it gave."""

    began: int
    ended: int
    name: str
    words: tuple[Any, ...]
    result: Any


@dataclass
class Recorder:
    """A store in which every call is written down, by key."""

    store: Any
    tick: Any = field(default_factory=lambda: itertools.count().__next__)
    history: dict[str, list[Operation]] = field(default_factory=dict)

    def _call(self, name, key, *words, **options):
        began = self.tick()
        result = getattr(self.store, name)(key, *words, **options)
        done = (*words, options.get("over"))
        noted = Operation(began, self.tick(), name, done, result)
        self.history.setdefault(key, []).append(noted)
        return result

    def claim(self, key, fingerprint, token, **options):
        return self._call("claim", key, fingerprint, token, **options)

    def settle(self, key, token, end):
        self._call("settle", key, token, end)

    def release(self, key, token):
        self._call("release", key, token)

    def forget(self, key):
        return self._call("forget", key)

    async def aclaim(self, *words, **options):
        return self.claim(*words, **options)

    async def asettle(self, *words):
        self.settle(*words)

    async def arelease(self, *words):
        self.release(*words)


def restless():
    """Give the time after letting others run: it is asked amid the store's operations."""
    time.sleep(1e-5)
    return time.monotonic()


def memory():
    return MemoryKeys(clock=restless)


class Fickle(MemoryBackend):
    """Takes a moment; then accepts, rejects, or leaves it unknown, by chance."""

    def __init__(self, chance):
        super().__init__("fickle")
        self.chance = chance
        self.taken = dict.fromkeys(KEYS, 0)

    def _take(self, message):
        kind = self.chance.choice(["accept", "reject", "reject", "reject", "lose"])
        if kind == "reject":
            raise RejectedError("no")
        self.taken[message.key] += 1
        if kind == "lose":
            raise UnknownOutcomeError("lost")

    def send(self, message, envelope, *, timeout):
        time.sleep(self.chance.random() / 1000)
        self._take(message)
        return super().send(message, envelope, timeout=timeout)

    async def asend(self, message, envelope, *, timeout):
        await asyncio.sleep(self.chance.random() / 1000)
        self._take(message)
        return super().send(message, envelope, timeout=timeout)


class Crowd:
    """Half threads, half tasks; all send by one mailer, whose store is recorded.

    Attributes:
        recorder: What its store was asked and answered.
        backend: What took its messages.
        receipts: The receipts that its members got, by key.
    """

    def __init__(self, seed, make):
        self.seed = seed
        self.recorder = Recorder(make())
        self.backend = Fickle(random.Random(seed))
        self.receipts = {key: set() for key in KEYS}
        policy = RetryPolicy(stop=stop_after_attempt(1))
        self.mailer = Mailer({self.backend: 1}, keys=self.recorder, policy=policy)
        self.ready = threading.Barrier(CROWD // 2 + 1)

    def notes(self, number):
        """Give the messages that one member sends."""
        own = random.Random(self.seed * CROWD + number)
        for _ in range(EACH):
            key, text = own.choice(KEYS), own.choice(CONTENTS)
            yield {"from_": "a@x.com", "to": "b@x.com", "text": text, "key": key}
            if own.random() < 0.1:
                self.recorder.forget("never used")

    def note(self, key, receipt):
        self.receipts[key].add((receipt.message_id, receipt.attempts))

    def thread(self, number):
        self.ready.wait(10)
        for fields in self.notes(number):
            with suppress(DeliveryError, KeyConflictError):
                self.note(fields["key"], self.mailer.send(**fields))

    async def task(self, number):
        for fields in self.notes(number):
            with suppress(DeliveryError, KeyConflictError):
                self.note(fields["key"], await self.mailer.asend(**fields))

    async def tasks(self):
        self.ready.wait(10)
        await asyncio.gather(*(self.task(n) for n in range(CROWD // 2, CROWD)))

    def send(self):
        with ThreadPoolExecutor(CROWD) as pool:
            ends = [pool.submit(self.thread, n) for n in range(CROWD // 2)]
            ends.append(pool.submit(asyncio.run, self.tasks()))
            for end in ends:
                end.result()


# The sequential model: what one store does that is asked one thing after another.


def model(state, operation):
    """Give the state after an operation, or ``None`` if it cannot have answered so."""
    name, words, result = operation.name, operation.words, operation.result
    token = state[0] if state else None
    if name == "claim":
        fingerprint, own, over = words
        free = token is None or token == over
        given = (own, fingerprint, None) if free else state
        said = (result.token, result.fingerprint, result.end)
        return (given,) if same(said, given) and not result.lapsed else None
    if name == "forget":
        can = state is not None and state[2] is not None
        return ((None if can else state),) if result is can else None
    if token != words[0] or state[2] is not None:
        return (state,)
    if name == "release":
        return (None,)
    return ((token, state[1], words[1]),)


def same(said, given):
    return said[:2] == given[:2] and facts(said[2]) == facts(given[2])


def facts(end):
    """Give what tells one end from another, also after a pickle."""
    return type(end), str(end), getattr(end, "message_id", None)


def linearizable(operations):
    """Say whether some order that respects their times explains every answer."""
    operations = sorted(operations, key=lambda each: each.began)
    full = (1 << len(operations)) - 1
    seen, stack = set(), [(0, None)]
    while stack:
        done, state = stack.pop()
        if done == full:
            return True
        mark = done, state and (state[0], state[1], id(state[2]))
        if mark in seen:
            continue
        seen.add(mark)
        earliest = min(
            each.ended for n, each in enumerate(operations) if not done >> n & 1
        )
        for n, each in enumerate(operations):
            if each.began > earliest:
                break
            if not done >> n & 1 and (after := model(state, each)) is not None:
                stack.append((done | 1 << n, after[0]))
    return False


def figures(histories, seed, make=memory):
    """Make histories, and count operations and what was wrong."""
    found = {"histories": histories, "seed": seed, "operations": 0, "overlapping": 0}
    found |= {"not_linearizable": 0, "doubled": 0, "receipts_apart": 0}
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for number in range(histories):
            crowd = Crowd(seed + number, make)
            crowd.send()
            for each in crowd.recorder.history.values():
                found["operations"] += len(each)
                found["overlapping"] += overlapping(each)
                found["not_linearizable"] += not linearizable(each)
            found["doubled"] += sum(n > 1 for n in crowd.backend.taken.values())
            apart = sum(len(each) > 1 for each in crowd.receipts.values())
            found["receipts_apart"] += apart
    finally:
        sys.setswitchinterval(before)
    return found


def overlapping(operations):
    """Count operations that began before the one that began before them had ended."""
    ordered = sorted(operations, key=lambda each: each.began)
    return sum(b.began < a.ended for a, b in itertools.pairwise(ordered))


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    logging.disable()
    start = (
        int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("MB_SEED", "1"))
    )
    print(json.dumps(figures(many, start), indent=2))  # noqa: T201
