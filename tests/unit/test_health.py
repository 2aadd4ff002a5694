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
from mailbalance.routing.circuit_breaker import (
    CALM,
    MENDING,
    PROVEN,
    QUOTA,
    ROW,
    Breaker,
)
from tests.unit.gates import permit_of

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
        ThrottledError("too many connections", phase="auth", code="535"),
        TransientError("cancelled by its caller", phase="cancelled"),
        ThrottledError("all connections in use", phase="pool"),
        TransientError("not enough time left", phase="mail", code="deadline"),
        UnavailableError("not verified", scope="sender"),
        UnavailableError("daily quota", scope="account"),
        UnavailableError("monthly quota", scope="account", phase="auth"),
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


def test_a_probe_whose_holder_is_over_holds_its_place_no_more():
    watched, holder = Watched(), permit_of()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)
    watched.breaker.begin(watched.now, holder)
    held = watched.fit

    holder.over = True

    assert (held, watched.fit) == ("no", "probe")


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


@pytest.mark.parametrize(
    "phase",
    ["connect", "proxy", "tls", "greeting", "ehlo", "starttls", "auth", "credentials"],
)
def test_every_failure_on_the_way_to_a_host_is_one_of_the_row(phase):
    failed = TransientError("no", phase=phase, code="421")

    assert Watched().tell(*[failed] * ROW).state == "cooling"


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "body", "reply", ""])
def test_a_host_that_answers_later_is_no_dead_one(phase):
    assert Watched().tell(*[TransientError("no", phase=phase)] * ROW) is None


@pytest.mark.parametrize("code", ["", "timeout", "closed", "ECONNRESET", "EPIPE"])
def test_every_form_of_silence_after_a_message_is_one_of_the_row(code):
    lost = UnknownOutcomeError("no reply", phase="reply", code=code)

    assert Watched().tell(*[lost] * ROW).state == "cooling"


@pytest.mark.parametrize("phase", ["tls", "starttls", "auth", "credentials"])
def test_the_phase_of_an_error_tells_its_reason(phase):
    change = Watched().tell(UnavailableError("no", phase=phase))

    assert ("TLS" in change.reason) == ("tls" in phase)
    assert ("credentials" in change.reason) == ("tls" not in phase)


def test_a_refused_key_is_told_by_either_status():
    reasons = {
        Watched().tell(UnavailableError("no", phase="reply", code=code)).reason
        for code in ("401", "403")
    }

    assert reasons == {"it refuses our credentials"}


@pytest.mark.parametrize(
    ("scope", "reason", "rest"),
    [
        ("account", "the account's quota is used up, or it is paused", QUOTA),
        ("sender", "this sender is not allowed there", MENDING),
    ],
)
def test_an_account_and_a_sender_rest_for_reasons_of_their_own(scope, reason, rest):
    change = Watched(scope).tell(UnavailableError("no", scope=scope, code="9"))

    assert (change.scope, change.name) == (scope, "ses")
    assert (change.reason, change.code, change.rest) == (reason, "9", rest)


@pytest.mark.parametrize(
    ("facts", "where"), [({"phase": "reply"}, " in reply"), ({}, "")]
)
def test_a_reason_tells_the_kind_of_error_and_where_it_was(facts, where):
    change = Watched().tell(UnavailableError("no", **facts))

    assert change.reason.endswith(f"configured (UnavailableError{where})")


def test_a_probe_that_fails_tells_why_it_rests_again():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)

    change = watched.probe(BUSY)

    assert change.reason == "it failed again: TransientError in reply"
    assert (change.state, change.code, watched.breaker.code) == (
        "cooling",
        *["503"] * 2,
    )


def test_a_share_of_failures_is_told_without_a_code_when_the_last_was_none():
    watched = Watched()

    change = watched.tell(*[BUSY, CARRIED] * 10)

    assert (change.state, change.code) == ("cooling", "")


def test_the_share_is_taken_of_the_last_fifty_calls():
    watched = Watched()

    watched.tell(*[BUSY, *[CARRIED] * 4] * 20)

    assert watched.breaker.failures == (10, 50)


@pytest.mark.parametrize(("seconds", "state"), [(60, "cooling"), (60.5, "healthy")])
def test_a_call_counts_for_a_minute(seconds, state):
    watched = Watched()
    watched.tell(*[BUSY] * 19, after=0)

    watched.tell(BUSY, after=seconds)

    assert watched.breaker.state == state


def test_good_calls_are_no_longer_counted_when_no_failure_is_among_them():
    watched = Watched()
    watched.tell(BUSY, *[CARRIED] * 49)
    before = watched.breaker.failures, watched.breaker.is_quiet

    watched.tell(CARRIED)

    assert before == ((1, 50), False)
    assert (watched.breaker.failures, watched.breaker.is_quiet) == ((0, 0), True)


def test_good_calls_are_not_counted_before_the_first_that_fails():
    watched = Watched()
    watched.tell(*[CARRIED] * 10)

    watched.tell(BUSY, CARRIED, RejectedError("no"))

    assert watched.breaker.failures == (1, 2)


def test_a_failure_under_half_of_the_calls_does_not_open_it():
    watched = Watched()

    watched.tell(*[BUSY, CARRIED, CARRIED] * 20)

    assert watched.breaker.state == "healthy"


