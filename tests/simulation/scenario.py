"""One simulated run: who sends what and when, and whether all that was told is true.

What lives here: the scenario, drawn from a seed, and the oracle. What must not: how time or
providers work.
"""

import asyncio
import hashlib
import logging
import random
from contextlib import suppress
from dataclasses import dataclass, field

from tenacity.wait import wait_base

from mailbalance import (
    Accepted,
    Attempted,
    DeliveryError,
    GaveUp,
    HealthChanged,
    Mailer,
    Message,
    RetryPolicy,
)
from mailbalance.backend import Rate, Receipt
from mailbalance.delivery.retry import Timing, wait_retry_after
from mailbalance.routing import Dispatcher
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.provider import (
    BatchProvider,
    ProbedProvider,
    Provider,
    Truth,
)

#: Messages that a deadline may be overshot by, in virtual seconds: the time of one attempt
#: that had passed its commit point is part of the time-out, so there is none to speak of.
SLACK = 0.1


@dataclass
class Figures:
    """What a run came to; ``wrong`` must stay empty."""

    messages: int = 0
    accepted: int = 0
    partial: int = 0
    not_accepted: int = 0
    unknown: int = 0
    cancelled: int = 0
    attempts: int = 0
    unknown_attempts: int = 0
    doubled: int = 0
    predicted: int = 0
    forks: int = 0
    health_changes: int = 0
    virtual_seconds: float = 0.0
    wrong: list = field(default_factory=list)
    trace: str = ""

    def add(self, other: "Figures") -> None:
        """Add another run's to these."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class _Jitter(wait_base):
    """The default wait's full jitter, from a source of chance that is passed in."""

    def __init__(self, chance):
        self._chance = chance

    def __call__(self, retry_state):
        longest = min(20.0, 0.5 * 2 ** (retry_state.attempt_number - 1))
        return self._chance.uniform(0.0, longest)


