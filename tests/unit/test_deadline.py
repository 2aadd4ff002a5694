"""The shares of an attempt's time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import RetryPolicy
from mailbalance.wire.net.deadline import Deadline

TIMEOUTS = st.floats(0.01, 1000)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def begun(timeout, **options):
    clock = Clock()
    return Deadline(timeout, clock=clock, **options), clock


@pytest.mark.parametrize(
    ("timeout", "opening", "before_commit"),
    [(6, 2, 3), (9, 3, 4.5), (30, 10, 15), (300, 10, 217.5)],
)
def test_opening_has_most_of_what_comes_before_the_commit_point(
    timeout, opening, before_commit
):
    deadline, _ = begun(timeout)

    assert deadline.opening() == pytest.approx(opening)
    assert deadline.before_commit() == pytest.approx(before_commit)
    assert deadline.left() == pytest.approx(timeout)


@given(TIMEOUTS)
def test_an_opening_in_vain_leaves_enough_for_another_attempt(timeout):
    deadline, clock = begun(timeout)

    clock.now += deadline.opening()

    assert deadline.left() > RetryPolicy(timeout=timeout).reserve


@given(st.floats(6, 1000), st.floats(0, 1))
def test_a_silence_leaves_enough_for_another_attempt_whatever_went_before(
    timeout, late
):
    deadline, clock = begun(timeout)
    clock.now += late * (deadline.before_commit() - 2)

    clock.now += deadline.wait()

    assert deadline.left() > RetryPolicy(timeout=timeout).reserve


@given(TIMEOUTS)
def test_slowness_without_silence_leaves_enough_for_another_attempt(timeout):
    deadline, clock = begun(timeout)

    clock.now += deadline.before_commit()

    assert deadline.before_commit() == pytest.approx(0, abs=1e-9)
    assert deadline.left() > RetryPolicy(timeout=timeout).reserve


@given(TIMEOUTS)
def test_what_commits_nothing_keeps_nothing_back(timeout):
    deadline, _ = begun(timeout, commits=False)

    assert deadline.before_commit() == deadline.left()
    assert deadline.opening() == pytest.approx(min(10, timeout / 2))


@given(TIMEOUTS, st.floats(0, 1), st.floats(0, 2))
def test_no_share_is_ever_negative_or_longer_than_the_whole(timeout, late, later):
    deadline, clock = begun(timeout)
    clock.now += late * timeout
    deadline.open_again()
    clock.now += later * timeout

    left = deadline.left()
    for share in (deadline.opening(), deadline.before_commit(), deadline.wait()):
        assert 0 <= share <= left + 1e-6


def test_opening_again_has_half_of_what_is_left():
    deadline, clock = begun(9)

    clock.now += 3
    deadline.open_again()

    assert deadline.opening() == pytest.approx(0.75)
