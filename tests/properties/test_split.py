"""The split is exact: any weights, any prefix, from any start."""

from collections import Counter
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbalance.routing.split import by_messages, by_recipients

weights = st.fractions(
    min_value=Fraction(1, 1000), max_value=1000, max_denominator=1000
)
seeds = st.integers(0, 2**32)


def furthest(shares, picks):
    """Give the largest distance of any prefix from the exact share."""
    counts, worst = [0] * len(shares), Fraction()
    for number, pick in enumerate(picks, start=1):
        counts[pick] += 1
        worst = max(
            worst, *(abs(c - s * number) for c, s in zip(counts, shares, strict=True))
        )
    return worst


def shares_of(given_weights):
    total = sum(given_weights)
    return [weight / total for weight in given_weights]


@given(first=weights, second=weights, seed=seeds)
def test_two_backends_stay_within_one_message_in_every_prefix(first, second, seed):
    split = by_messages([first, second], Random(seed))

    picks = [split.pick() for _ in range(300)]

    assert furthest(shares_of([first, second]), picks) <= 1


@settings(max_examples=40)
@given(given_weights=st.lists(weights, min_size=3, max_size=7), seed=seeds)
def test_more_backends_stay_within_two_messages_in_every_prefix(given_weights, seed):
    split = by_messages(given_weights, Random(seed))

    picks = [split.pick() for _ in range(300)]

    assert furthest(shares_of(given_weights), picks) < 2


class First(Random):
    """Chance that always takes the first, so that a split starts at its origin."""

    def randrange(self, *_):
        return 0


@settings(max_examples=30)
@given(given_weights=st.lists(weights, min_size=3, max_size=7))
def test_from_the_origin_more_backends_stay_within_one_message(given_weights):
    split = by_messages(given_weights, First())

    picks = [split.pick() for _ in range(300)]

    assert furthest(shares_of(given_weights), picks) < 1


@pytest.mark.parametrize(
    ("given_weights", "cycle"),
    [([1, 1, 1], "abc"), ([2, 1, 1], "abac"), ([5, 3, 2], "abacababac")],
)
def test_the_cycle_of_more_backends_is_spread_out_and_repeats(given_weights, cycle):
    split = by_messages([Fraction(weight) for weight in given_weights], First())

    picks = "".join("abc"[split.pick()] for _ in range(3 * len(cycle)))

    assert picks == 3 * cycle


def test_sixty_to_forty_holds_for_messages_of_any_size():
    split, random, sent = by_recipients([60, 40], Random(1)), Random(2), [0, 0]

    for _ in range(1000):
        size = random.randint(1, 30)
        sent[split.pick(size)] += size

    assert abs(sent[0] - 0.6 * sum(sent)) <= 30


def test_a_message_of_no_size_given_counts_one():
    one, other = (by_recipients([60, 40], Random(1)) for _ in range(2))

    assert [one.pick() for _ in range(9)] == [other.pick(1) for _ in range(9)]
    assert [one.pick(7) for _ in range(9)] == [other.pick(7) for _ in range(9)]


@given(
    given_weights=st.lists(weights, min_size=2, max_size=5),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=200),
    seed=seeds,
)
def test_counted_in_recipients_the_bound_is_the_largest_message(
    given_weights, sizes, seed
):
    split = by_recipients(given_weights, Random(seed))
    shares, sent = shares_of(given_weights), [0] * len(given_weights)

    for size in sizes:
        sent[split.pick(size)] += size

    bound = max(sizes) * (1 if len(shares) == 2 else len(shares) - 1)
    for got, share in zip(sent, shares, strict=True):
        assert abs(got - share * sum(sizes)) <= bound


def test_counted_in_recipients_messages_of_one_size_are_split_as_if_counted_singly():
    for seed in range(50):
        split = by_recipients([Fraction(60), Fraction(40)], Random(seed))
        off = [Fraction()]
        for _ in range(300):
            off.append(off[-1] + Fraction(3, 5) - (split.pick(7) == 0))

        assert max(off) - min(off) < 1


class Chosen(Random):
    """Chance whose whole numbers are chosen; notes out of how many each was."""

    def __init__(self, numbers=()):
        super().__init__(0)
        self.numbers, self.among = list(numbers), []

    def randrange(self, among):
        self.among.append(among)
        return self.numbers.pop(0) if self.numbers else 0


def every_start(given_weights):
    """Give a split by recipients from each of its starts, all of them equally likely."""
    exact, chance = [Fraction(weight) for weight in given_weights], Chosen()
    by_recipients(exact, chance)
    for numbers in product(*map(range, chance.among)):
        yield by_recipients(exact, Chosen(numbers))


