"""The Mailer over memory backends: taking messages in, both drivers, what is told."""

import asyncio
import logging
import pickle
import threading
from email.message import EmailMessage

import pytest
from tenacity import wait_none

import mailbalance
from mailbalance import (
    Accepted,
    Attempted,
    AttemptStarted,
    ConfigError,
    GaveUp,
    Mailer,
    MailError,
    MemoryBackend,
    Message,
    MessageError,
    MessageStarted,
    Receipt,
    Refusal,
    RejectedError,
    RetryPolicy,
    TransientError,
    UnknownOutcomeError,
    mime,
)
from mailbalance.delivery.retry import Timing

NOTE = {
    "from_": "me@example.com",
    "to": "ana@example.com",
    "subject": "Hi",
    "text": "Hey",
}


@pytest.fixture(params=["sync", "async"])
def send(request):
    """Send by either door; the behaviour must be the same."""
    if request.param == "sync":
        return lambda mailer, *args, **options: mailer.send(*args, **options)
    return lambda mailer, *args, **options: asyncio.run(mailer.asend(*args, **options))


def two(**options):
    backends = {MemoryBackend("ses"): 60, MemoryBackend("mailtrap"): 40}
    return Mailer(backends, **options)


def one(*answers, **options):
    options.setdefault("policy", RetryPolicy(wait=wait_none()))
    return Mailer({MemoryBackend("only", answers=answers): 1}, **options)


def test_a_message_may_be_given_as_keywords(send):
    receipt = send(two(), **NOTE)

    assert (receipt.outcome, receipt.accepted) == ("accepted", ("ana@example.com",))


def test_a_message_may_be_given_as_a_message(send):
    message = Message(**NOTE)

    receipt = send(two(), message)

    assert receipt.message_id == message.stamp().message_id


@pytest.mark.parametrize("form", [lambda m: m, bytes], ids=["object", "bytes"])
def test_a_message_of_the_standard_library_is_taken_too(send, form):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = (
        "me@example.com",
        "ana@example.com",
        "Hi",
    )
    mail.set_content("Hey")
    mailer = one()

    send(mailer, form(mail))

    sent = mailer.backends["only"].sent[0]
    assert (sent.message.subject, sent.envelope.recipients) == (
        "Hi",
        ("ana@example.com",),
    )


def test_a_message_and_its_fields_together_are_refused(send):
    with pytest.raises(MessageError, match="subject: give a Message or its fields"):
        send(two(), Message(**NOTE), subject="other")


def test_an_unknown_field_is_refused(send):
    with pytest.raises(MessageError, match="subjct"):
        send(two(), **{**NOTE, "subjct": "x"})


def test_one_message_sent_twice_keeps_its_message_id(send):
    mailer, message = (
        two(from_="me@example.com"),
        Message(to="ana@example.com", text="x"),
    )

    first, second = send(mailer, message), send(mailer, message)

    assert first.message_id == second.message_id


def test_a_message_takes_the_defaults_of_the_mailer_that_sends_it(send):
    first, second = one(from_="one@example.com"), one(from_="two@example.com")
    message = Message(to="ana@example.com", text="x")

    send(first, message)
    send(second, message)

    assert second.backends["only"].sent[0].message.from_.email == "two@example.com"


def test_defaults_fill_what_a_message_lacks(send):
    mailer = one(from_="Me <me@example.com>", reply_to="help@example.com")

    send(mailer, to="ana@example.com", text="x")
    send(mailer, to="ana@example.com", text="x", from_="own@example.com")

    first, second = (sent.message for sent in mailer.backends["only"].sent)
    assert (first.from_.name, first.reply_to[0].email) == ("Me", "help@example.com")
    assert second.from_.email == "own@example.com"


def test_a_message_without_a_sender_is_refused_by_name(send):
    with pytest.raises(MessageError, match="MAILBALANCE_FROM"):
        send(two(), to="ana@example.com", text="x")


def test_a_bad_default_sender_is_a_mistake_of_configuration():
    with pytest.raises(ConfigError, match="from_"):
        two(from_="nobody")


