"""The breaker: what opens it, what closes it, and what never counts."""

from random import Random

import pytest

from mailbalance.backend import Receipt
from mailbalance.errors import (
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.routing.health import CALM, MENDING, PROVEN, QUOTA, ROW, Breaker

CARRIED = Receipt("accepted", "ses")
REFUSED = TransientError("refused", phase="connect", code="ECONNREFUSED")
BUSY = TransientError("busy", phase="reply", code="503")
LOST = UnknownOutcomeError("no reply", phase="body", code="timeout")


class Middle(Random):
    """Chance that always takes the middle, so that rests are round figures."""

    def uniform(self, low, high):
        return (low + high) / 2


class Watched:
    """A breaker with a clock."""

    def __init__(self, scope="backend"):
        self.now = 1000.0
        self.breaker = Breaker(Middle(), self.now, name="ses", scope=scope)

    def tell(self, *answers, probe=False, after=0.1):
        change = None
        for answer in answers:
            began, self.now = self.now, self.now + after
            change = self.breaker.end(answer, began=began, now=self.now, probe=probe)
        return change

    def probe(self, answer):
        """Make the one probe, and end it."""
        self.breaker.begin(self.now)
        return self.tell(answer, probe=True)

    def wait(self, seconds):
        self.now += seconds

    @property
    def fit(self):
        return self.breaker.fit(self.now)


def test_five_calls_in_a_row_without_an_answer_open_it():
    watched = Watched()

    before = watched.tell(*[REFUSED] * (ROW - 1))
    change = watched.tell(REFUSED)

    assert (before, change.state, change.rest) == (None, "cooling", 5.0)
    assert (change.reason, change.code) == (
        "5 calls in a row without an answer",
        "ECONNREFUSED",
    )


def test_a_host_that_takes_mail_and_falls_silent_counts_as_dead():
    assert Watched().tell(*[LOST] * ROW).state == "cooling"


@pytest.mark.parametrize(
    "between",
    [
        CARRIED,
        BUSY,
        RejectedError("no"),
        ThrottledError("slow"),
        UnknownOutcomeError("?", code="500"),
    ],
    ids=["carried", "busy", "rejected", "throttled", "unclear reply"],
)
def test_any_answer_in_between_breaks_the_row(between):
    watched = Watched()

    watched.tell(*[REFUSED] * (ROW - 1), between, *[REFUSED] * (ROW - 1))

    assert watched.breaker.state == "healthy"


def test_half_of_twenty_calls_open_it():
    watched = Watched()

    before = watched.tell(*[BUSY, CARRIED] * 9, BUSY)
    change = watched.tell(CARRIED)

    assert (before, change.state) == (None, "cooling")
    assert change.reason == "10 of the last 20 calls failed"


def test_a_long_good_history_does_not_hide_that_all_has_failed_since():
    watched = Watched()
    watched.tell(*[CARRIED] * 1000)

    watched.tell(*[BUSY] * 19)
    assert watched.tell(BUSY).state == "cooling"


def test_failures_of_over_a_minute_ago_count_no_more():
    watched = Watched()

    watched.tell(*[BUSY] * 30, after=4.0)

    assert watched.breaker.state == "healthy"


@pytest.mark.parametrize(
    "answer",
    [
        RejectedError("no such user", code="550"),
        ThrottledError("slow down", code="429"),
        TransientError("cancelled by its caller", phase="cancelled"),
        ThrottledError("all connections in use", phase="pool"),
        TransientError("not enough time left", phase="mail", code="deadline"),
        UnavailableError("not verified", scope="sender"),
        UnavailableError("daily quota", scope="account"),
    ],
    ids=lambda answer: answer.detail,
)
def test_what_is_not_the_backends_fault_never_counts(answer):
    watched = Watched()

    watched.tell(*[answer] * 100)

    assert watched.breaker.state == "healthy"


def test_two_hundred_thousand_calls_with_one_failure_in_five_never_open_it():
    watched, random = Watched(), Random(4)

    for _ in range(200_000):
        watched.tell(BUSY if random.random() < 0.2 else CARRIED, after=0.01)
        assert watched.breaker.state == "healthy"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"phase": "auth"}, "it refuses our credentials"),
        ({"code": "403"}, "it refuses our credentials"),
        ({"code": "certificate"}, "its certificate or TLS cannot be trusted"),
        ({"phase": "starttls"}, "its certificate or TLS cannot be trusted"),
        ({"phase": "reply", "code": "404"}, "it cannot be used as it is configured"),
    ],
)
def test_an_error_that_says_so_opens_it_at_once_for_its_own_time(facts, reason):
    change = Watched().tell(UnavailableError("no", **facts))

    assert (change.state, change.rest) == ("cooling", MENDING)
    assert change.reason.startswith(reason)


