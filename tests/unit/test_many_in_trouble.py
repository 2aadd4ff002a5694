"""send_many when things go wrong: rates, queues, stops, sources that fail, odd batches."""

import asyncio
import contextlib
import os
import threading
import time
from fractions import Fraction

import pytest
from tenacity import wait_none

from mailbalance import (
    ClosedError,
    Mailer,
    MemoryBackend,
    MessageError,
    RetryPolicy,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backend import Rate
from mailbalance.delivery.retry import Timing
from mailbalance.events import Accepted, GaveUp
from mailbalance.routing import Dispatcher, Entry
from mailbalance.routing.admission import Ask, Fresh, Permit
from tests.unit.test_many import Batching, letter, many, two

__all__ = ["many"]


class Slow(MemoryBackend):
    """Takes its time, and then accepts or fails."""

    def __init__(self, *args, takes=0.05, fails=False, **options):
        super().__init__(*args, **options)
        self.takes, self.fails = takes, fails

    def send(self, message, envelope, *, timeout):
        time.sleep(self.takes)
        return self._end(message, envelope)

    async def asend(self, message, envelope, *, timeout):
        await asyncio.sleep(self.takes)
        return self._end(message, envelope)

    def _end(self, message, envelope):
        if self.fails:
            raise TransientError("busy", backend=self.name, phase="reply", code="503")
        return super().send(message, envelope, timeout=1.0)


def limited(backend, *rates):
    limits = backend.limits
    backend.limits = type(limits)(10**9, 10**6, "none", limits.checked, rates)
    return backend


def test_more_than_the_rate_lets_through_in_time_is_not_refused(many):
    policy = RetryPolicy(timeout=2.0)
    mailer = Mailer({MemoryBackend("only", rate="30/s"): 1}, policy=policy)
    began = time.monotonic()

    results = many(mailer, map(letter, range(75)), concurrency=4)

    assert all(result.ok for result in results)
    assert 1.4 < time.monotonic() - began < 6.0


class Passing:
    """Time that passes only while a message is sent.

    Two threads send in step: one that the machine holds up must not miss the time that
    passes for the other's messages.
    """

    def __init__(self):
        self.now, self._step = 0.0, threading.Barrier(2)
        self.timing = Timing(clock=lambda: self.now, sleep=self.go, asleep=self.ago)

    def go(self, seconds):
        try:
            passes = self._step.wait(1) == 0
        except threading.BrokenBarrierError:  # the last one sends alone
            self._step.reset()
            passes = True
        self.now += seconds if passes else 0

    async def ago(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)

    def backend(self, name, **options):
        """Give a backend whose every attempt takes as much of this time as it says."""
        passing = self

        class Passes(Slow):
            def send(self, message, envelope, *, timeout):
                passing.go(self.takes)
                return self._end(message, envelope)

            async def asend(self, message, envelope, *, timeout):
                await passing.ago(self.takes)
                return self._end(message, envelope)

        return Passes(name, **options)


def test_waiting_for_a_free_sender_takes_nothing_off_the_time_to_fail_over(many):
    passing = Passing()
    bad = passing.backend("bad", takes=0.1, fails=True)
    good = passing.backend("good", takes=0.1)
    policy = RetryPolicy(timeout=2.4)
    mailer = Mailer({bad: 1, good: 1}, policy=policy, timing=passing.timing)
    mailer.freeze("bad")

    results = many(mailer, map(letter, range(60)), concurrency=2)

    assert all(result.ok for result in results)
    assert passing.now > 4.4  # longer than any message may take


def test_what_was_begun_before_the_source_failed_has_its_results(many):
    def source():
        yield from map(letter, range(40))
        raise LookupError("the table is gone")

    mailer, results = two(mailtrap=Batching), []

    with pytest.raises(LookupError):
        many(mailer, source(), progress=results.append)
    assert len(results) == 40
    assert sum(share.carried for share in mailer.split()) == 40


def test_closing_in_the_middle_leaves_each_message_with_a_result_or_unsent(many):
    def source():
        for number in range(40):
            if number == 20:
                mailer.in_flight.shut()
            yield letter(number)

    mailer, results = two(ses=Slow, mailtrap=Batching), []

    with pytest.raises(ClosedError):
        many(mailer, source(), progress=results.append, concurrency=2)
    assert len(results) == 20
    assert sum(share.carried for share in mailer.split()) <= 20
    assert [status.in_flight for status in mailer.status()] == [0, 0]


def test_a_batch_that_waits_is_not_sent_once_the_mailer_is_closed(many):
    class Closing(Batching):
        def send_batch(self, mails, *, timeout):
            mailer.in_flight.shut()
            return super().send_batch(mails, timeout=timeout)

    mailer = Mailer({Closing("mailtrap"): 1})

    with contextlib.suppress(ClosedError):
        many(mailer, (letter(n) for n in range(30)), concurrency=1)

    assert len(mailer.backends["mailtrap"].sent) == 10
    assert mailer.status()[0].in_flight == 0


def test_a_message_tried_before_the_end_of_the_mailer_tells_what_is_known(many):
    class Lost(Batching):
        def send_batch(self, mails, *, timeout):
            mailer.in_flight.shut()
            raise UnknownOutcomeError("the reply was lost", phase="reply")

    policy, told = RetryPolicy(unknown="retry", wait=wait_none()), []
    mailer = Mailer({Lost("mailtrap"): 1}, policy=policy, observers=[told.append])

    results = many(mailer, [letter(0), letter(1)])

    assert [each.error.outcome for each in results] == ["unknown"] * 2
    assert sum(isinstance(event, GaveUp) for event in told) == 2


class Waiting(Batching):
    """Keeps a batch in the air until it is told, and then fails its first message."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.in_the_air, self.go = threading.Event(), threading.Event()

    def send(self, message, envelope, *, timeout):
        if message.category == "alone":
            self.in_the_air.wait(10)
        return super().send(message, envelope, timeout=timeout)

    async def asend(self, message, envelope, *, timeout):
        return await asyncio.to_thread(self.send, message, envelope, timeout=timeout)

    def send_batch(self, mails, *, timeout):
        self.in_the_air.set()
        self.go.wait(10)
        busy = TransientError("busy", backend=self.name, phase="reply", code="503")
        return [busy, *super().send_batch(mails[1:], timeout=timeout)]

    async def asend_batch(self, mails, *, timeout):
        return await asyncio.to_thread(self.send_batch, mails, timeout=timeout)


def first_of_many(mailer, messages):
    """Take one result and leave, with a batch in the air."""
    results = mailer.send_many(messages)
    next(results)
    threading.Timer(0.05, mailer.backends["only"].go.set).start()
    results.close()


def first_of_many_in_a_loop(mailer, messages):
    async def main():
        async with mailer:
            results = mailer.asend_many(messages)
            await anext(results)
            await results.aclose()
            mailer.backends["only"].go.set()

    asyncio.run(main())


@pytest.mark.parametrize("leave", [first_of_many, first_of_many_in_a_loop])
def test_what_came_of_a_batch_is_told_though_nobody_asks_any_more(leave):
    told = []
    policy = RetryPolicy(wait=wait_none())
    mailer = Mailer({Waiting("only"): 1}, observers=[told.append], policy=policy)

    leave(mailer, [letter(0, category="alone"), *map(letter, range(1, 11))])

    sent = {each.message.stamp().message_id for each in mailer.backends["only"].sent}
    assert {e.receipt.message_id for e in told if isinstance(e, Accepted)} == sent
    assert len(sent) == 10
    assert [len(e.error.attempts) for e in told if isinstance(e, GaveUp)] == [1]
    assert [status.in_flight for status in mailer.status()] == [0]


class Outliving(Batching):
    """Keeps a batch in the air until it is cancelled, before or after its commit point."""

    committed = True

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.in_the_air = asyncio.Event()

    async def asend_batch(self, mails, *, timeout):
        self.in_the_air.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            if not self.committed:
                raise
        return self.send_batch(mails, timeout=timeout)


class Recalled(Outliving):
    committed = False


@pytest.mark.parametrize("backend", [Outliving, Recalled])
def test_a_batch_in_the_air_when_its_loop_ends_is_told_message_by_message(backend):
    told = []
    mailer = Mailer({backend("only"): 1}, observers=[told.append])
    only = mailer.backends["only"]

    async def main():
        results = mailer.asend_many(map(letter, range(10)))
        first = asyncio.create_task(anext(results))
        await only.in_the_air.wait()
        return first  # and the loop ends, which cancels whatever goes on

    first = asyncio.run(main())

    assert first.cancelled()
    accepted = [e.receipt.message_id for e in told if isinstance(e, Accepted)]
    failed = [e.message_id for e in told if isinstance(e, GaveUp)]
    assert len(accepted if only.committed else failed) == 10
    assert len({*accepted, *failed}) == 10
    assert len(only.sent) == len(accepted)
    assert [status.in_flight for status in mailer.status()] == [0]


class Halt(BaseException):
    """Something from outside, as a signal's handler may raise it."""


def test_what_strikes_amid_the_ends_of_a_batch_leaves_none_without_an_end(many):
    done = []

    def strike(event):
        if isinstance(event, Accepted):
            done.append(event)
            if len(done) == 3:
                raise Halt

    mailer, results = Mailer({Batching("only"): 1}, observers=[strike]), []

    with pytest.raises(Halt):
        many(mailer, map(letter, range(8)), progress=results.append)
    assert (len(results), len(done)) == (2, 8)
    assert [status.in_flight for status in mailer.status()] == [0]


def test_leaving_in_a_loop_begins_nothing_more():
    mailer = Mailer({Slow("only"): 1})

    async def main():
        async with mailer:
            results = mailer.asend_many(map(letter, range(1000)), concurrency=4)
            await anext(results)
            await results.aclose()

    asyncio.run(main())

    assert len(mailer.backends["only"].sent) <= 8
    assert [status.in_flight for status in mailer.status()] == [0]


def test_a_forked_child_leaves_the_parents_threads_alone():
    mailer = Mailer({MemoryBackend("only"): 1})
    results = mailer.send_many(map(letter, range(10)))
    next(results)
    child = os.fork()
    if child == 0:
        results.close()
        os._exit(0)

    assert os.waitpid(child, 0)[1] == 0
    assert len(list(results)) == 9


def test_what_waits_out_a_pause_goes_by_itself_as_a_request_of_its_own():
    mailtrap = limited(Batching("only"), Rate(1, 10.0, "requests"))
    dispatcher = Dispatcher([Entry(mailtrap, Fraction(1))])

    def choose():
        permit = Permit()
        ask = Ask("example.com", 1, 0.0, 60.0, together=("only",))
        dispatcher.choose(permit, [Fresh(mailtrap)], ask)
        return permit

    gathered, call = choose(), Permit()
    dispatcher.call(call, mailtrap, 0.0)
    slow_down = ThrottledError("slow down", retry_after=0.3, phase="reply")
    dispatcher.learn(call, slow_down, 0.0)
    alone = [choose() for _ in range(2)]

    assert gathered.kind == "together"
    assert [(each.kind, each.delay) for each in alone] == [
        ("single", 10.0),
        ("single", 20.0),
    ]


def test_a_sender_that_is_not_allowed_is_remembered_from_a_batch(many):
    mailer = two(mailtrap=Batching)
    refused = UnavailableError("not verified", scope="sender", phase="reply")
    mailer.backends["mailtrap"].whole = [refused]

    results = many(mailer, map(letter, range(50)))

    assert all(result.ok for result in results)
    assert mailer.status()[1].senders == ("example.com",)
    assert mailer.status()[1].state == "healthy"


def test_being_told_to_slow_down_in_the_middle_of_a_batch_slows_the_backend(many):
    mailer = two(mailtrap=Batching)
    told = ThrottledError("slow down", retry_after=9.0, phase="mail", code="421")
    mailer.backends["mailtrap"].answer(None, None, told)

    assert all(result.ok for result in many(mailer, map(letter, range(12))))
    assert mailer.status()[1].paused > 0


def test_one_message_that_cannot_be_built_does_not_fail_its_batch(many):
    class Building(Batching):
        def send_batch(self, mails, *, timeout):
            for message, _ in mails:
                self.build(message)
            return super().send_batch(mails, timeout=timeout)

        def send(self, message, envelope, *, timeout):
            self.build(message)
            return super().send(message, envelope, timeout=timeout)

        def build(self, message):
            if message.subject == "3":
                raise MessageError("subject: cannot be written")

    mailer = Mailer({Building("only"): 1})

    results = many(mailer, map(letter, range(10)))

    assert [result.index for result in results if not result.ok] == [3]
    assert isinstance(results[3].error, MessageError)
    assert [status.in_flight for status in mailer.status()] == [0]
