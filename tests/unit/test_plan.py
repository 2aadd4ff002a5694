"""The order and the numbers of tries, by hand-driven plans."""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

import pytest
from tenacity import stop_after_attempt, stop_after_delay, wait_fixed

from mailbalance.backend import Limits, Rate, Receipt, Refusal
from mailbalance.delivery.plan import Alone, CallerGone, plan
from mailbalance.delivery.retry import RetryPolicy, wait_retry_after
from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.routing import Dispatcher, Entry, Route
from mailbalance.routing.admission import Permit

ANA, BEN, CAT = "ana@example.com", "ben@example.com", "cat@example.com"


LIMITS = Limits(10**6, 50, source="none", checked=date(2026, 11, 23))


@dataclass(frozen=True)
class Door:
    name: str
    account: str
    limits: Limits = LIMITS


SES, MAILTRAP = Door("ses", "aws"), Door("mailtrap", "mt")
SES_SMTP = Door("ses-smtp", "aws")


def dispatcher_of(*doors):
    return Dispatcher([Entry(door, Fraction(1)) for door in doors])


class Hand:
    """Drives a plan by hand, on a clock of its own."""

    def __init__(
        self,
        *doors,
        recipients=(ANA,),
        record=None,
        dispatcher=None,
        together=(),
        able=None,
        **policy,
    ):
        policy.setdefault("wait", wait_retry_after(wait_fixed(2)))
        self.now = 0.0
        self.permit = Permit()
        self.dispatcher = dispatcher or dispatcher_of(*doors)
        for door in doors:  # known from earlier messages, as in a program that sends
            self.dispatcher.gate(door, self.now)
        self.steps = plan(
            self.permit,
            Route(doors, doors[0].name),
            recipients,
            RetryPolicy(**policy),
            clock=lambda: self.now,
            **({} if able is None else {"can_carry": lambda door, _: door in able}),
            record=record,
            dispatcher=self.dispatcher,
            together=together,
        )
        self.step = next(self.steps)

    def answer(self, answer, took=0.0):
        self.now += self.step.delay + took
        self.step = self.steps.send(answer)
        return self.step

    def accept(self, *recipients):
        return self.answer(
            Receipt("accepted", self.step.backend.name, accepted=recipients)
        )

    @property
    def next(self):
        return self.step.backend.name, self.step.delay

    @property
    def in_flight(self):
        """How many attempts hold a place at any backend."""
        return sum(gate.in_flight for gate in self.dispatcher.state.gates.values())


def test_the_first_try_goes_to_the_assigned_backend_at_once():
    hand = Hand(SES, MAILTRAP)

    assert hand.next == ("ses", 0.0)
    assert hand.step.timeout == 30.0


def test_an_accepted_message_gives_a_receipt_with_its_attempt():
    receipt = Hand(SES, MAILTRAP).accept(ANA)

    assert (receipt.outcome, receipt.backend, receipt.assigned) == (
        "accepted",
        "ses",
        "ses",
    )
    assert [a.outcome for a in receipt.attempts] == ["accepted"]


def test_the_first_retry_goes_to_the_next_backend_at_once():
    hand = Hand(SES, MAILTRAP)

    hand.answer(TransientError("refused"))

    assert hand.next == ("mailtrap", 0.0)


def test_a_backend_tried_already_comes_again_only_after_its_own_wait():
    hand = Hand(SES, MAILTRAP)
    hand.answer(TransientError("refused"))

    hand.answer(TransientError("refused"), took=0.5)

    assert hand.next == ("ses", 1.5)


def test_a_retry_after_is_honoured():
    hand = Hand(MAILTRAP)

    hand.answer(ThrottledError("slow", retry_after=7))

    assert hand.next == ("mailtrap", 7.0)


def test_a_retry_after_past_the_deadline_gives_up_at_once():
    hand = Hand(MAILTRAP)

    with pytest.raises(ThrottledError):
        hand.answer(ThrottledError("slow", retry_after=25))


def test_a_rejected_message_is_never_sent_twice():
    hand = Hand(SES, MAILTRAP)

    with pytest.raises(RejectedError) as caught:
        hand.answer(RejectedError("550 no such user", backend="ses", code="550"))

    assert len(caught.value.attempts) == 1


