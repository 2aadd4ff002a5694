"""send_many and asend_many: order, memory, the split, and the end of each message."""

import asyncio
import threading
import time
from contextlib import aclosing

import pytest
from tenacity import stop_after_attempt, wait_none

from mailbalance import (
    AttemptStarted,
    ConfigError,
    Mailer,
    MailError,
    MemoryBackend,
    Message,
    MessageError,
    RejectedError,
    RetryPolicy,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backend import Rate
from mailbalance.batch import ApartError, Load
from mailbalance.delivery.order import HELD, MOST_HELD


def letter(number, **fields):
    said = {"from_": "a@example.com", "to": "b@example.com", "text": "x"}
    return Message(**{**said, "subject": str(number), **fields})


class Batching(MemoryBackend):
    """A memory backend that takes several at once, and remembers how many."""

    load = Load(10, 1_000_000)

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.batches = []
        self.lanes = []
        self.whole = []

    def lane(self, message):
        return None if message.category == "alone" else message.stream or ""

    def send_batch(self, mails, *, timeout):
        self.batches.append(len(mails))
        self.lanes.append({self.lane(message) for message, _ in mails})
        if self.whole and (error := self.whole.pop(0)) is not None:
            raise error
        answers = []
        for message, envelope in mails:
            try:
                answers.append(self.send(message, envelope, timeout=timeout))
            except MailError as error:
                answers.append(error)
        return answers

    async def asend_batch(self, mails, *, timeout):
        await asyncio.sleep(0)
        return self.send_batch(mails, timeout=timeout)


@pytest.fixture(params=["sync", "async", "async source"])
def many(request):
    """Send by any door; the results must be the same."""
    if request.param == "sync":
        return lambda mailer, messages, **options: list(
            mailer.send_many(messages, **options)
        )

    async def source(messages):
        for message in messages:
            yield message

    async def collect(mailer, messages, **options):
        given = source(messages) if request.param == "async source" else messages
        return [result async for result in mailer.asend_many(given, **options)]

    return lambda *args, **options: asyncio.run(collect(*args, **options))


def two(ses=MemoryBackend, mailtrap=MemoryBackend, **options):
    options.setdefault("policy", RetryPolicy(wait=wait_none()))
    return Mailer({ses("ses"): 60, mailtrap("mailtrap"): 40}, **options)


@pytest.mark.parametrize("door", ["send_many", "asend_many"])
@pytest.mark.parametrize(
    ("messages", "concurrency", "why"),
    [
        ([], 0, "concurrency is 0"),
        ([], -1, "concurrency is -1"),
        (Message(from_="a@b.c", to="d@e.f", text="x"), 1, "one Message; give an it"),
        (b"From: a@b.c", 1, "one bytes"),
        ({"to": "d@e.f"}, 1, "one dict"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_begun(
    door, messages, concurrency, why
):
    with pytest.raises(ConfigError, match=why):
        getattr(two(), door)(messages, concurrency=concurrency)


def test_observers_hear_of_each_message_of_a_batch_before_it_goes(many):
    told = []

    class Listening(Batching):
        def send_batch(self, mails, *, timeout):
            names = {message.stamp().message_id for message, _ in mails}
            told.append(names <= {each.message_id for each in heard})
            return super().send_batch(mails, timeout=timeout)

    heard = []

    def note(event):
        if isinstance(event, AttemptStarted):
            heard.append(event)

    mailer = Mailer({Listening("mailtrap"): 1}, observers=[note])
    many(mailer, (letter(n) for n in range(25)))

    assert told == [True] * 3
    assert len(heard) == 25
    assert {each.backend for each in heard} == {"mailtrap"}


def test_a_refusal_of_a_batch_of_one_is_meant_for_it(many):
    mailtrap = Batching("mailtrap")
    mailtrap.whole = [RejectedError("no such template")]
    mailer = Mailer({mailtrap: 1})

    [result] = many(mailer, [letter(0)])

    assert isinstance(result.error, RejectedError)
    assert len(result.error.attempts) == 1
    assert (mailtrap.batches, mailtrap.tries) == ([1], 0)
    assert mailer.status()[0].in_flight == 0


def test_there_is_one_result_for_each_message_in_their_order(many):
    results = many(two(), map(letter, range(300)))

    assert [result.index for result in results] == list(range(300))
    assert [result.message.subject for result in results] == list(map(str, range(300)))
    assert all(result.ok for result in results)


def test_the_split_is_exact(many):
    mailer = two(mailtrap=Batching)

    many(mailer, map(letter, range(500)))

    assert [share.assigned for share in mailer.split()] == [300, 200]
    assert [share.carried for share in mailer.split()] == [300, 200]


def test_what_can_go_together_does(many):
    mailer = two(mailtrap=Batching)

    many(mailer, map(letter, range(500)))

    batches = mailer.backends["mailtrap"].batches
    assert (sum(batches), max(batches)) == (200, 10)
    assert len(batches) < 100  # a slow machine may let some go before they are full


def test_messages_of_two_lanes_do_not_go_together(many):
    mailer = Mailer({Batching("mailtrap"): 1})
    streams = ["bulk", "transactional"] * 10

    many(mailer, [letter(n, stream=each) for n, each in enumerate(streams)])

    assert sum(mailer.backends["mailtrap"].batches) == 20
    assert all(len(lanes) == 1 for lanes in mailer.backends["mailtrap"].lanes)


def test_one_that_must_go_alone_goes_alone(many):
    mailer = Mailer({Batching("mailtrap"): 1})

    results = many(mailer, [letter(n, category="alone") for n in range(5)])

    assert (mailer.backends["mailtrap"].batches, len(results)) == ([], 5)


def test_a_refused_message_of_a_batch_fails_alone(many):
    mailer = Mailer({Batching("mailtrap"): 1})
    mailer.backends["mailtrap"].answer(None, RejectedError("no such user"), None)

    results = many(mailer, map(letter, range(3)))

    assert [result.ok for result in results] == [True, False, True]
    assert isinstance(results[1].error, RejectedError)


def test_a_batch_that_was_not_accepted_moves_on_message_by_message(many):
    mailer = two(mailtrap=Batching)
    mailer.backends["mailtrap"].whole = [TransientError("refused", phase="connect")]

    results = many(mailer, map(letter, range(25)))

    assert {result.receipt.backend for result in results} == {"ses"}
    moved = [len(result.receipt.attempts) for result in results].count(2)
    assert moved == mailer.backends["mailtrap"].batches[0]


def test_a_lost_reply_is_unknown_for_each_message_of_the_batch(many):
    mailer = two(mailtrap=Batching)
    mailer.backends["mailtrap"].whole = [UnknownOutcomeError("lost", phase="reply")]

    results = many(mailer, map(letter, range(25)))

    unknown = [result for result in results if not result.ok]
    assert len(unknown) == mailer.backends["mailtrap"].batches[0]
    assert all(isinstance(result.error, UnknownOutcomeError) for result in unknown)
    assert len({id(result.error) for result in unknown}) == len(unknown)


@pytest.mark.parametrize("wrong", [[], [None] * 3])
def test_a_batch_that_is_not_answered_one_for_one_is_unknown_for_each(many, wrong):
    class Confused(Batching):
        def send_batch(self, mails, *, timeout):
            return wrong

    mailer = Mailer({Confused("mailtrap"): 1})

    results = many(mailer, map(letter, range(2)))

    assert {type(result.error) for result in results} == {UnknownOutcomeError}
    assert mailer.status()[0].in_flight == 0


@pytest.mark.parametrize("refusal", [ApartError("no"), RejectedError("one is wrong")])
def test_a_call_that_is_refused_as_such_sends_each_alone(many, refusal):
    mailer = Mailer({Batching("mailtrap"): 1})
    mailer.backends["mailtrap"].whole = [refusal]

    results = many(mailer, map(letter, range(5)))

    assert [result.ok for result in results] == [True] * 5
    assert [len(result.receipt.attempts) for result in results] == [1] * 5
    assert mailer.status()[0].failures == 0


def test_health_learns_from_what_goes_alone_after_all(many):
    mailer = Mailer({Batching("mailtrap"): 1})
    mailer.backends["mailtrap"].whole = [ApartError("not together")]
    mailer.backends["mailtrap"].answer(UnavailableError("bad key", phase="auth"))

    many(mailer, [letter(1)])

    assert mailer.status()[0].state == "cooling"


def test_one_failed_batch_is_one_failure_of_the_backend(many):
    mailer = two(mailtrap=Batching)
    mailer.backends["mailtrap"].whole = [TransientError("refused", phase="connect")]

    many(mailer, map(letter, range(25)))

    assert mailer.status()[1].state == "healthy"
    assert mailer.status()[1].failures == 1


def test_batches_to_a_dead_host_stop_after_five(many):
    mailer = two(mailtrap=Batching)
    dead = [TransientError("refused", phase="connect") for _ in range(100)]
    mailer.backends["mailtrap"].whole = dead

    results = many(mailer, map(letter, range(800)), concurrency=1)

    assert all(result.ok for result in results)
    assert len(dead) == 95


def test_a_batch_counts_as_one_request(many):
    mailtrap = Batching("mailtrap")
    mailtrap.limits = type(mailtrap.limits)(
        10**9, 10**6, "none", mailtrap.limits.checked, (Rate(100, 60.0, "requests"),)
    )
    mailer = Mailer({mailtrap: 1})

    results = many(mailer, map(letter, range(200)))

    assert all(result.ok for result in results)
    assert sum(mailtrap.batches) == 200


def test_a_call_that_would_wait_too_long_is_not_made(many):
    mailtrap = Batching("mailtrap")
    mailtrap.limits = type(mailtrap.limits)(
        10**9, 10**6, "none", mailtrap.limits.checked, (Rate(1, 3600.0, "requests"),)
    )
    policy = RetryPolicy(stop=stop_after_attempt(1))
    mailer = Mailer({mailtrap: 1}, policy=policy)

    results = many(mailer, map(letter, range(20)))

    assert 10 <= [result.ok for result in results].count(False) < 20
    assert all(
        isinstance(result.error, ThrottledError) for result in results if not result.ok
    )


def test_a_message_that_is_wrong_does_not_stop_the_others(many):
    results = many(two(), [letter(1), b"no sender\r\n\r\n", letter(3)])

    assert [result.ok for result in results] == [True, False, True]
    assert isinstance(results[1].error, MessageError)
    assert results[1].index == 1


def test_a_key_is_sent_once(many):
    mailer = two(ses=Batching, mailtrap=Batching)

    results = many(mailer, [letter(1, key="k") for _ in range(10)])

    assert sum(share.carried for share in mailer.split()) == 1
    assert len({result.receipt for result in results}) == 1


def test_progress_is_told_after_each(many):
    told = []

    many(two(), map(letter, range(20)), progress=told.append)

    assert told == list(range(1, 21))


def test_nothing_is_held_beyond_the_measure(many):
    given = []

    def source():
        for number in range(3 * MOST_HELD):
            given.append(number)
            yield letter(number)

    class Watched(MemoryBackend):
        most = 0

        def send(self, message, envelope, *, timeout):
            Watched.most = max(Watched.most, len(given) - len(self.sent))
            return super().send(message, envelope, timeout=timeout)

    many(Mailer({Watched("only"): 1}), source())

    assert Watched.most <= MOST_HELD


def test_large_messages_are_held_by_their_bytes():
    big = "x" * 1_000_000
    seen = []

    def source():
        for number in range(200):
            seen.append(number)
            yield letter(number, text=big)

    mailer = Mailer({MemoryBackend("only", keep=1): 1})
    results = mailer.send_many(source())
    next(results)

    assert len(seen) <= HELD // 1_000_000 + 2
    results.close()


def test_results_of_a_slow_source_come_while_it_waits():
    def source():
        yield letter(1)
        came.wait(10)
        yield letter(2)

    came = threading.Event()
    mailer = Mailer({Batching("only"): 1})

    threading.Timer(0.0, lambda: _wait_for(mailer, came)).start()

    assert len(list(mailer.send_many(source()))) == 2
    assert mailer.backends["only"].batches == [1, 1]


def _wait_for(mailer, came):
    """Let the source go on when its first message has gone, without the second."""
    ends = time.monotonic() + 10
    while not mailer.backends["only"].batches and time.monotonic() < ends:
        time.sleep(0.005)
    came.set()


def test_stopping_early_begins_nothing_more_and_leaves_nothing_open():
    mailer = two(mailtrap=Batching)
    results = mailer.send_many(map(letter, range(10_000)))

    first = next(results)
    results.close()

    sent = sum(share.carried for share in mailer.split())
    assert first.ok
    assert 1 <= sent <= MOST_HELD
    assert [status.in_flight for status in mailer.status()] == [0, 0]


def test_stopping_early_leaves_nothing_open_in_a_loop():
    mailer = two(mailtrap=Batching)

    async def main():
        async with mailer, aclosing(mailer.asend_many(map(letter, range(9)))) as many:
            return (await anext(many)).ok

    assert asyncio.run(main())
    assert [status.in_flight for status in mailer.status()] == [0, 0]


def test_a_closed_mailer_says_so(many):
    mailer = two()
    mailer.close()

    with pytest.raises(MailError, match="closed"):
        many(mailer, [letter(1)])


def test_what_the_source_raises_comes_out_after_what_was_begun_has_ended(many):
    def source():
        yield letter(1)
        raise LookupError("the table is gone")

    mailer = two()

    with pytest.raises(LookupError):
        many(mailer, source())
    assert [status.in_flight for status in mailer.status()] == [0, 0]