def test_failover_moves_a_message_that_was_not_accepted(send):
    down = MemoryBackend("down", answers=[TransientError("refused")] * 9)
    mailer = Mailer({down: 1, MemoryBackend("up"): "backup"})

    receipt = send(mailer, **NOTE)

    assert (receipt.backend, receipt.assigned) == ("up", "down")
    assert [a.outcome for a in receipt.attempts] == ["not_accepted", "accepted"]


def test_what_was_assigned_and_what_was_carried_are_told_apart(send):
    down = MemoryBackend("down", answers=[TransientError("refused")] * 9)
    mailer = Mailer({down: 1, MemoryBackend("up"): "backup"})

    send(mailer, **NOTE)

    counts = {s.backend: (s.assigned, s.carried) for s in mailer.split()}
    assert counts == {"down": (1, 0), "up": (0, 1)}


def test_a_refused_recipient_is_not_tried_elsewhere(send):
    first = MemoryBackend("first", answers=[RejectedError("550 no such user")])
    other = MemoryBackend("other")

    with pytest.raises(RejectedError):
        send(Mailer({first: 1, other: "backup"}), **NOTE)

    assert other.tries == 0


def test_an_unknown_outcome_is_never_sent_a_second_time(send):
    first = MemoryBackend("first", answers=[UnknownOutcomeError("reply lost")])
    other = MemoryBackend("other")

    with pytest.raises(UnknownOutcomeError):
        send(Mailer({first: 1, other: "backup"}), **NOTE)

    assert (first.tries, other.tries) == (1, 0)


def test_an_unknown_outcome_is_sent_again_when_the_policy_says_so(send):
    mailer = one(
        UnknownOutcomeError("reply lost"),
        policy=RetryPolicy(wait=wait_none(), unknown="retry"),
    )

    receipt = send(mailer, **NOTE)

    assert receipt.possible_duplicate


def test_the_waits_are_those_of_the_plan():
    waited = []

    async def asleep(seconds):
        waited.append(seconds)

    mailer = one(
        TransientError("x", retry_after=3),
        policy=RetryPolicy(),
        timing=Timing(sleep=waited.append, asleep=asleep),
    )

    mailer.send(**NOTE)
    mailer.backends["only"].answer(TransientError("x", retry_after=4))
    asyncio.run(mailer.asend(**NOTE))

    assert waited == [3, 4]


def test_observers_hear_of_every_attempt_and_of_the_end(send):
    heard = []
    mailer = one(TransientError("x"), observers=[heard.append])

    send(mailer, **NOTE, key="k1")

    tries = [AttemptStarted, Attempted] * 2
    assert [type(event) for event in heard] == [MessageStarted, *tries, Accepted]
    assert {event.key for event in heard} == {"k1"}


def test_observers_hear_of_a_try_before_the_backend_gets_the_message(send):
    backend, tries = MemoryBackend("only", answers=[TransientError("x")]), []

    def note(event):
        if isinstance(event, AttemptStarted):
            tries.append((backend.tries, event.backend, event.message_id))

    with Mailer(
        {backend: 1}, observers=[note], policy=RetryPolicy(wait=wait_none())
    ) as mailer:
        receipt = send(mailer, **NOTE)

    assert tries == [(n, "only", receipt.message_id) for n in (0, 1)]


def test_observers_hear_of_a_message_nobody_accepted(send):
    heard = []
    mailer = one(RejectedError("no"), observers=[heard.append])

    with pytest.raises(RejectedError):
        send(mailer, **NOTE)

    assert [type(event) for event in heard] == [
        MessageStarted,
        AttemptStarted,
        Attempted,
        GaveUp,
    ]


def test_an_observer_that_fails_loses_no_message(send, caplog):
    def broken(event):
        raise RuntimeError("metrics are down")

    receipt = send(one(observers=[broken]), **NOTE)

    assert receipt.outcome == "accepted"
    assert "an observer failed" in caplog.text


def test_the_log_has_ids_but_no_addresses(send, caplog):
    caplog.set_level(logging.DEBUG, logger="mailbalance")

    send(one(TransientError("x")), **NOTE, bcc="secret@example.com")

    assert "not_accepted by only" in caplog.text
    assert "ana@example.com" not in caplog.text
    assert "secret@example.com" not in caplog.text