def test_an_unknown_outcome_is_raised_and_not_tried_again():
    hand = Hand(SES, MAILTRAP)

    with pytest.raises(UnknownOutcomeError):
        hand.answer(UnknownOutcomeError("no reply to the dot"))


def test_an_unknown_outcome_is_tried_again_when_told_and_marked():
    hand = Hand(SES, MAILTRAP, unknown="retry")
    hand.answer(UnknownOutcomeError("no reply to the dot"))

    receipt = hand.accept(ANA)

    assert (receipt.backend, receipt.possible_duplicate) == ("mailtrap", True)


def test_an_unknown_outcome_outweighs_a_later_failure():
    hand = Hand(SES, MAILTRAP, unknown="retry")
    hand.answer(UnknownOutcomeError("no reply to the dot"))

    with pytest.raises(UnknownOutcomeError):
        hand.answer(RejectedError("550 no"))


def test_a_bad_key_moves_on_and_is_not_asked_again():
    hand = Hand(SES, MAILTRAP)
    hand.answer(UnavailableError("bad key"))

    hand.answer(TransientError("refused"))

    assert hand.next == ("mailtrap", 2.0)


def test_a_spent_quota_takes_every_backend_of_the_account_out():
    hand = Hand(SES, SES_SMTP, MAILTRAP)

    hand.answer(UnavailableError("daily quota", scope="account"))

    assert hand.next == ("mailtrap", 0.0)


def test_the_fifth_failure_is_the_last():
    hand = Hand(SES, MAILTRAP, wait=wait_fixed(0.1))
    for _ in range(4):
        hand.answer(TransientError("refused"))

    with pytest.raises(TransientError) as caught:
        hand.answer(TransientError("refused"))

    assert len(caught.value.attempts) == 5
    assert "5 attempts" in caught.value.__notes__[0]


def test_no_try_is_started_in_the_last_third_of_a_short_timeout():
    hand = Hand(SES, MAILTRAP, timeout=9.0)

    with pytest.raises(TransientError):
        hand.answer(TransientError("slow"), took=6.5)


def test_stop_after_delay_counts_from_the_start_of_the_send():
    hand = Hand(SES, MAILTRAP, stop=stop_after_delay(5))
    hand.answer(TransientError("slow"), took=3)

    with pytest.raises(TransientError):
        hand.answer(TransientError("slow"), took=3)


def test_only_the_deferred_recipients_go_to_the_next_backend():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN))
    partial = Receipt(
        "partial", "ses", accepted=(ANA,), refused={BEN: Refusal(450, "later")}
    )

    hand.answer(partial)

    assert (hand.step.backend.name, hand.step.recipients) == ("mailtrap", (BEN,))


def test_recipients_accepted_by_two_backends_end_in_one_accepted_receipt():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN))
    refused = {BEN: Refusal(450, "later")}
    hand.answer(Receipt("partial", "ses", ("1",), accepted=(ANA,), refused=refused))

    receipt = hand.answer(Receipt("accepted", "mailtrap", ("2",), accepted=(BEN,)))

    assert (receipt.outcome, receipt.accepted, dict(receipt.refused)) == (
        "accepted", (ANA, BEN), {},
    )  # fmt: skip
    assert receipt.provider_ids == ("1", "2")


def test_a_recipient_refused_for_good_makes_the_receipt_partial():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN))
    refused = {BEN: Refusal(550, "5.1.1 no such user")}

    receipt = hand.answer(Receipt("partial", "ses", accepted=(ANA,), refused=refused))

    assert receipt.outcome == "partial"
    assert str(receipt.refused[BEN]) == "550 5.1.1 no such user"


def test_an_unknown_after_a_partial_acceptance_names_the_accepted():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN))
    refused = {BEN: Refusal(450, "later")}
    hand.answer(Receipt("partial", "ses", accepted=(ANA,), refused=refused))

    with pytest.raises(UnknownOutcomeError) as caught:
        hand.answer(UnknownOutcomeError("no reply"))

    assert caught.value.accepted == (ANA,)