class Run:
    """One seeded run of so many messages; the same seed gives the same run."""

    def __init__(self, seed, messages, *, unknown="raise", how="async", keyed=False):
        self.seed, self.number, self.unknown, self.how = seed, messages, unknown, how
        self.keyed = keyed
        self.random = random.Random(seed)
        self.loop, self.process = VirtualLoop(), Process()
        self.truth, self.figures = Truth(), Figures()
        self.told, self.began = {}, {}
        self.cut_off = set()
        self.digest = hashlib.sha256()
        self.mailer = self._mailer()

    def _mailer(self):
        def provider(name, account, kind=ProbedProvider, **options):
            chance = random.Random(self.random.random())
            return kind(name, account, chance, self.loop, self.truth, **options)

        rate = Rate(self.random.choice([20, 200]), self.random.choice([1.0, 10.0]))
        backends = {
            provider("ses", "aws"): 60,
            provider("mailtrap", "mt", BatchProvider, rate=rate): 40,
        }
        if self.random.random() < 0.5:
            backends[provider("ses-smtp", "aws", Provider)] = "backup"
        timing = Timing(self.loop.time, self.loop.pass_time, asyncio.sleep)
        wait = wait_retry_after(_Jitter(random.Random(self.random.random())))
        policy = RetryPolicy(wait=wait, unknown=self.unknown)
        mailer = Mailer(
            backends, policy=policy, timing=timing, observers=[self.observe]
        )
        chances = lambda: random.Random(self.random.random())  # noqa: E731
        dispatcher = Dispatcher(
            mailer.dispatcher.entries, random=chances, tell=self.observe
        )
        mailer.assemble(dispatcher, timing, mailer.keys)
        return mailer

    def observe(self, event):
        """Note what is told; what is told last of a message is its end."""
        if isinstance(event, HealthChanged):
            self.figures.health_changes += 1
            self.digest.update(f"{event}".encode())
        elif isinstance(event, Attempted):
            self.figures.attempts += 1
        elif isinstance(event, Accepted | GaveUp):
            told = event.receipt if isinstance(event, Accepted) else event.error
            self.told.setdefault(told.message_id, []).append(told)

    def play(self) -> Figures:
        """Run it to its end and judge it."""
        logger = logging.getLogger("mailbalance")
        level, logger.level = logger.level, logging.CRITICAL
        try:
            with self.process.seen():
                self.loop.run_until_complete(self._all())
                self._judge()
        finally:
            logger.level = level
            self.loop.close()
        return self.figures

    async def _all(self):
        await (self._many() if self.how == "many" else self._one_by_one())
        # Attempts that a simulated fork cut off from their process end here too: closing
        # waits for those of the process that it is in.
        if self.cut_off:
            await asyncio.wait(self.cut_off)
        await self.mailer.aclose()
        self.figures.virtual_seconds = self.loop.time()

    async def _many(self):
        """Send by ``asend_many``, from a source that takes its time."""

        async def source():
            for number in range(self.number):
                message = self._message(number)
                self.began[message.subject] = message
                yield message
                if number % 50 == 0:
                    await asyncio.sleep(self.random.expovariate(1.0))

        place = 0
        async for result in self.mailer.asend_many(source(), concurrency=8):
            told = self.told.get(result.message.message_id, [None])[-1]
            if result.index != place or told is not (result.receipt or result.error):
                self._wrong(result.message, "its result is not its own")
            place += 1
        if place != self.number:
            self.figures.wrong.append(f"seed {self.seed}: {place} results")

    async def _one_by_one(self):
        tasks = set()
        for number in range(self.number):
            if self.how == "sync":
                self._send(number)
            else:
                for _ in range(1 + (self.keyed and self.random.random() < 0.2)):
                    task = self.loop.create_task(self._asend(number))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    if self.random.random() < 0.03:
                        self.loop.call_later(self.random.uniform(0, 0.4), task.cancel)
            await asyncio.sleep(self.random.expovariate(100.0))
            if self.random.random() < 0.001:
                self.cut_off |= self.mailer.in_flight.detached
                self.process.fork()
                self.figures.forks += 1
        while tasks:
            await asyncio.wait(tasks)

    def _message(self, number):
        people = 1 + (number % 7 == 0) + 3 * (number % 11 == 0)
        return Message(
            from_="shop@example.com",
            to=[f"p{n}@example.com" for n in range(people)],
            subject=f"m{number}",
            text="x",
            key=f"m{number}" if self.keyed else None,
            message_id=f"<m{number}@example.com>",
        )

    def _send(self, number):
        message = self._message(number)
        self.began[message.subject] = message
        began = self.loop.time()
        with suppress(DeliveryError):
            self.mailer.send(message)
        self._must_be_in_time(message, began)

    async def _asend(self, number):
        message = self._message(number)
        self.began[message.subject] = message
        began = self.loop.time()
        try:
            await self.mailer.asend(message)
        except DeliveryError:
            pass
        except asyncio.CancelledError:
            self.figures.cancelled += 1
        self._must_be_in_time(message, began)

    def _must_be_in_time(self, message, began):
        took = self.loop.time() - began
        if took > self.mailer.policy.timeout + SLACK:
            self._wrong(message, f"took {took:.3f} s")

    def _wrong(self, message, why):
        self.figures.wrong.append(f"seed {self.seed} {message.subject}: {why}")

    # The oracle

    def _judge(self):
        self.figures.messages = len(self.began)
        self.figures.unknown_attempts = self.truth.verdicts["unknown"]
        tries = {}
        for subject, name, fault, taken in self.truth.attempts:
            tries.setdefault(subject, []).append((name, fault, taken))
        for subject, message in self.began.items():
            self._judge_message(message, tries.get(subject, []))
        self._judge_split()
        for status in self.mailer.status():
            if status.in_flight:
                self.figures.wrong.append(f"seed {self.seed}: {status} in flight")
        self.digest.update(repr(sorted(self.truth.took.items())).encode())
        self.digest.update(repr(self.truth.attempts).encode())
        self.figures.trace = self.digest.hexdigest()[:16]

    def _judge_message(self, message, tries):
        everyone = [address.email for address in message.to]
        copies = {a: self.truth.took[message.subject, a] for a in everyone}
        ends = self.told.get(message.message_id, [])
        if not ends:
            # One that was cancelled before it ever began has nothing to tell.
            if tries:
                self._wrong(message, "its end was not told")
            return
        if len(ends) > 1 and not self.keyed:
            self._wrong(message, f"its end was told {len(ends)} times")
        end = ends[-1]
        doubled = sum(max(0, n - 1) for n in copies.values())
        predicted = self._predicted(tries)
        self.figures.doubled += doubled
        self.figures.predicted += predicted
        if doubled != predicted:
            self._wrong(message, f"{doubled} doubled, {predicted} predicted")
        flagged = getattr(end, "possible_duplicate", False)
        if doubled and not flagged and getattr(end, "outcome", "") != "unknown":
            self._wrong(message, "doubled without a word")
        if isinstance(end, Receipt):
            self._judge_receipt(message, end, copies)
        else:
            self._judge_error(message, end, copies)

    def _predicted(self, tries):
        """Count the copies that retries after an unknown outcome must have made."""
        if self.unknown == "raise":
            return 0
        had, again = set(), 0
        for _, fault, taken in tries:
            again += len(had & set(taken))
            if fault == "lost after":
                had |= set(taken)
        return again

    def _judge_receipt(self, message, receipt, copies):
        kind = "partial" if receipt.refused else "accepted"
        setattr(self.figures, kind, getattr(self.figures, kind) + 1)
        for address, number in copies.items():
            if address in receipt.accepted and not number:
                self._wrong(message, f"{address} told accepted, and it was not")
            if address in receipt.refused and number and not receipt.possible_duplicate:
                self._wrong(message, f"{address} told refused, and it was accepted")
            if address not in receipt.accepted and address not in receipt.refused:
                self._wrong(message, f"{address} was not told of")

    def _judge_error(self, message, error, copies):
        if error.outcome == "unknown":
            self.figures.unknown += 1
            if not any(attempt.outcome == "unknown" for attempt in error.attempts):
                self._wrong(message, "unknown without an unknown attempt")
            return
        self.figures.not_accepted += 1
        for address, number in copies.items():
            if number and address not in error.accepted:
                self._wrong(message, f"{address} told not accepted, and it was")

    def _judge_split(self):
        shares = {share.backend: share for share in self.mailer.split()}
        total = shares["ses"].assigned + shares["mailtrap"].assigned
        if abs(shares["ses"].assigned - 0.6 * total) > 1:
            self.figures.wrong.append(
                f"seed {self.seed}: {shares['ses'].assigned} of {total} assigned"
            )


def play(messages, *, seed=1, each=2000, unknown=("raise", "retry")):
    """Play runs of ``each`` messages until there were so many; give their figures.

    Args:
        messages: How many in all.
        seed: Of the first run; each next run has the next.
        each: Messages of one run.
        unknown: The policies to take in turn.
    """
    whole = Figures()
    while whole.messages < messages:
        how = {0: "sync", 3: "many"}.get(seed % 6, "async")
        policy = unknown[(seed // 2) % len(unknown)]
        run = Run(seed, each, unknown=policy, how=how, keyed=seed % 8 == 1)
        whole.add(run.play())
        seed += 1
    return whole