def test_an_envelope_may_differ_from_the_headers(send):
    mailer = one()
    envelope = mailbalance.Envelope("bounce@example.com", ("list@example.com",))

    receipt = send(mailer, **NOTE, envelope=envelope)

    assert receipt.accepted == ("list@example.com",)


def test_a_closed_mailer_says_so(send):
    mailer = two()
    with mailer:
        pass

    with pytest.raises(MailError, match="was closed"):
        send(mailer, **NOTE)


def test_an_async_mailer_closes_too():
    async def use():
        async with two() as mailer:
            await mailer.asend(**NOTE)
        return mailer

    with pytest.raises(MailError, match="was closed"):
        asyncio.run(use()).send(**NOTE)


class Held(MemoryBackend):
    """Sends only when it is let go."""

    def __init__(self):
        super().__init__("held")
        self.started, self.go = threading.Event(), threading.Event()

    def send(self, message, envelope, *, timeout):
        self.started.set()
        self.go.wait(timeout)
        return super().send(message, envelope, timeout=timeout)

    def close(self):
        self.sent_when_closed = len(self.sent)


def test_closing_waits_for_the_sends_of_other_threads():
    held = Held()
    mailer = Mailer({held: 1})
    sender = threading.Thread(target=mailer.send, kwargs=NOTE)
    sender.start()
    held.started.wait(5)
    closer = threading.Thread(target=mailer.close)
    closer.start()

    held.go.set()
    closer.join()
    sender.join()

    assert held.sent_when_closed == 1


def test_closing_waits_for_the_sends_of_other_tasks():
    async def story():
        slow = Slow(committed=True)
        mailer = Mailer({slow: 1})
        sending = asyncio.create_task(mailer.asend(**NOTE))
        await slow.started.wait()
        closing = asyncio.create_task(mailer.aclose())
        slow.go.set()
        await closing
        return sending.done(), len(slow.sent)

    assert asyncio.run(story()) == (True, 1)


def test_many_threads_keep_the_split_exact():
    mailer = two()

    def work():
        for _ in range(250):
            mailer.send(**NOTE)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ses, mailtrap = mailer.split()
    assert (ses.assigned, mailtrap.assigned) in [(1200, 800), (1199, 801), (1201, 799)]
    assert (ses.carried, mailtrap.carried) == (ses.assigned, mailtrap.assigned)


def test_many_tasks_keep_the_split_exact():
    mailer = two()

    async def work():
        await asyncio.gather(*(mailer.asend(**NOTE) for _ in range(1000)))

    asyncio.run(work())

    assert mailer.split()[0].assigned in (599, 600, 601)


def test_a_mailer_is_made_from_the_environment_alone(send):
    environ = {
        "MAILBALANCE_SPLIT": "memory=60,second=40",
        "MAILBALANCE_SECOND_URL": "memory:",
        "MAILBALANCE_FROM": "Me <me@example.com>",
        "MAILBALANCE_REPLY_TO": "a@example.com, b@example.com",
        "MAILBALANCE_TIMEOUT": "12",
    }
    mailer = Mailer.from_env(environ)

    send(mailer, to="ana@example.com", text="x")

    assert [(s.backend, s.share) for s in mailer.split()] == [
        ("memory", 0.6),
        ("second", 0.4),
    ]
    assert mailer.policy.timeout == 12
    (sent,) = (*mailer.backends["memory"].sent, *mailer.backends["second"].sent)
    assert len(sent.message.reply_to) == 2


def test_a_missing_region_is_told_before_anything_is_sent():
    environ = {"MAILBALANCE_SPLIT": "ses=60,mailtrap=40", "MAILTRAP_API_TOKEN": "T"}

    with pytest.raises(ConfigError, match="ses: no AWS region: set AWS_REGION"):
        Mailer.from_env(environ)


def test_a_backend_of_weight_zero_may_lack_its_region():
    environ = {"MAILBALANCE_SPLIT": "ses=0,mailtrap=100", "MAILTRAP_API_TOKEN": "T"}

    assert Mailer.from_env(environ).split()[0].weight == 0


