"""Rates, pauses and the retry budget, each by itself."""

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance.backend import Rate
from mailbalance.routing.rate_limits import (
    RETRY_COST,
    TOKENS,
    Budget,
    Pause,
    Window,
)

rates = st.builds(
    Rate, st.integers(1, 40), st.sampled_from([0.5, 1.0, 10.0, 3600.0])
)  # fmt: skip


def most_in_a_period(moments, period):
    """Count the most messages in any stretch, by looking at every one of them."""
    moments = sorted(moments)
    return max(
        sum(start <= moment < start + period * (1 - 1e-9) for moment in moments)
        for start in moments
    )


@given(
    rate=rates,
    gaps=st.lists(st.floats(0, 2, exclude_min=True), min_size=1, max_size=120),
)
@example(rate=Rate(3, 10.0), gaps=[0.01] * 8)
def test_no_stretch_of_a_period_ever_has_more_than_its_count(rate, gaps):
    window, now, went = Window(rate, 0.0), 0.0, []

    for gap in gaps:
        now += gap * rate.period / rate.count
        at = now + window.wait(1, now)
        window.book(1, at)
        went.append(at)

    assert most_in_a_period(went, rate.period) <= rate.count


@given(rate=rates, seed=st.integers(0, 99))
def test_a_steady_stream_gets_all_but_a_hundredth_of_the_rate(rate, seed):
    window, random, now, periods = Window(rate, 0.0), Random(seed), 0.0, 20
    went = 0
    while True:
        now += window.wait(1, now)
        if now >= periods * rate.period:
            break
        window.book(1, now)
        went += 1
        now += random.random() * rate.period / rate.count / 10

    assert went >= 0.98 * rate.count * periods - rate.count


@given(rate=rates, takes=st.lists(st.booleans(), max_size=60))
def test_what_is_taken_back_leaves_no_trace(rate, takes):
    window, twin = Window(rate, 0.0), Window(rate, 0.0)

    for kept in takes:
        booking = window.book(1, window.wait(1, 0.0))
        if kept:
            twin.book(1, twin.wait(1, 0.0))
        else:
            window.unbook(booking, 1)

    assert window.used(0.0) == twin.used(0.0)


@given(rate=rates, number=st.integers(1, 300), seed=st.integers(0, 99))
def test_nobody_queues_behind_places_that_were_given_back(rate, number, seed):
    window = Window(rate, 0.0)
    booked = [window.book(1, window.wait(1, 0.0)) for _ in range(number)]

    Random(seed).shuffle(booked)
    for booking in booked:
        window.unbook(booking, 1)

    assert window.wait(1, 0.0) == 0.0


class Slow:
    """A window that looks through all it was ever given."""

    def __init__(self, rate):
        self.rate = rate
        self.went = []

    def within(self, moment):
        return [(at, n) for at, n in self.went if at + self.rate.period > moment]

    def used(self, now):
        return sum(n for at, n in self.within(now) if at <= now)

    def wait(self, size, now):
        moment = max([now, *(at for at, _ in self.went)])
        while sum(n for _, n in self.within(moment)) + size > self.rate.count:
            moment = min(at for at, _ in self.within(moment)) + self.rate.period
        return moment - now


@given(
    count=st.integers(5, 12),
    messages=st.lists(
        st.tuples(st.sampled_from([1, 2, 40, 150, 200, 500]), st.integers(1, 5)),
        max_size=40,
    ),
)
def test_a_window_says_what_looking_at_everything_would_say(count, messages):
    rate, now = Rate(count, 200.0, "recipients"), 1000.0  # whose steps are a second
    window, slow = Window(rate, now), Slow(rate)

    for gap, size in messages:
        now += gap
        assert window.used(now) == slow.used(now)
        wait = window.wait(size, now)
        assert wait == slow.wait(size, now)
        window.book(size, now + wait)
        slow.went.append((now + wait, size))


@pytest.mark.parametrize(
    ("moments", "wait"),
    [
        ([0.0, 0.999], 200.0),
        ([0.0, 1.0], 199.0),
        ([0.0, 0.9, 1.8], 199.1),
        ([0.0, 1.0, 1.9, 2.8], 197.2),
    ],
    ids=["one step", "two steps", "a step begins with its first", "and so on"],
)
def test_what_goes_within_one_step_is_counted_as_its_last(moments, wait):
    window = Window(Rate(len(moments), 200.0), 0.0)
    for moment in moments:
        window.book(1, moment)

    assert window.wait(1, moments[-1]) == pytest.approx(wait)


def test_what_is_taken_back_after_its_time_gives_no_more_room():
    window = Window(Rate(1, 10.0), 0.0)
    old = window.book(1, 0.0)
    window.book(1, window.wait(1, 10.0) + 10.0)

    window.unbook(old, 1)

    assert window.wait(1, 10.0) == 10.0


