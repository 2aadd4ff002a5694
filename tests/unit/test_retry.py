"""The numbers of a retry policy, asked as the plan asks for them."""

from math import inf, nan

import pytest
from tenacity import Future, RetryCallState, Retrying, wait_fixed

from mailbalance import ConfigError, RetryPolicy, ThrottledError, TransientError
from mailbalance.delivery.retry import wait_retry_after


def state(error=None, *, number=1):
    """What tenacity knows after so many tries, of which the last failed like this."""
    found = RetryCallState(Retrying(), None, (), {})
    found.attempt_number = number
    if error is not None:
        found.outcome = Future(number)
        found.outcome.set_exception(error)
    return found


@pytest.mark.parametrize("kind", [ThrottledError, TransientError])
@pytest.mark.parametrize(("asked", "waits"), [(None, 2), (1, 2), (9, 9), (1e9, 600)])
def test_the_wait_is_the_longer_of_ours_and_the_providers(kind, asked, waits):
    wait = wait_retry_after(wait_fixed(2))

    assert wait(state(kind("busy", retry_after=asked))) == waits


def test_without_an_answer_the_wait_is_our_own():
    assert wait_retry_after(wait_fixed(2))(state()) == 2


@pytest.mark.parametrize(("number", "longest"), [(1, 0.5), (2, 1), (4, 4), (30, 20)])
def test_the_default_wait_is_drawn_from_a_range_that_doubles_up_to_twenty_seconds(
    number, longest
):
    wait, now = RetryPolicy().wait, state(TransientError("refused"), number=number)

    drawn = [wait(now) for _ in range(1000)]

    assert min(drawn) < 0.05 * longest
    assert 0.96 * longest < max(drawn) <= longest


@pytest.mark.parametrize(
    ("timeout", "reserve"), [(0.03, 0.01), (9, 3), (30, 10), (3600, 10)]
)
def test_a_third_of_the_timeout_is_kept_back_but_never_over_ten_seconds(
    timeout, reserve
):
    assert RetryPolicy(timeout=timeout).reserve == pytest.approx(reserve)


@pytest.mark.parametrize("timeout", [0, -1, inf, nan])
def test_a_timeout_that_is_no_time_is_refused(timeout):
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(timeout=timeout)

    assert caught.value.problems == (
        "policy: timeout must be a number of seconds above 0",
    )


def test_every_mistake_in_a_policy_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(timeout=0, unknown="again")

    assert caught.value.problems[1] == "policy: unknown must be 'raise' or 'retry'"