def deferring(*later, accepted=(ANA,)):
    """Accept some, and ask to come again for the others."""
    refused = dict.fromkeys(later, Refusal(450, "later"))
    return Receipt("partial", "ses", accepted=accepted, refused=refused)


def test_a_backend_that_cannot_send_to_some_only_is_passed_over():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN), able={SES})

    hand.answer(deferring(BEN))

    assert hand.next == ("ses", 2.0)


def test_a_backend_that_cannot_send_to_some_only_may_still_send_to_all():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN), able={SES})

    hand.answer(TransientError("refused"))

    assert hand.next == ("mailtrap", 0.0)


def test_a_deferred_recipient_that_nobody_can_send_to_alone_is_refused():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN), able=set())

    receipt = hand.answer(deferring(BEN))

    assert (receipt.outcome, receipt.refused[BEN].code) == ("partial", 450)


@pytest.mark.parametrize(("asked", "waits"), [(None, 2), (1, 2), (9, 9), (10**9, 600)])
def test_the_wait_is_the_longer_of_the_two_and_capped(asked, waits):
    hand = Hand(SES, timeout=10**6)

    hand.answer(ThrottledError("slow", retry_after=asked))

    assert hand.step.delay == waits


def test_the_default_wait_is_full_jitter_up_to_twenty_seconds():
    policy = RetryPolicy(timeout=10**6)
    delays = []
    for _ in range(50):
        hand = Hand(SES, wait=policy.wait, timeout=10**6)
        delays.append(hand.answer(TransientError("x")).delay)

    assert 0 <= min(delays) < max(delays) <= 0.5


def test_a_stop_strategy_of_tenacity_is_obeyed():
    hand = Hand(SES, MAILTRAP, stop=stop_after_attempt(2))
    hand.answer(TransientError("once"))

    with pytest.raises(TransientError) as caught:
        hand.answer(TransientError("twice"))

    assert len(caught.value.attempts) == 2


def test_an_error_names_nobody_as_both_accepted_and_refused():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN, CAT))
    both = {BEN: Refusal(451, "later"), CAT: Refusal(451, "later")}
    hand.answer(Receipt("partial", "ses", accepted=(ANA,), refused=both))
    one = {CAT: Refusal(451, "later")}
    hand.answer(Receipt("partial", "mailtrap", accepted=(BEN,), refused=one))

    with pytest.raises(UnknownOutcomeError) as caught:
        hand.answer(UnknownOutcomeError("no reply"))

    assert caught.value.accepted == (ANA, BEN)
    assert caught.value.refused == {}


def test_a_later_refusal_takes_the_place_of_an_earlier_deferral():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN))
    deferred = {BEN: Refusal(451, "later")}
    hand.answer(Receipt("partial", "ses", accepted=(ANA,), refused=deferred))

    receipt = hand.answer(RejectedError("the address is invalid", code="422"))

    assert str(receipt.refused[BEN]) == "the address is invalid"
    assert not receipt.refused[BEN].temporary


def test_a_plan_without_a_caller_makes_no_further_try():
    hand = Hand(SES, MAILTRAP)

    with pytest.raises(TransientError) as caught:
        hand.answer(CallerGone(TransientError("refused")))

    assert len(caught.value.attempts) == 1


def test_a_plan_whose_caller_left_between_two_tries_ends_with_what_is_known():
    hand = Hand(SES, MAILTRAP)
    hand.answer(TransientError("refused"))

    with pytest.raises(TransientError) as caught:
        hand.answer(CallerGone())

    assert len(caught.value.attempts) == 1
    assert hand.in_flight == 0


def test_a_plan_that_is_dropped_holds_no_place_once_its_permit_is_over():
    hand = Hand(SES, MAILTRAP)
    before = hand.in_flight

    hand.steps.close()
    hand.permit.over = True

    assert (before, hand.in_flight) == (1, 0)


def test_each_attempt_is_written_down_as_soon_as_it_is_judged():
    record = []
    hand = Hand(SES, MAILTRAP, record=record)

    hand.answer(TransientError("refused"), took=0.5)

    assert [(each.backend, each.duration) for each in record] == [("ses", 0.5)]


