"""Simulated providers: they fail in every way that real ones do, and know the truth.

What lives here: the backend that stands for a provider, its faults, and the record of what
it really took. What must not: any judgement of the library; that is ``scenario``.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from mailbalance.backend import Limits, Rate, Receipt, Refusal
from mailbalance.batch import Load
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)

LIMITS = Limits(10**9, 1000, source="simulated", checked=date(2026, 11, 23))

#: What may go wrong, each with how often it does on a good day, in 10,000.
COMMON = {
    "refused": 20, "lost before": 10, "lost after": 30, "busy": 30, "throttled": 20,
    "rejected": 50, "some refused": 200, "some later": 200, "gateway": 10, "cut": 30,
}  # fmt: skip
#: The moods of a provider: what happens, to how many of 10,000.
MOODS = {
    "good": COMMON,
    "dead": {"refused": 10_000},
    "silent": {"lost before": 5000, "lost after": 5000},
    "busy": {"busy": 6000, "throttled": 3000},
    "flaky": {"cut": 1500, "lost after": 1000, "refused": 1500, "busy": 1000},
    "locked": {"bad key": 10_000},
    "paused": {"paused": 10_000},
    "unverified": {"sender": 10_000},
}
LENGTH = {"good": 60.0, "dead": 40.0, "paused": 60.0, "locked": 60.0}

#: Faults of which a probe hears nothing.
SILENT = frozenset({"refused", "lost before", "lost after", "cut"})


@dataclass
class Truth:
    """What a provider really did: one line for each attempt that reached it."""

    took: Counter = field(default_factory=Counter)
    attempts: list = field(default_factory=list)
    verdicts: Counter = field(default_factory=Counter)


class Provider:
    """A backend that lives in the simulation.

    Keeps the contract of a wire: cancelled before the commit point it ends, cancelled
    after it goes on; and it judges as a wire must, by what the client can know.
    """

    def __init__(self, name, account, random, clock, truth, *, rate=None):
        self.name = name
        self.account = account
        self.limits = LIMITS if rate is None else _limited(rate)
        self.learns = False
        self._random = random
        self._clock = clock
        self._truth = truth
        self._mood, self._until = "good", random.uniform(0.0, 10.0)

    def refuses(self, message, envelope):
        return None

    def preview(self, message, envelope):
        return self.name

    def close(self):
        """Nothing is open."""

    async def aclose(self):
        """Nothing is open."""

    def send(self, message, envelope, *, timeout):
        fault, way, handling = self._drawn(timeout)
        self._clock.pass_time(way)
        self._before(fault, message, envelope)
        answer = self._take(fault, message, envelope)
        self._clock.pass_time(handling)
        return self._after(fault, answer)

    async def asend(self, message, envelope, *, timeout):
        fault, way, handling = self._drawn(timeout)
        await asyncio.sleep(way)
        self._before(fault, message, envelope)
        answer = self._take(fault, message, envelope)
        ends = self._clock.time() + handling
        while (left := ends - self._clock.time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue  # it cannot be recalled any more
        return self._after(fault, answer)

    def _drawn(self, timeout):
        fault = self._fault()
        way = self._random.uniform(0.001, 0.05)
        handling = self._random.uniform(0.01, 0.2)
        if fault in {"lost before", "lost after"} and self._random.random() < 0.5:
            handling = timeout - way  # it is waited for until the time is over
        return fault, way, handling

    def _fault(self):
        now = self._clock.time()
        if now >= self._until:
            good = self._mood == "good"
            moods = [m for m in MOODS if m != "good"]
            self._mood = self._random.choice(moods) if good else "good"
            longest = LENGTH.get(self._mood, 10.0)
            self._until = now + self._random.uniform(0.1, 1.0) * longest
        draw = self._random.randrange(10_000)
        for fault, often in MOODS[self._mood].items():
            draw -= often
            if draw < 0:
                return fault
        return ""

    def _before(self, fault, message, envelope):
        """Fail before the commit point, where nothing was taken."""
        self._truth.verdicts["attempts"] += 1
        if fault in {"refused", "cut"}:
            phase = "connect" if fault == "refused" else "body"
            raise TransientError(fault, backend=self.name, phase=phase)

    def _take(self, fault, message, envelope):
        """Take the message or not: this is the truth, whatever the client hears of it."""
        refused = {}
        if fault in {"some refused", "some later"}:
            code = 550 if fault == "some refused" else 450
            some = envelope.recipients[1::2]
            refused = dict.fromkeys(some, Refusal(code, "simulated"))
        taken = tuple(a for a in envelope.recipients if a not in refused)
        definite = {"busy", "throttled", "rejected", "bad key", "paused", "sender"}
        if fault in definite | {"lost before", "gateway"} or not taken:
            taken = ()
        for address in taken:
            self._truth.took[message.subject, address] += 1
        self._truth.attempts.append((message.subject, self.name, fault, taken))
        return message, taken, refused

    def _after(self, fault, answer):
        """Tell what the client can know."""
        message, taken, refused = answer
        if fault in {"lost before", "lost after", "gateway"}:
            code = "502" if fault == "gateway" else "timeout"
            self._truth.verdicts["unknown"] += 1
            raise UnknownOutcomeError(
                "no clear reply", backend=self.name, phase="reply", code=code
            )
        definite = self._definite(fault, refused if not taken else None)
        if definite is not None:
            raise definite
        return Receipt(
            "partial" if refused else "accepted",
            self.name,
            message_id=message.stamp().message_id,
            accepted=taken,
            refused=refused,
        )

    def _definite(self, fault, refused):
        facts = {"backend": self.name, "phase": "reply"}
        if refused and fault == "some refused":
            return RejectedError("everybody is refused", refused=refused, **facts)
        if refused:
            return TransientError("everybody later", code="450", **facts)
        return {
            "busy": lambda: TransientError("busy", code="503", **facts),
            "throttled": lambda: ThrottledError("slow", code="429", **facts),
            "rejected": lambda: RejectedError("spam", code="550", **facts),
            "bad key": lambda: UnavailableError("bad key", code="403", **facts),
            "paused": lambda: UnavailableError("paused", scope="account", **facts),
            "sender": lambda: UnavailableError("who?", scope="sender", **facts),
        }.get(fault, lambda: None)()


class ProbedProvider(Provider):
    """One that can be asked whether it is there."""

    def probe(self, *, timeout):
        fault = self._probed()
        if fault in SILENT:
            self._clock.pass_time(min(timeout, 1.0))
        return self._told(fault)

    async def aprobe(self, *, timeout):
        fault = self._probed()
        if fault in SILENT:
            await asyncio.sleep(min(timeout, 1.0))
        return self._told(fault)

    def _probed(self):
        self._truth.verdicts["probes"] += 1
        return self._fault()

    def _told(self, fault):
        if fault in SILENT:
            raise TransientError("no answer", phase="connect", backend=self.name)
        if fault in {"bad key", "paused"}:
            raise self._definite(fault, None)
        return ()


class BatchProvider(ProbedProvider):
    """One that takes several messages in one go: by one call, or one after another."""

    load = Load(20, 10**9)

    def lane(self, message):
        return ""

    def send_batch(self, mails, *, timeout):
        raise NotImplementedError("the simulation sends many from tasks only")

    async def asend_batch(self, mails, *, timeout):
        fault, way, handling = self._drawn(timeout)
        await asyncio.sleep(way)
        whole = SILENT | {"gateway", "busy", "throttled", "bad key", "paused"}
        if fault in whole:
            self._before(fault, *mails[0])
            taken = [self._take(fault, *mail) for mail in mails]
        else:
            self._truth.verdicts["attempts"] += 1
            faults = [self._fault() for _ in mails]
            faults = ["" if each in whole else each for each in faults]
            taken = [
                self._take(f, *mail) for f, mail in zip(faults, mails, strict=True)
            ]
        ends = self._clock.time() + handling
        while (left := ends - self._clock.time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue  # it cannot be recalled any more
        if fault in whole:
            return self._after(fault, taken[0])
        return [self._one(f, answer) for f, answer in zip(faults, taken, strict=True)]

    def _one(self, fault, answer):
        try:
            return self._after(fault, answer)
        except DeliveryError as error:
            return error


def _limited(rate: Rate) -> Limits:
    return Limits(10**9, 1000, "simulated", date(2026, 11, 23), rates=(rate,))