@settings(max_examples=60, deadline=None)
@given(
    given_weights=st.sampled_from(
        [
            *([60, 40], [40, 60], [90, 10], [50, 50], [61, 39]),
            *([50, 30, 20], [20, 30, 50], [1, 1, 1], [10, 1, 9], [3, 3, 2, 2]),
        ]
    ),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=12),
)
def test_counted_in_recipients_every_pick_has_exactly_its_chance(given_weights, sizes):
    picks = zip(
        *([split.pick(size) for size in sizes] for split in every_start(given_weights)),
        strict=True,
    )

    for picked in picks:
        counts = Counter(picked)
        for index, weight in enumerate(given_weights):
            assert counts[index] * sum(given_weights) == weight * len(picked)


@pytest.mark.parametrize(
    ("given_weights", "sizes"),
    [
        ([60, 40], [1, 1]),
        ([40, 60], [5, 5]),
        ([90, 10], [1, 1, 1]),
        ([50, 30, 20], [1, 1, 1, 1]),
        ([60, 40], [1, 100, 3, 50]),
        ([50, 30, 20], [1, 7, 100, 2, 30]),
        (["33.3", "66.7"], [1, 9, 4]),
        (["99.9", "0.1"], [3, 3, 3]),
    ],
)
def test_processes_of_few_messages_of_any_size_split_too(given_weights, sizes):
    exact, processes = [Fraction(weight) for weight in given_weights], 4000
    counts = [Counter() for _ in sizes]

    for seed in range(processes):
        split = by_recipients(exact, Random(seed))
        for counted, size in zip(counts, sizes, strict=True):
            counted[split.pick(size)] += 1

    for counted in counts:
        for index, share in enumerate(shares_of(exact)):
            # Four standard deviations of as many coins, and one process in a hundred:
            # the chances of weights with many digits are that exact.
            spread = 4 * float(processes * share * (1 - share)) ** 0.5
            assert abs(counted[index] - share * processes) <= spread + processes / 100


@settings(deadline=None)
@given(
    given_weights=st.lists(weights, min_size=2, max_size=2),
    sizes=st.lists(st.sampled_from([1, 2, 7, 49, 50]), min_size=1, max_size=200),
    seed=seeds,
)
def test_two_backends_stay_within_the_largest_message_so_far_in_every_prefix(
    given_weights, sizes, seed
):
    split, share = (
        by_recipients(given_weights, Random(seed)),
        shares_of(given_weights)[0],
    )
    off, largest = Fraction(), 0

    for size in sizes:
        largest = max(largest, size)
        off += share * size - (size if split.pick(size) == 0 else 0)
        assert abs(off) <= largest


@pytest.mark.parametrize("unit", [by_messages, by_recipients])
@pytest.mark.parametrize("given_weights", [[60, 40], [50, 30, 20], [1, 1, 1, 97]])
def test_processes_that_send_one_message_split_too(given_weights, unit):
    exact = [Fraction(weight) for weight in given_weights]

    firsts = [unit(exact, Random(seed)).pick() for seed in range(4000)]

    for index, weight in enumerate(given_weights):
        assert abs(firsts.count(index) / 4000 - weight / 100) < 0.035


@pytest.mark.parametrize(
    ("one", "same"),
    [([60, 40], [3, 2]), ([0.6, 0.4], [3, 2]), ([1, 1, 2], [25, 25, 50])],
)
def test_only_the_ratio_of_weights_matters(one, same):
    def picks(given_weights):
        exact = [Fraction(str(weight)) for weight in given_weights]
        split = by_messages(exact, Random(7))
        return [split.pick() for _ in range(100)]

    assert picks(one) == picks(same)


def test_a_thousand_messages_at_sixty_to_forty_are_six_hundred_give_or_take_one():
    for seed in range(50):
        split = by_messages([Fraction(60), Fraction(40)], Random(seed))

        assert sum(split.pick() == 0 for _ in range(1000)) in (599, 600, 601)


class Last(Random):
    """Chance that always takes the last, and tells out of how many."""

    def randrange(self, among):
        self.among = among
        return among - 1


def test_the_rarest_of_two_backends_may_be_the_first():
    assert by_messages([Fraction(1), Fraction(10**6)], Last()).pick() == 0


@pytest.mark.parametrize(
    ("given_weights", "slots"), [([5, 3, 2], 10), ([1, 10**6, 10**6], 10_000)]
)
def test_a_cycle_starts_anywhere_in_it_or_in_its_first_ten_thousand_slots(
    given_weights, slots
):
    chance = Last()

    by_messages([Fraction(weight) for weight in given_weights], chance)

    assert chance.among == slots


def test_weights_with_many_digits_start_at_once():
    awkward = [
        Fraction("33.333333333"),
        Fraction("33.333333333"),
        Fraction("33.333333334"),
    ]

    split = by_messages(awkward, Random(1))

    assert sorted([split.pick(), split.pick(), split.pick()]) == [0, 1, 2]