def test_what_is_due_is_told_while_it_rests_and_only_then():
    watched = Watched()
    due = [watched.breaker.due(watched.now)]
    watched.tell(*[REFUSED] * ROW)
    for _ in range(3):
        due.append(watched.breaker.due(watched.now))
        watched.wait(3.0)
    watched.breaker.begin(watched.now)

    assert due == [0, 5, 2, 0]
    assert watched.breaker.due(0.0) == 0


def test_the_first_probe_is_a_change_and_the_next_is_none():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)

    first = watched.breaker.begin(watched.now)
    watched.tell(CARRIED, probe=True)

    assert (first.state, first.rest) == ("probing", 0)
    assert watched.breaker.begin(watched.now) is None


def test_another_message_that_ends_does_not_give_the_probes_place_away():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)
    watched.breaker.begin(watched.now)

    watched.breaker.end(CARRIED, began=watched.now, now=watched.now)

    assert watched.fit == "no"


def test_a_probe_that_ends_without_a_word_gives_its_place_back():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)

    change = watched.probe(TransientError("cancelled", phase="cancelled"))

    assert (change, watched.fit) == (None, "probe")


def test_a_try_that_began_at_the_moment_of_the_change_counts():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)

    for _ in range(PROVEN):
        watched.tell(CARRIED, after=0)

    assert watched.breaker.state == "healthy"


def test_a_second_reason_in_a_rest_changes_nothing_and_after_it_begins_another():
    watched = Watched()
    watched.tell(UnavailableError("bad key", phase="auth"))
    until = watched.breaker.until

    second = watched.tell(UnavailableError("no TLS", phase="tls"))
    before = watched.breaker.until
    watched.wait(until - watched.now)
    third = watched.tell(UnavailableError("no TLS", phase="tls"), after=0)

    assert (second, before) == (None, until)
    assert (third.state, watched.breaker.until) == ("cooling", until + MENDING)


def test_a_failed_probe_after_one_that_went_well_needs_three_anew():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)
    watched.probe(CARRIED)
    watched.probe(CARRIED)
    watched.wait(watched.probe(REFUSED).rest)

    changes = [watched.probe(CARRIED) for _ in range(PROVEN)]

    assert [change and change.state for change in changes] == [None, None, "healthy"]


@pytest.mark.parametrize(("seconds", "rest"), [(600, 10), (600.5, 5)])
def test_ten_minutes_to_the_second_are_not_yet_calm(seconds, rest):
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    watched.wait(5.0)
    for _ in range(PROVEN):
        watched.probe(CARRIED)
    watched.now = watched.breaker.since + seconds

    assert watched.tell(*[REFUSED] * ROW, after=0).rest == rest


def test_a_long_rest_is_no_time_of_good_health():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)

    watched.wait(10 * CALM)

    assert watched.probe(REFUSED).rest == 10.0


def test_it_is_healthy_and_without_a_failure_from_the_start():
    breaker = Watched().breaker

    assert (breaker.state, breaker.reason, breaker.code) == ("healthy", "", "")
    assert (breaker.since, breaker.until, breaker.failures) == (1000, 1000, (0, 0))


def test_a_success_is_no_news_to_a_breaker_that_counts_nothing():
    watched = Watched()
    before = watched.breaker.is_quiet

    watched.tell(BUSY)

    assert (before, watched.breaker.is_quiet) == (True, False)


def test_a_success_in_a_rest_is_news():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)

    assert not watched.breaker.is_quiet


@pytest.mark.parametrize(
    ("scope", "answer"),
    [
        ("backend", TransientError("left", phase="cancelled")),
        ("backend", ThrottledError("all connections in use", phase="pool")),
        ("backend", TransientError("no time left", phase="mail", code="deadline")),
        ("account", RejectedError("no such user")),
        ("account", BUSY),
        ("sender", UnavailableError("bad key")),
    ],
    ids=lambda value: getattr(value, "detail", value),
)
def test_what_says_nothing_of_it_is_no_proof_that_it_is_well(scope, answer):
    watched = Watched(scope)
    watched.tell(UnavailableError("no", scope=scope))
    watched.wait(3600.0)

    told = [watched.probe(answer) for _ in range(PROVEN)]

    assert told == [None] * PROVEN
    assert watched.breaker.state == "probing"


def test_what_was_counted_before_a_rest_is_forgotten_after_it():
    watched = Watched()
    watched.tell(*[REFUSED] * ROW)
    rests = watched.breaker.failures
    watched.wait(5.0)
    for _ in range(PROVEN):
        watched.probe(CARRIED)

    assert (rests, watched.breaker.failures) == ((0, 0), (0, 0))


@pytest.mark.parametrize(
    ("scope", "asked", "rest"),
    [
        ("backend", None, 300),
        ("backend", 5.0, 300),
        ("sender", None, 300),
        ("account", None, 600),
        ("account", 3599.0, 3599),
        ("account", 3601.0, 3600),
    ],
)
def test_what_somebody_must_mend_rests_as_long_as_the_page_says(scope, asked, rest):
    error = UnavailableError("no", scope=scope, retry_after=asked)

    assert Watched(scope).tell(error).rest == rest