def test_nobody_goes_before_one_that_waits_already():
    window = Window(Rate(8, 200.0, "recipients"), 0.0)
    first = window.book(5, 0.0)
    window.book(5, window.wait(5, 0.0))

    window.unbook(first, 5)

    assert window.wait(3, 1.0) == 199.0


@pytest.mark.parametrize(
    ("unit", "recipients", "size"),
    [
        ("messages", 50, 1),
        ("requests", 50, 1),
        ("recipients", 3, 3),
        ("recipients", 14, 14),
        ("recipients", 15, 14),
    ],
)
def test_a_message_counts_in_the_unit_of_the_rate(unit, recipients, size):
    assert Window(Rate(14, 1.0, unit), 0.0).size(recipients) == size


def test_a_message_larger_than_the_rate_goes_when_nothing_else_does():
    window = Window(Rate(14, 1.0, "recipients"), 0.0)
    size = window.size(50)
    window.book(size, 0.0)

    assert (size, window.wait(window.size(1), 0.0)) == (14, 1.0)


def test_what_the_provider_says_was_used_is_counted():
    window = Window(Rate(100, 86400.0, "recipients", used=99), 0.0)

    assert (window.wait(1, 0.0), window.used(0.0)) == (0.0, 99)
    window.book(1, 0.0)
    assert window.wait(1, 0.0) == 86400.0


def test_a_day_of_half_a_million_takes_no_more_memory_than_a_second():
    window = Window(Rate(500_000, 86400.0), 0.0)

    for moment in range(0, 3 * 86400, 30):
        window.wait(1, float(moment))
        window.book(1, float(moment))

    assert len(window._booked) <= 201


def test_a_pause_lasts_as_long_as_the_provider_asked():
    pause = Pause(Random(1))

    pause.slow_down(7.0, began=0.0, now=1.0)

    assert (pause.wait(1.0), pause.wait(8.0)) == (7.0, 0.0)


def test_a_pause_of_a_year_is_not_believed():
    pause = Pause(Random(1))

    pause.slow_down(3e7, began=0.0, now=0.0)

    assert pause.wait(0.0) == 600.0


class Highest(Random):
    """Chance that always takes the most."""

    def uniform(self, low, high):
        return high


class Lowest(Random):
    """Chance that always takes the least."""

    def uniform(self, low, high):
        return low


@pytest.mark.parametrize(("chance", "share"), [(Lowest(), 0.5), (Highest(), 1.0)])
def test_pauses_that_nobody_named_double_up_to_a_minute(chance, share):
    pause, now, lengths = Pause(chance), 0.0, []

    for _ in range(12):
        pause.slow_down(None, began=now, now=now)
        lengths.append(pause.wait(now))
        now = pause.until

    assert lengths == [share * limit for limit in (1, 2, 4, 8, 16, 32, *[60] * 6)]


def test_a_message_carried_during_a_pause_was_under_way_and_proves_nothing():
    pause = Pause(Highest())
    pause.slow_down(None, began=0.0, now=0.0)

    pause.carried(0.9)
    pause.slow_down(None, began=1.0, now=1.0)

    assert pause.wait(1.0) == 2.0


@pytest.mark.parametrize(("asked", "until"), [(3.0, 7.0), (9.0, 10.0)])
def test_a_pause_that_is_named_lengthens_another_and_never_shortens_it(asked, until):
    pause = Pause(Highest())
    pause.slow_down(7.0, began=0.0, now=0.0)

    pause.slow_down(asked, began=0.0, now=1.0)

    assert pause.until == until


def test_many_throttled_at_once_are_one_reason_to_pause():
    pause = Pause(Random(1))
    pause.slow_down(None, began=0.0, now=0.1)
    until = pause.until

    for _ in range(50):
        pause.slow_down(None, began=0.0, now=0.2)

    assert pause.until == until


def test_a_message_that_goes_through_makes_the_next_pause_short_again():
    pause, now = Pause(Random(1)), 0.0
    for _ in range(8):
        pause.slow_down(None, began=now, now=now)
        now = pause.until

    pause.carried(now)
    pause.slow_down(None, began=now, now=now)

    assert pause.wait(now) <= 1.0


def test_the_budget_allows_a_hundred_retries_and_no_more():
    budget = Budget()

    for _ in range(TOKENS // RETRY_COST):
        budget.spend()

    assert budget.retries == 0


@pytest.mark.parametrize(("given", "retries"), [(4, 0), (5, 1), (10_000, 100)])
def test_successes_fill_the_budget_up_to_its_brim(given, retries):
    budget = Budget()
    for _ in range(100):
        budget.spend()

    budget.give(given)

    assert budget.retries == retries