def test_the_default_mailer_is_made_at_first_use(monkeypatch, capsys):
    monkeypatch.setattr("mailbalance.default._default", None)
    monkeypatch.setenv("MAILBALANCE_SPLIT", "console=100")

    receipt = mailbalance.send(**NOTE)

    assert receipt.backend == "console"
    assert "Subject: Hi" in capsys.readouterr().out


def test_the_default_mailer_sends_async_too(monkeypatch, capsys):
    monkeypatch.setattr("mailbalance.default._default", None)
    monkeypatch.setenv("MAILBALANCE_SPLIT", "console=100")

    receipt = asyncio.run(mailbalance.asend(**NOTE))

    assert receipt.backend == "console"


def test_a_missing_configuration_is_never_a_silent_no_op(monkeypatch):
    monkeypatch.setattr("mailbalance.default._default", None)

    with pytest.raises(ConfigError, match="MAILBALANCE_SPLIT is not set"):
        mailbalance.send(**NOTE)


def test_problems_of_weights_and_backends_are_told_together():
    with pytest.raises(ConfigError) as caught:
        Mailer({"sess": -1, MemoryBackend("b"): 1, 7: 1}, environ={})

    text = str(caught.value)
    assert "negative" in text
    assert "unknown backend 'sess'" in text
    assert "a int is neither a name nor a backend" in text


def test_two_backends_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="twice"):
        Mailer({MemoryBackend("a"): 1, MemoryBackend("a"): 1})


def test_receipts_and_errors_survive_a_pickle(send):
    receipt = send(one(TransientError("x")), **NOTE)
    error = UnknownOutcomeError("lost", backend="b", code="250", likely="accepted")
    error.attempts = receipt.attempts

    again, back = pickle.loads(pickle.dumps((receipt, error)))  # noqa: S301 - our own bytes

    assert again == receipt
    assert (back.likely, back.attempts, str(back)) == (
        "accepted",
        error.attempts,
        str(error),
    )


def test_a_route_can_be_asked_without_sending():
    mailer = two()

    found = mailer.route(**NOTE)

    assert {backend.name for backend in found.order} == {"ses", "mailtrap"}
    assert mailer.backends["ses"].tries == 0


def test_a_preview_shows_what_each_backend_would_do():
    shown = two().preview(**NOTE)

    assert set(shown) == {"ses", "mailtrap"}


class Slow(MemoryBackend):
    """Waits to be let go; before or after its commit point, as told."""

    def __init__(self, *, committed):
        super().__init__("slow")
        self.committed = committed
        self.started, self.go = asyncio.Event(), asyncio.Event()

    async def asend(self, message, envelope, *, timeout):
        self.started.set()
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                if not self.committed:
                    raise
        return await super().asend(message, envelope, timeout=timeout)


async def cancelled(slow, heard):
    """Cancel a send in the middle, then let the backend go on."""
    async with Mailer({slow: 1}, observers=[heard.append]) as mailer:
        task = asyncio.create_task(mailer.asend(**NOTE))
        await slow.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.go.set()
    return mailer


def test_a_send_cancelled_before_the_commit_point_is_not_made():
    heard = []

    async def story():
        return await cancelled(Slow(committed=False), heard)

    mailer = asyncio.run(story())

    assert mailer.split()[0].carried == 0
    assert (heard[2].attempt.outcome, heard[2].detached) == ("not_accepted", True)


def test_a_send_cancelled_after_the_commit_point_is_finished_and_told():
    heard = []

    async def story():
        return await cancelled(Slow(committed=True), heard)

    mailer = asyncio.run(story())

    assert mailer.split()[0].carried == 1
    assert (heard[2].attempt.outcome, heard[2].detached) == ("accepted", True)


def test_closing_waits_for_an_attempt_whose_caller_has_gone():
    class Closed(Slow):
        async def aclose(self):
            self.sent_when_closed = len(self.sent)

    heard = []

    async def story():
        slow = Closed(committed=True)
        mailer = Mailer({slow: 1}, observers=[heard.append])
        task = asyncio.create_task(mailer.asend(**NOTE))
        await slow.started.wait()
        task.cancel()
        await asyncio.wait([task])
        closing = asyncio.create_task(mailer.aclose())
        for _ in range(20):  # it comes as far as it can
            await asyncio.sleep(0)
        assert not closing.done()
        slow.go.set()
        await closing
        return slow.sent_when_closed, [type(event) for event in heard]

    sent, told = asyncio.run(story())

    assert sent == 1
    assert told[-1] is Accepted