@pytest.mark.parametrize(
    ("together", "found"), [({"ses"}, True), ({"mailtrap"}, False), ((), False)]
)
def test_only_the_first_try_may_go_with_others_and_only_by_the_backends_named(
    together, found
):
    hand = Hand(SES, MAILTRAP, together=together)
    first = hand.step.together

    hand.answer(TransientError("refused"))

    assert (first, hand.step.together) == (found, False)


def test_a_message_that_goes_alone_after_all_is_gathered_no_longer():
    hand = Hand(SES, together={"ses"})
    gathered = hand.permit.kind, hand.in_flight

    hand.steps.send(Alone())

    assert (gathered, (hand.permit.kind, hand.in_flight)) == (
        ("together", 0),
        ("single", 1),
    )


def test_a_message_with_room_nowhere_in_time_is_refused_before_any_try():
    slow = Door("slow", "none", replace(LIMITS, rates=(Rate(1, 60.0),)))
    dispatcher = dispatcher_of(slow)
    first = Hand(slow, dispatcher=dispatcher)

    with pytest.raises(ThrottledError, match="no backend has room") as caught:
        Hand(slow, dispatcher=dispatcher)

    assert caught.value.attempts == ()
    assert first.next == ("slow", 0.0)


def test_what_is_given_back_amid_a_choice_waits_for_nobody():
    slow = Door("slow", "none", replace(LIMITS, rates=(Rate(1, 60.0),)))
    dispatcher = dispatcher_of(slow)
    dropped = Hand(slow, dispatcher=dispatcher)

    with dispatcher.state.lock:  # as a signal handler may, in a thread that is choosing
        dispatcher.give_back(dropped.permit)
        dropped.steps.close()

    assert Hand(slow, dispatcher=dispatcher).next == ("slow", 0.0)


def begun(hand, door=SES):
    """Let an attempt begin straight by the first door, and enter a plan with it."""
    hand.steps.close()
    hand.dispatcher.give_back(hand.permit)
    hand.permit = permit = Permit()
    permit.route = Route((SES, MAILTRAP), door.name)
    permit.began, permit.gate = hand.now, hand.dispatcher.gate(door, hand.now)
    permit.gate.live.add(permit)
    hand.now += 4.0
    hand.steps = plan(
        permit,
        permit.route,
        (ANA,),
        RetryPolicy(wait=wait_retry_after(wait_fixed(2))),
        clock=lambda: hand.now,
        dispatcher=hand.dispatcher,
    )
    hand.step = next(hand.steps)
    return hand


def test_a_plan_entered_with_an_attempt_that_was_begun_goes_on_with_it():
    hand = begun(Hand(SES, MAILTRAP))

    assert (hand.next, hand.step.timeout, hand.in_flight) == (("ses", 0.0), 30.0, 1)


def test_the_time_of_an_attempt_that_was_begun_counts_from_when_it_began():
    hand = begun(Hand(SES, MAILTRAP))

    hand.answer(TransientError("refused"))
    step = hand.next, hand.step.timeout
    receipt = hand.accept(ANA)

    assert step == (("mailtrap", 0.0), 26.0)
    assert [each.duration for each in receipt.attempts] == [4.0, 0.0]
    assert hand.in_flight == 0


def test_a_backend_not_tried_yet_goes_before_one_whose_wait_is_over():
    hand = Hand(SES, MAILTRAP, SES_SMTP)
    hand.answer(TransientError("refused"))

    hand.answer(TransientError("slow"), took=3.0)

    assert hand.next == ("ses-smtp", 0.0)


def test_of_backends_that_were_tried_the_one_whose_wait_ended_first_goes_first():
    hand = Hand(SES, MAILTRAP, wait=Told([4.0, 1.0]))
    hand.answer(TransientError("refused"))
    hand.answer(TransientError("refused"))

    assert hand.next == ("mailtrap", 1.0)


def test_a_spent_quota_leaves_the_accounts_other_backend_untried():
    hand = Hand(SES, SES_SMTP)

    with pytest.raises(UnavailableError) as caught:
        hand.answer(UnavailableError("daily quota", scope="account"))

    assert len(caught.value.attempts) == 1


