"""Messages with a key: one message, one receipt, whoever sends it and how often."""

import asyncio
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.message import EmailMessage
from email.utils import make_msgid

import pytest
from tenacity import stop_after_attempt, wait_none

from mailbalance import (
    Accepted,
    Attachment,
    Envelope,
    GaveUp,
    KeyConflictError,
    Mailer,
    MailError,
    MemoryBackend,
    MemoryKeys,
    Message,
    MessageError,
    Receipt,
    Refusal,
    RejectedError,
    RetryPolicy,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.backend import Rate
from mailbalance.delivery.retry import Timing
from mailbalance.testing import capture
from tests.unit.test_fork_lock import ends_in_a_child

NOTE = {
    "from_": "me@example.com",
    "to": ["ana@example.com", "bo@example.com"],
    "subject": "Bill 17",
    "text": "Do not show this",
    "key": "bill-17",
}
LOST = UnknownOutcomeError("the reply was lost", backend="only", phase="reply")
ONCE = {"wait": wait_none(), "timeout": 5.0}


@pytest.fixture(params=["sync", "async"])
def send(request):
    """Send by either door; the behaviour must be the same."""
    if request.param == "sync":
        return lambda mailer, *args, **options: mailer.send(*args, **options)
    return lambda mailer, *args, **options: asyncio.run(mailer.asend(*args, **options))


def one(*answers, backend=None, **options):
    backend = backend or MemoryBackend("only", answers=answers)
    options.setdefault("policy", RetryPolicy(**ONCE))
    return Mailer({backend: 1}, **options)


def tries(mailer):
    return mailer.backends["only"].tries


def known(mailer, key="bill-17"):
    """Say whether a key is known, leaving it as it was."""
    claim = mailer.keys.claim(key, "x", "ask", lease=1)
    mailer.keys.release(key, "ask")
    return claim.token != "ask"


def test_a_second_send_gives_the_first_receipt_and_sends_nothing(send):
    events = []
    mailer = one(observers=[events.append])

    receipts = [send(mailer, **NOTE) for _ in range(3)]

    assert receipts[0] == receipts[1] == receipts[2]
    assert tries(mailer) == mailer.split()[0].assigned == 1
    assert [type(e) for e in events].count(Accepted) == 1


def test_both_doors_share_the_keys():
    mailer = one()

    first = mailer.send(**NOTE)

    assert asyncio.run(mailer.asend(**NOTE)) == first
    assert tries(mailer) == 1


def test_without_a_key_every_send_sends(send):
    mailer = one()

    for _ in range(2):
        send(mailer, **{**NOTE, "key": None})

    assert (tries(mailer), len(mailer.keys)) == (2, 0)


def test_a_store_may_be_shared_by_mailers(send):
    keys = MemoryKeys()
    first, second = one(keys=keys), one(keys=keys)

    assert send(first, **NOTE) == send(second, **NOTE)
    assert tries(second) == 0


# Content


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Other"},
        {"subject": "Bill 18"},
        {"to": "ana@example.com"},
        {"metadata": {"a": "1"}},
        {"attachments": [Attachment(content=b"1", filename="a")]},
        {"envelope": Envelope("bounces@example.com", ("ana@example.com",))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_content_under_one_key_is_refused_before_anything_happens(send, change):
    mailer = one()
    send(mailer, **NOTE)

    with pytest.raises(KeyConflictError, match=r"^key: ") as raised:
        send(mailer, **{**NOTE, **change})

    assert tries(mailer) == mailer.split()[0].assigned == 1
    assert isinstance(raised.value, MessageError)
    assert "show" not in str(raised.value)


def test_attachments_of_one_length_are_told_apart(send):
    mailer = one()
    files = [[Attachment(content=c, filename="a")] for c in (b"12", b"21")]
    send(mailer, **NOTE, attachments=files[0])

    with pytest.raises(KeyConflictError):
        send(mailer, **NOTE, attachments=files[1])


def test_the_order_of_mappings_and_the_stamp_make_no_difference(send):
    mailer = one()
    first = Message(**NOTE, metadata={"a": "1", "b": "2"}, message_id="<1@x.com>")
    second = Message(**NOTE, metadata={"b": "2", "a": "1"}, message_id="<2@x.com>")

    assert send(mailer, first) == send(mailer, second)


def mail(text="Hello", *, more=False):
    """Write a message anew, as an application that tries again would."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = (
        "me@example.com",
        "ana@example.com",
        "Hi",
    )
    made["Message-ID"] = make_msgid()
    if more:  # what the fields cannot say
        made["Received"] = "from somewhere"
    made.set_content(text)
    made.add_alternative(f"<p>{text}</p>", subtype="html")
    made.add_attachment(
        b"%PDF", maintype="application", subtype="pdf", filename="a.pdf"
    )
    return bytes(made)


@pytest.mark.parametrize("more", [False, True])
def test_a_mime_message_written_anew_is_the_same_content(send, more):
    mailer = one()
    first, second = (Message.from_mime(mail(more=more), key="k") for _ in range(2))
    assert first.raw != second.raw
    assert bool(first.unrepresented) is more

    send(mailer, first)
    send(mailer, second)
    with pytest.raises(KeyConflictError):
        send(mailer, Message.from_mime(mail("Hallo", more=more), key="k"))

    assert tries(mailer) == 1


# Not accepted


@pytest.mark.parametrize(
    "kind", [RejectedError, ThrottledError, TransientError, UnavailableError]
)
def test_what_was_not_accepted_may_be_sent_again(send, kind):
    mailer = one(kind("no"), policy=RetryPolicy(**ONCE, stop=stop_after_attempt(1)))
    with pytest.raises(kind):
        send(mailer, **NOTE)
    assert not known(mailer)

    again = one(keys=mailer.keys)

    assert send(again, **NOTE).outcome == "accepted"


def test_a_message_no_backend_can_carry_frees_its_key(send):
    class Picky(MemoryBackend):
        def refuses(self, message, envelope):
            return "too blue"

    mailer = one(backend=Picky("only"))

    with pytest.raises(MessageError, match="too blue"):
        send(mailer, **NOTE)

    assert not known(mailer)


def test_other_content_may_follow_what_was_not_accepted(send):
    mailer = one(RejectedError("no"))
    with pytest.raises(RejectedError):
        send(mailer, **NOTE)

    assert send(mailer, **{**NOTE, "text": "Other"}).outcome == "accepted"


# Partial


def test_a_partial_receipt_is_given_again(send):
    partial = Receipt(
        outcome="partial",
        backend="only",
        accepted=("ana@example.com",),
        refused={"bo@example.com": Refusal(550, "no")},
    )
    mailer = one(partial)

    first, second = send(mailer, **NOTE), send(mailer, **NOTE)

    assert first == second
    assert (first.outcome, tries(mailer)) == ("partial", 1)


# Unknown


def test_an_unknown_outcome_is_told_again_and_nothing_is_sent(send):
    events = []
    mailer = one(replace_error(LOST), observers=[events.append])
    with pytest.raises(UnknownOutcomeError) as first:
        send(mailer, **NOTE)

    with pytest.raises(UnknownOutcomeError) as second:
        send(mailer, **NOTE)

    facts = ("detail", "backend", "phase", "attempts", "message_id", "mailbalance_id")
    assert [getattr(first.value, f) for f in facts] == [
        getattr(second.value, f) for f in facts
    ]
    assert first.value is not second.value
    assert (tries(mailer), [type(e) for e in events].count(GaveUp)) == (1, 1)


def replace_error(error):
    return type(error)(error.detail, backend=error.backend, phase=error.phase)


def test_a_kept_error_holds_no_frame_of_who_sent(send):
    mailer = one(replace_error(LOST))
    with pytest.raises(UnknownOutcomeError):
        send(mailer, **NOTE)

    kept = mailer.keys._ended["bill-17"][0].end

    assert kept.__traceback__ is None


def test_a_key_settled_by_hand_can_be_sent_again(send):
    mailer = one(replace_error(LOST))
    with pytest.raises(UnknownOutcomeError):
        send(mailer, **NOTE)

    assert mailer.keys.forget("bill-17")

    assert send(mailer, **NOTE).outcome == "accepted"


def test_an_unknown_outcome_is_sent_again_where_the_policy_says_so(send):
    lost = one(replace_error(LOST))
    with pytest.raises(UnknownOutcomeError):
        send(lost, **NOTE)
    retrying = one(keys=lost.keys, policy=RetryPolicy(**ONCE, unknown="retry"))

    first, second = send(retrying, **NOTE), send(retrying, **NOTE)

    assert first == second
    assert first.possible_duplicate
    assert tries(retrying) == 1


def test_a_try_that_fails_leaves_the_earlier_unknown_as_it_was(send):
    lost = one(replace_error(LOST))
    with pytest.raises(UnknownOutcomeError):
        send(lost, **NOTE)
    policy = RetryPolicy(**ONCE, unknown="retry")
    rejecting = one(RejectedError("no"), keys=lost.keys, policy=policy)

    with pytest.raises(UnknownOutcomeError, match="the reply was lost") as raised:
        send(rejecting, **NOTE)

    assert isinstance(raised.value.__cause__, RejectedError)
    with pytest.raises(UnknownOutcomeError, match="the reply was lost"):
        send(lost, **NOTE)


def test_who_has_the_message_already_is_left_out_of_a_later_try(send):
    lost = replace_error(LOST)
    keys = MemoryKeys()
    deferred = Receipt(
        "partial",
        "only",
        accepted=("ana@example.com",),
        refused={"bo@example.com": Refusal(451, "later")},
    )
    with pytest.raises(UnknownOutcomeError) as raised:
        send(one(deferred, lost, keys=keys), **NOTE)
    assert raised.value.accepted == ("ana@example.com",)
    retrying = one(keys=keys, policy=RetryPolicy(**ONCE, unknown="retry"))

    receipt = send(retrying, **NOTE)

    (sent,) = retrying.backends["only"].sent
    assert sent.envelope.recipients == ("bo@example.com",)
    assert receipt.accepted == ("ana@example.com", "bo@example.com")


@pytest.mark.parametrize("blow", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_a_send_broken_off_in_an_attempt_is_unknown(blow):
    class Struck(MemoryBackend):
        def send(self, *args, **options):
            raise blow

    mailer = one(backend=Struck("only"))
    with pytest.raises(blow):
        mailer.send(**NOTE)

    with pytest.raises(UnknownOutcomeError, match=blow.__name__) as raised:
        mailer.send(**NOTE)
    assert raised.value.message_id


def test_a_send_broken_off_after_its_message_was_accepted_is_settled():
    def strike(event):
        if isinstance(event, Accepted):
            raise KeyboardInterrupt

    mailer = one(observers=[strike])
    with pytest.raises(KeyboardInterrupt):
        mailer.send(**NOTE)

    assert mailer.send(**NOTE).outcome == "accepted"
    assert tries(mailer) == 1


def test_a_mistake_found_before_sending_frees_the_key(send):
    class Careful(MemoryBackend):
        def send(self, *args, **options):
            raise MessageError("subject: is too blue")

    mailer = one(backend=Careful("only"))

    with pytest.raises(MessageError, match="too blue"):
        send(mailer, **NOTE)

    assert not known(mailer)


def test_a_claim_whose_sender_vanished_is_unknown_in_the_end(send):
    now = [0.0]
    mailer = one(
        keys=MemoryKeys(clock=lambda: now[0]), timing=Timing(clock=lambda: now[0])
    )
    message = Message(**NOTE)
    mailer.send(message)  # to learn its fingerprint
    fingerprint = mailer.keys.claim("bill-17", "x", "y", lease=1).fingerprint
    mailer.keys.forget("bill-17")
    mailer.keys.claim("bill-17", fingerprint, "vanished", lease=65)

    now[0] = 66.0
    with pytest.raises(UnknownOutcomeError, match="never told its end"):
        send(mailer, message)


# The store fails


class Down(MemoryKeys):
    def claim(self, *args, **options):
        raise ConnectionError("no store")


class Forgetful(MemoryKeys):
    def settle(self, *args):
        raise ConnectionError("no store")


def test_a_store_that_is_down_keeps_the_message_back(send):
    mailer = one(keys=Down())

    with pytest.raises(ConnectionError):
        send(mailer, **NOTE)

    assert tries(mailer) == 0


def test_a_receipt_counts_more_than_a_store_that_fails_to_keep_it(send, caplog):
    mailer = one(keys=Forgetful())

    assert send(mailer, **NOTE).outcome == "accepted"

    assert "a key store failed" in caplog.text
    assert known(mailer)


# Many at once


class Slow(MemoryBackend):
    """Takes its time, so that others come meanwhile."""

    def send(self, *args, **options):
        time.sleep(0.03)
        return super().send(*args, **options)

    async def asend(self, *args, **options):
        await asyncio.sleep(0.03)
        return super().send(*args, **options)


def together(mailer, threads=8, tasks=8):
    """Send one message from threads and tasks at once; give all ends."""

    async def all_tasks():
        sends = [mailer.asend(**NOTE) for _ in range(tasks)]
        return await asyncio.gather(*sends, return_exceptions=True)

    def caught(_):
        try:
            return mailer.send(**NOTE)
        except MailError as error:
            return error

    with ThreadPoolExecutor(threads + 1) as pool:
        looped = pool.submit(asyncio.run, all_tasks())
        return [*pool.map(caught, range(threads)), *looped.result()]


def test_threads_and_tasks_at_once_send_one_message_and_get_one_receipt():
    mailer = one(backend=Slow("only"))

    ends = together(mailer)

    assert len(ends) == 16
    assert all(end == ends[0] for end in ends)
    assert isinstance(ends[0], Receipt)
    assert tries(mailer) == 1


def test_who_waited_for_a_send_that_failed_sends_it_instead():
    backend = Slow("only", answers=[RejectedError("no"), RejectedError("no"), None])
    mailer = one(backend=backend)

    ends = together(mailer)

    assert sum(isinstance(end, RejectedError) for end in ends) == 2
    assert sum(isinstance(end, Receipt) for end in ends) == 14
    assert tries(mailer) == 3


def test_without_keys_the_same_crowd_sends_sixteen():
    """The control: what the tests above would see if keys did nothing."""

    class Blind(MemoryKeys):
        def claim(self, key, fingerprint, token, **options):
            return super().claim(token, fingerprint, token, **options)

    mailer = one(backend=Slow("only"), keys=Blind())
    together(mailer)

    assert tries(mailer) == 16


def test_the_local_sandbox_gets_one_message_from_many():
    from mailbalance.sandbox import Sandbox

    with Sandbox() as box:
        environ = box.environ("mailtrap=50,ses=50")
        with Mailer.from_env(environ) as mailer:
            ends = together(mailer, threads=4, tasks=0)
            again = asyncio.run(mailer.asend(**NOTE))
        assert [again] * 4 == ends
        assert len(box.messages()) == 1


def test_a_wait_for_another_send_ends_with_the_policys_time(send):
    """Virtual time: every wait moves the clock."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    async def asleep(seconds):
        now[0] += seconds

    timing = Timing(clock=lambda: now[0], sleep=sleep, asleep=asleep)
    entered, leave = threading.Event(), threading.Event()

    class Stuck(MemoryBackend):
        def send(self, *args, **options):
            entered.set()
            leave.wait(30)
            return super().send(*args, **options)

    mailer = one(backend=Stuck("only"), timing=timing)
    leader = threading.Thread(target=lambda: mailer.send(**NOTE))
    leader.start()
    try:
        assert entered.wait(5)
        with pytest.raises(UnknownOutcomeError, match="still under way") as raised:
            send(mailer, **NOTE)
        with pytest.raises(KeyConflictError):  # another content does not even wait
            send(mailer, **{**NOTE, "text": "Other"})
    finally:
        leave.set()
        leader.join()

    assert (raised.value.phase, raised.value.attempts) == ("key", ())
    assert now[0] == pytest.approx(5.0)
    assert known(mailer)


# Cancellation


class Held(MemoryBackend):
    """Holds every async attempt until it is let go; may ignore being cancelled."""

    def __init__(self, *, committed=False, fault=None):
        super().__init__("only")
        self.committed, self.fault = committed, fault
        self.entered, self.let_go = asyncio.Event(), asyncio.Event()

    async def asend(self, *args, **options):
        self.entered.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                if not self.committed:
                    raise
        if self.fault:
            raise self.fault
        return super().send(*args, **options)


async def cancelled(mailer):
    """Begin to send, and cancel amid the attempt."""
    task = asyncio.ensure_future(mailer.asend(**NOTE))
    await mailer.backends["only"].entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_send_cancelled_before_it_was_handed_over_frees_its_key():
    async def main():
        backend = Held()
        mailer = one(backend=backend)
        await cancelled(mailer)
        backend.let_go.set()
        return await mailer.asend(**NOTE), backend.tries

    receipt, made = asyncio.run(main())

    assert (receipt.outcome, made) == ("accepted", 1)


def test_a_send_cancelled_later_settles_its_key_by_itself():
    async def main():
        backend = Held(committed=True)
        mailer = one(backend=backend)
        await cancelled(mailer)
        waiting = asyncio.ensure_future(mailer.asend(**NOTE))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        backend.let_go.set()
        return await waiting, backend.tries

    receipt, made = asyncio.run(main())

    assert (receipt.outcome, made) == ("accepted", 1)


def test_closing_waits_until_such_a_key_is_settled():
    async def main():
        backend = Held(committed=True)
        mailer = one(backend=backend)
        await cancelled(mailer)
        asyncio.get_running_loop().call_later(0.02, backend.let_go.set)
        await mailer.aclose()
        return mailer

    assert repr(asyncio.run(main()).keys) == "<MemoryKeys 1 kept, 0 under way>"


def test_a_loop_that_ends_amid_an_attempt_leaves_the_key_settled():
    async def main():
        backend = Held(committed=True)
        mailer = one(backend=backend)
        await cancelled(mailer)
        asyncio.get_running_loop().call_later(0.02, backend.let_go.set)
        return mailer

    mailer = asyncio.run(main())

    assert mailer.send(**NOTE).outcome == "accepted"
    assert tries(mailer) == 1


@pytest.mark.parametrize("key", ["bill-17", None])
def test_a_loop_that_ends_amid_an_attempt_logs_no_error_that_was_told(key, caplog):
    told = []

    async def main():
        lost = UnknownOutcomeError("lost", phase="reply")
        mailer = one(backend=Held(committed=True, fault=lost), observers=[told.append])
        sending = asyncio.ensure_future(mailer.asend(**{**NOTE, "key": key}))
        await mailer.backends["only"].entered.wait()
        asyncio.get_running_loop().call_later(0.02, mailer.backends["only"].let_go.set)
        return sending  # still under way

    asyncio.run(main())

    assert [event.error.phase for event in told if isinstance(event, GaveUp)] == [
        "reply"
    ]
    logged = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert not [each for each in logged if each.name == "asyncio"]


def test_a_fault_of_a_backend_after_its_caller_has_gone_is_unknown():
    async def main():
        backend = Held(committed=True, fault=ZeroDivisionError())
        mailer = one(backend=backend)
        await cancelled(mailer)
        backend.let_go.set()
        await mailer.aclose()
        return mailer.keys

    claim = asyncio.run(main()).claim("bill-17", "x", "ask", lease=1)

    assert isinstance(claim.end, UnknownOutcomeError)


def test_one_who_waits_may_be_cancelled_without_a_trace():
    async def main():
        backend = Held()
        mailer = one(backend=backend)
        leader = asyncio.ensure_future(mailer.asend(**NOTE))
        await backend.entered.wait()
        waiting = asyncio.ensure_future(mailer.asend(**NOTE))
        await asyncio.sleep(0.01)
        waiting.cancel()
        backend.let_go.set()
        receipt = await leader
        await asyncio.sleep(0.01)
        return waiting.cancelled(), receipt.outcome, backend.tries, repr(mailer.keys)

    end = asyncio.run(main())

    assert end == (True, "accepted", 1, "<MemoryKeys 1 kept, 0 under way>")


def test_a_send_cancelled_while_the_store_is_asked_leaves_no_claim():
    class Far(MemoryKeys):
        async def aclaim(self, *args, **options):
            await asyncio.sleep(0.01)
            claim = self.claim(*args, **options)
            await asyncio.sleep(0.01)
            return claim

    async def main():
        mailer = one(keys=Far())
        for delay in (0, 0.005, 0.015):
            task = asyncio.ensure_future(mailer.asend(**NOTE))
            await asyncio.sleep(delay)
            task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(0.05)
        return len(mailer.keys), tries(mailer)

    assert asyncio.run(main()) == (0, 0)


@pytest.mark.parametrize("key", [None, "k"])
def test_a_send_cancelled_while_it_waits_for_room_was_not_accepted(key):
    events = []

    async def main():
        backend = MemoryBackend("only")
        backend.limits = replace(backend.limits, rates=(Rate(1, 3),))
        mailer = one(backend=backend, observers=[events.append])
        await mailer.asend(**{**NOTE, "key": None})
        task = asyncio.ensure_future(mailer.asend(**{**NOTE, "key": key}))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        await mailer.aclose()
        return task.cancelled(), len(mailer.keys)

    assert asyncio.run(main()) == (True, 0)
    assert [e.error.outcome for e in events if isinstance(e, GaveUp)] == [
        "not_accepted"
    ]


# The rest


def test_a_closed_mailer_says_so_even_for_a_message_it_has_sent(send):
    mailer = one()
    send(mailer, **NOTE)
    mailer.close()

    with pytest.raises(MailError, match="closed"):
        send(mailer, **NOTE)


def test_a_captured_mailer_has_keys_of_its_own():
    mailer = one()
    for _ in range(2):
        with capture(mailer) as mailbox:
            mailer.send(**NOTE)
            assert len(mailbox) == 1

    mailer.send(**NOTE)

    assert tries(mailer) == 1


def test_captured_tasks_wait_for_each_other():
    async def main(mailer):
        return await asyncio.gather(*(mailer.asend(**NOTE) for _ in range(5)))

    mailer = one()
    with capture(mailer) as mailbox:
        receipts = asyncio.run(main(mailer))

        assert len(mailbox) == 1
    assert all(receipt == receipts[0] for receipt in receipts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_sends_nothing_that_its_parent_has_sent_or_is_sending():
    entered, leave = threading.Event(), threading.Event()

    class Stuck(MemoryBackend):
        def send(self, message, *args, **options):
            if message.key == "stuck":
                entered.set()
                leave.wait(30)
            return super().send(message, *args, **options)

    mailer = one(backend=Stuck("only"))
    sent = mailer.send(**NOTE)
    leader = threading.Thread(target=lambda: mailer.send(**{**NOTE, "key": "stuck"}))
    leader.start()
    assert entered.wait(5)

    def act():
        assert mailer.send(**NOTE) == sent
        with pytest.raises(UnknownOutcomeError, match="never told"):
            mailer.send(**{**NOTE, "key": "stuck"})
        assert mailer.send(**{**NOTE, "key": "new"}).outcome == "accepted"

    try:
        assert ends_in_a_child(act)
    finally:
        leave.set()
        leader.join()