def test_a_send_whose_attempt_is_cancelled_by_others_does_not_wait_for_ever():
    heard = []

    async def story():
        backend = MemoryBackend()
        async with Mailer({backend: 1}, observers=[heard.append]) as mailer:
            sending = asyncio.create_task(mailer.asend(**NOTE))
            await asyncio.sleep(0)  # by now the attempt is a task that has not begun
            for task in asyncio.all_tasks() - {asyncio.current_task(), sending}:
                task.cancel()
            await asyncio.wait({sending}, timeout=5)
            assert sending.cancelled()
        return backend

    assert not asyncio.run(story()).tries
    attempted = next(event for event in heard if isinstance(event, Attempted))
    assert attempted.attempt.phase == "cancelled"


class Scripted(MemoryBackend):
    """Waits before each answer until it is let go; may have passed its commit point."""

    def __init__(self, name, *answers):
        super().__init__(name, answers=answers)
        self.started = asyncio.Event()

    async def asend(self, message, envelope, *, timeout):
        if self.tries:
            self.started.set()
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if not self._answers:
                    raise
        return self.send(message, envelope, timeout=timeout)


async def cancelled_in_its_second_try(backend, heard, **fields):
    """Let the first try end, cancel in the second, and let everything be told."""
    policy = RetryPolicy(wait=wait_none(), unknown="retry")
    async with Mailer({backend: 1}, policy=policy, observers=[heard.append]) as mailer:
        task = asyncio.create_task(mailer.asend(**{**NOTE, **fields}))
        await backend.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    return mailer


def test_a_cancelled_send_forgets_no_unknown_try_before_it():
    heard = []

    async def story():
        backend = Scripted("b", UnknownOutcomeError("reply lost"))
        await cancelled_in_its_second_try(backend, heard)

    asyncio.run(story())

    assert isinstance(heard[-1], GaveUp)
    assert heard[-1].error.outcome == "unknown"
    assert [a.outcome for a in heard[-1].error.attempts] == ["unknown", "not_accepted"]


def test_a_cancelled_send_forgets_no_recipient_accepted_before_it():
    heard = []

    async def story():
        deferred = {"ben@example.com": Refusal(450, "later")}
        part = Receipt("partial", "b", accepted=("ana@example.com",), refused=deferred)
        to = ["ana@example.com", "ben@example.com"]
        return await cancelled_in_its_second_try(Scripted("b", part), heard, to=to)

    mailer = asyncio.run(story())

    assert isinstance(heard[-1], Accepted)
    assert heard[-1].receipt.accepted == ("ana@example.com",)
    assert mailer.split()[0].carried == 1


def test_an_attempt_finished_without_its_caller_tells_of_all_tries():
    heard = []

    async def story():
        lost = UnknownOutcomeError("reply lost")
        backend = Scripted("b", lost, None)
        await cancelled_in_its_second_try(backend, heard)

    asyncio.run(story())

    receipt = heard[-1].receipt
    assert receipt.possible_duplicate
    assert len(receipt.attempts) == 2


def test_a_send_cancelled_while_it_waits_tells_what_is_known():
    heard = []

    async def story():
        waiting = asyncio.Event()

        async def asleep(_):
            waiting.set()
            await asyncio.sleep(10)

        backend = MemoryBackend("b", answers=[TransientError("x", retry_after=5)])
        timing = Timing(asleep=asleep)
        async with Mailer(
            {backend: 1}, observers=[heard.append], timing=timing
        ) as mailer:
            task = asyncio.create_task(mailer.asend(**NOTE))
            await waiting.wait()
            task.cancel()
            await asyncio.wait({task})

    asyncio.run(story())

    assert [type(event) for event in heard] == [
        MessageStarted,
        AttemptStarted,
        Attempted,
        GaveUp,
    ]