@pytest.mark.parametrize(
    ("retry_after", "rest"), [(None, QUOTA), (30.0, 30.0), (86400.0, 3600.0)]
)
def test_a_used_up_quota_rests_as_long_as_the_provider_says(retry_after, rest):
    error = UnavailableError("quota", scope="account", retry_after=retry_after)

    change = Watched("account").tell(error)

    assert (change.state, change.rest) == ("cooling", rest)


@pytest.mark.parametrize("scope", ["account", "sender"])
def test_only_errors_of_its_scope_open_an_account_or_a_sender(scope):
    watched = Watched(scope)

    watched.tell(*[REFUSED, BUSY, LOST, UnavailableError("bad key")] * 50)
    before = watched.breaker.state
    watched.tell(UnavailableError("stopped", scope=scope))

    assert (before, watched.breaker.state) == ("healthy", "cooling")


def test_nothing_is_let_in_until_the_rest_is_over():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)

    found = []
    for _ in range(6):
        found.append(watched.fit)
        watched.wait(1.0)

    assert found == ["no"] * 5 + ["probe"]


def test_only_one_probe_is_out_at_a_time():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)

    watched.breaker.begin(watched.now)

    assert watched.fit == "no"


def test_a_probe_that_was_not_made_gives_its_place_back():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)
    watched.breaker.begin(watched.now)

    watched.breaker.undo()

    assert watched.fit == "probe"


def test_three_messages_carried_one_at_a_time_make_it_healthy():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)

    told = [watched.probe(CARRIED) for _ in range(PROVEN)]

    assert [change and change.state for change in told] == [None, None, "healthy"]
    assert (watched.fit, watched.breaker.reason) == ("yes", "")


def test_a_refused_message_proves_that_the_host_is_alive():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)

    for _ in range(PROVEN):
        watched.probe(RejectedError("no such user"))

    assert watched.breaker.state == "healthy"


def test_each_rest_in_a_row_is_twice_the_last_up_to_five_minutes():
    watched = Watched()
    rests = [watched.tell(*[REFUSED] * ROW).rest]
    for _ in range(8):
        watched.wait(rests[-1])
        rests.append(watched.probe(REFUSED).rest)

    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_after_ten_good_minutes_the_rests_begin_at_the_first_again():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)
    for _ in range(PROVEN):
        watched.probe(CARRIED)

    watched.wait(CALM + 1)

    assert watched.tell(*[REFUSED] * ROW).rest == 5.0


def test_rests_are_spread_by_a_fifth():
    def rest(seed):
        breaker = Breaker(Random(seed), 0.0, name="ses")
        return [
            breaker.end(REFUSED, began=0.0, now=0.0) for _ in range(ROW)
        ][-1].rest  # fmt: skip

    rests = [rest(seed) for seed in range(200)]

    assert 4.0 <= min(rests) < 4.2 < 5.8 < max(rests) <= 6.0


def test_a_try_that_began_before_the_rest_says_nothing_about_it():
    watched = Watched()
    began = watched.now
    watched.tell(UnavailableError("bad key", phase="auth"))
    watched.wait(MENDING)

    for _ in range(PROVEN):
        watched.breaker.end(CARRIED, began=began, now=watched.now)

    assert watched.breaker.state == "cooling"


def test_a_message_carried_for_want_of_any_other_backend_counts_as_proof():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)

    states = []
    for _ in range(PROVEN):
        watched.tell(CARRIED)
        states.append(watched.breaker.state)

    assert states == ["probing", "probing", "healthy"]


def test_failures_while_it_rests_do_not_lengthen_the_rest():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    until = watched.breaker.until

    watched.tell(*[REFUSED] * 20, after=0.01)

    assert watched.breaker.until == until


def test_no_text_of_the_provider_is_in_the_reason():
    error = UnavailableError("ana@example.com is not allowed", code="404", phase="x")

    assert "ana@" not in Watched().tell(error).reason