def test_a_message_whose_every_recipient_is_refused_for_good_is_tried_no_more():
    hand = Hand(SES, MAILTRAP)
    refused = {ANA: Refusal(550, "no such user")}

    with pytest.raises(TransientError) as caught:
        hand.answer(TransientError("refused", refused=refused))

    assert caught.value.refused == refused


def test_an_error_names_those_refused_for_good_and_none_that_were_deferred():
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN, CAT))
    final, later = Refusal(550, "no such user"), Refusal(450, "later")
    refused = {BEN: final, CAT: later}
    hand.answer(Receipt("partial", "ses", accepted=(ANA,), refused=refused))

    with pytest.raises(UnknownOutcomeError) as caught:
        hand.answer(UnknownOutcomeError("no reply"))

    assert caught.value.refused == {BEN: final}


def test_each_attempt_has_its_own_duration():
    record = []
    hand = Hand(SES, record=record)
    hand.answer(TransientError("refused"), took=0.5)

    hand.answer(TransientError("refused"), took=0.25)

    assert [each.duration for each in record] == [0.5, 0.25]


def test_an_error_after_one_try_has_no_note_of_tries():
    with pytest.raises(RejectedError) as caught:
        Hand(SES).answer(RejectedError("no"))

    assert not hasattr(caught.value, "__notes__")


def test_an_error_after_several_tries_sums_them_up():
    hand = Hand(SES, MAILTRAP)
    hand.answer(TransientError("busy", phase="reply", code="503"))

    with pytest.raises(RejectedError) as caught:
        hand.answer(RejectedError("no"))

    assert caught.value.__notes__ == [
        "2 attempts: ses not_accepted in reply (503); mailtrap not_accepted"
    ]


class Told:
    """A strategy of tenacity that gives what it was made with, and notes who asked."""

    def __init__(self, answers):
        self.answers = iter(answers)
        self.asked = []

    def __call__(self, state):
        came = state.outcome
        came = ("failed", came.exception()) if came.failed else ("gave", came.result())
        self.asked.append((state.attempt_number, state.seconds_since_start, *came))
        return next(self.answers)


def test_a_wait_is_asked_with_the_tries_of_its_backend_and_a_stop_with_all():
    wait, stop = Told([0.0] * 3), Told([False] * 3)
    hand = Hand(SES, MAILTRAP, recipients=(ANA, BEN), wait=wait, stop=stop)
    refused, partial = TransientError("refused"), deferring(BEN)

    hand.answer(refused, took=1.0)
    hand.answer(partial, took=1.0)
    hand.answer(refused, took=1.0)

    first, third = (1, 1.0, "failed", refused), (3.0, "failed", refused)
    assert wait.asked == [first, (1, 2.0, "gave", partial), (2, *third)]
    assert stop.asked == [first, (2, 2.0, "gave", None), (3, *third)]


@pytest.mark.parametrize(
    "answer",
    [UnavailableError("bad key"), Receipt("accepted", "ses", accepted=(ANA,))],
    ids=["out of use", "accepted"],
)
def test_no_wait_is_asked_for_where_nothing_comes_after_it(answer):
    wait = Told([0.0])

    Hand(SES, MAILTRAP, wait=wait).answer(answer)

    assert wait.asked == []


def test_a_try_that_was_not_made_together_after_all_is_made_alone():
    hand = Hand(SES, MAILTRAP, together=("ses",))
    assert hand.step.together

    hand.now += 7
    hand.step = hand.steps.send(Alone())

    assert (hand.step.backend, hand.step.together) == (SES, False)
    assert hand.in_flight == 1
    assert hand.step.timeout == RetryPolicy().timeout - 7


def test_what_goes_alone_is_no_second_attempt():
    hand = Hand(SES, together=("ses",))
    hand.step = hand.steps.send(Alone())

    receipt = hand.accept(ANA)

    assert len(receipt.attempts) == 1
    assert hand.in_flight == 0


def test_what_has_no_time_left_to_go_alone_is_refused():
    hand = Hand(SES, together=("ses",))
    hand.now += RetryPolicy().timeout

    with pytest.raises(DeliveryError):
        hand.steps.send(Alone())

    assert hand.in_flight == 0