def test_a_send_that_ends_while_it_is_cancelled_is_told():
    heard = []

    class Sudden(MemoryBackend):
        async def asend(self, message, envelope, *, timeout):
            receipt = self.send(message, envelope, timeout=timeout)
            sender.cancel()
            return receipt

    async def story():
        nonlocal sender
        async with Mailer({Sudden("b"): 1}, observers=[heard.append]) as mailer:
            sender = asyncio.create_task(mailer.asend(**NOTE))
            await asyncio.wait({sender})
        return sender.cancelled(), mailer.split()[0].carried

    sender = None
    cancelled_, carried = asyncio.run(story())

    assert carried == 1
    assert cancelled_ == any(getattr(event, "detached", False) for event in heard)
    assert isinstance(heard[-1], Accepted)


def test_closing_neither_waits_for_nor_cancels_a_worker_that_sends():
    async def story():
        mailer = two()
        busy = asyncio.Event()

        async def work():
            await mailer.asend(**NOTE)
            busy.set()
            await asyncio.sleep(10)

        worker = asyncio.create_task(work())
        await busy.wait()
        await asyncio.wait_for(mailer.aclose(), 5)
        still_there = not worker.done()
        worker.cancel()
        return still_there

    assert asyncio.run(story())


def test_closing_from_within_a_send_does_not_wait_for_itself():
    mailer = two(observers=[lambda event: mailer.close()])

    receipt = mailer.send(**NOTE)

    assert receipt.outcome == "accepted"


def test_what_two_backends_carried_is_counted_with_each():
    first = MemoryBackend(
        "first",
        answers=[
            Receipt(
                "partial",
                "first",
                accepted=("ana@example.com",),
                refused={"ben@example.com": Refusal(450, "later")},
            )
        ],
    )
    mailer = Mailer({first: 1, MemoryBackend("second"): "backup"}, unit="recipients")

    mailer.send(**{**NOTE, "to": ["ana@example.com", "ben@example.com"]})

    assert [share.carried for share in mailer.split()] == [1, 1]


def test_a_default_sender_leaves_raw_bytes_as_they_are(send):
    signed = (
        b"To: ana@example.com\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nHey\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n"
        b"x\r\n--b--\r\n"
    )
    mailer = one(from_="me@example.com")

    send(mailer, signed)

    sent = mailer.backends["only"].sent[0].message
    assert b"multipart/signed" in mime.render(sent)
    assert b"From: me@example.com" in mime.render(sent)


def test_filling_in_defaults_keeps_the_message_id(send):
    message = Message(to="ana@example.com", text="x")

    receipt = send(one(from_="me@example.com", reply_to="help@example.com"), message)

    assert message.stamp().message_id == receipt.message_id
    assert receipt.message_id.endswith("@example.com>")


def test_an_error_names_the_message_to_look_up(send):
    message = Message(**NOTE)

    with pytest.raises(UnknownOutcomeError) as caught:
        send(one(UnknownOutcomeError("reply lost")), message)

    assert caught.value.message_id == message.stamp().message_id


def test_a_split_may_be_given_as_the_text_of_the_variable():
    mailer = Mailer("memory=60,console=40", environ={})

    assert [share.share for share in mailer.split()] == [0.6, 0.4]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: two(unit="bytes"), "unit must be"),
        (lambda: RetryPolicy(timeout=-1), "timeout must be"),
        (lambda: RetryPolicy(timeout=float("nan")), "timeout must be"),
        (lambda: RetryPolicy(unknown="retyr"), "unknown must be"),
        (lambda: two(observers=[3]), "observers: give a list"),
        (lambda: two(observers=print), "observers: give a list"),
        (lambda: Mailer(["ses"]), "split: give a mapping"),
        (lambda: Mailer("sess=1", environ={}), "did you mean ses?"),
    ],
)
def test_a_wrong_argument_is_refused_when_it_is_given(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_a_message_that_was_sent_takes_only_its_stamp_through_a_pickle():
    message = Message(to="ana@example.com", text="x")
    one(from_="me@example.com").send(message)

    again = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own bytes

    assert again.stamp() == message.stamp()
    assert [name for name in vars(again) if name.startswith("_")] == ["_stamp"]
