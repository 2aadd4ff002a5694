"""The end of a process by a signal: in threads, tasks, blocks and forks."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from mailbalance import (
    AttemptStarted,
    ClosedError,
    GaveUp,
    Mailer,
    MemoryBackend,
    Message,
    MessageStarted,
    UnknownOutcomeError,
    events,
    stop_on,
)

NUMBER = signal.SIGUSR1
MAIL = {"from_": "a@example.com", "to": "b@example.com", "text": "x"}


class Acting(MemoryBackend):
    """Does something in the middle of each send."""

    def __init__(self, act=lambda: None, aact=None):
        super().__init__("m")
        self.act, self.aact = act, aact

    def send(self, message, envelope, *, timeout):
        self.act()
        return super().send(message, envelope, timeout=timeout)

    async def asend(self, message, envelope, *, timeout):
        if self.aact is not None:
            await self.aact()
        return await super().asend(message, envelope, timeout=timeout)


def strike():
    """Send the signal to this process; its handler runs at once."""
    signal.raise_signal(NUMBER)


def ending():
    return pytest.raises(SystemExit, match=str(128 + NUMBER))


async def until(said):
    for _ in range(1000):
        if said():
            return
        await asyncio.sleep(0)


def exit_code(program):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, timeout=30, check=False).returncode


@pytest.fixture(autouse=True)
def _handlers_stay():
    before = signal.getsignal(NUMBER)
    yield
    found = signal.signal(NUMBER, before)
    assert found == before


@pytest.fixture
def told():
    return []


def mailer_of(backend, told=()):
    observers = [told.append] if isinstance(told, list) else []
    return Mailer({backend: 1}, observers=observers)


def test_with_nothing_under_way_the_process_ends_at_once():
    with ending(), stop_on(mailer_of(Acting()), NUMBER):
        strike()


def test_the_default_is_to_end_on_sigterm_and_ctrl_c():
    with stop_on(mailer_of(Acting())) as stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            assert signal.getsignal(number) == stop._handle


def test_the_main_thread_gets_the_receipt_of_the_send_it_was_in(told):
    mailer, receipts = mailer_of(Acting(strike), told), []

    with ending(), stop_on(mailer, NUMBER):
        while True:
            receipts.append(mailer.send(**MAIL))

    assert [event.receipt for event in told if isinstance(event, events.Accepted)] == (
        receipts
    )
    assert len(receipts) == 1


def test_a_receipt_that_just_came_can_still_be_written_down():
    mailer, written = mailer_of(Acting()), []

    with ending(), stop_on(mailer, NUMBER):
        receipt = mailer.send(**MAIL)
        strike()
        written.append(receipt)
        mailer.send(**MAIL)

    assert len(written) == 1


def test_a_held_block_is_not_broken_off_however_long_it_takes():
    mailer, written = mailer_of(Acting(strike)), []
    stop = stop_on(mailer, NUMBER)

    with ending(), stop, stop.hold():
        receipt = mailer.send(**MAIL)
        time.sleep(1.2)  # longer than anybody is waited for who holds nothing
        with pytest.raises(ClosedError):
            mailer.send(**MAIL)
        written.append(receipt)

    assert len(written) == 1


def test_all_that_was_begun_of_many_messages_gives_its_result_before_the_end(told):
    entered, results = threading.Event(), []

    def act():
        entered.set()
        time.sleep(0.05)

    def source():
        yield from [MAIL] * 20
        entered.wait(10)
        strike()
        while True:
            yield MAIL

    mailer = mailer_of(Acting(act), told)
    with ending(), stop_on(mailer, NUMBER):
        results.extend(mailer.send_many(Message(**each) for each in source()))

    accepted = [event for event in told if isinstance(event, events.Accepted)]
    assert {each.receipt.message_id for each in accepted} == {
        each.receipt.message_id for each in results if each.ok
    }
    assert accepted
    assert all(isinstance(each.error, ClosedError) for each in results if not each.ok)


def test_all_results_of_many_messages_come_before_the_end_of_a_task(told):
    results = []

    async def act():
        await asyncio.sleep(0.05)

    async def program(mailer):
        async with stop_on(mailer, NUMBER):
            async for result in mailer.asend_many(source()):
                await asyncio.sleep(0.01)
                results.append(result)

    async def source():
        for number in range(1000):
            if number == 20:
                os.kill(os.getpid(), NUMBER)
            yield Message(**MAIL)

    with ending():
        asyncio.run(program(mailer_of(Acting(aact=act), told)))

    accepted = [event for event in told if isinstance(event, events.Accepted)]
    assert len(accepted) == sum(each.ok for each in results) > 0
    assert len(accepted) < 1000


def test_no_block_is_held_any_more_once_the_signal_came():
    mailer, seen = mailer_of(Acting()), []
    stop = stop_on(mailer, NUMBER)
    entered, go = threading.Event(), threading.Event()

    def work():
        with stop.hold():
            entered.set()
            go.wait(10)
        with contextlib.suppress(ClosedError), stop.hold():
            seen.append("held again")

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait(10)
    strike()
    go.set()

    with ending():
        stop.__exit__()
    thread.join(10)
    assert not seen


def test_sends_of_other_threads_end_first():
    entered, go = threading.Event(), threading.Event()
    mailer, receipts = mailer_of(Acting(lambda: (entered.set(), go.wait(10)))), []
    thread = threading.Thread(target=lambda: receipts.append(mailer.send(**MAIL)))

    with ending(), stop_on(mailer, NUMBER) as stop:
        thread.start()
        entered.wait(10)
        strike()
        assert stop.requested
        assert stop.signal is NUMBER
        threading.Timer(0.05, go.set).start()
        time.sleep(30)

    assert len(receipts) == 1


def test_the_grace_is_the_longest_wait_and_a_cut_send_is_told_as_unknown(told, caplog):
    def struck_and_stuck():
        strike()
        time.sleep(30)

    mailer = mailer_of(Acting(struck_and_stuck), told)

    with ending(), stop_on(mailer, NUMBER, grace=0.05):
        mailer.send(**MAIL)

    [gave_up] = [event for event in told if isinstance(event, GaveUp)]
    assert isinstance(gave_up.error, UnknownOutcomeError)
    assert gave_up.error.mailbalance_id
    assert "1 sends did not end" in caplog.text


def test_a_mistake_of_the_message_is_not_told_as_unknown(told):
    mailer = mailer_of(Acting(lambda: (_ for _ in ()).throw(ClosedError("x"))), told)

    with pytest.raises(ClosedError):
        mailer.send(**MAIL)

    assert [type(event) for event in told] == [MessageStarted, AttemptStarted]


def test_the_handler_from_before_decides_what_becomes_of_the_process():
    heard = []
    signal.signal(NUMBER, lambda number, _: heard.append(number))
    mailer = mailer_of(Acting())
    try:
        with stop_on(mailer, NUMBER):
            strike()
            assert heard == [NUMBER]
            with pytest.raises(ClosedError, match="SIGUSR1"):
                mailer.send(**MAIL)
            strike()  # not ours any more
    finally:
        signal.signal(NUMBER, signal.SIG_DFL)

    assert heard == [NUMBER, NUMBER]


def test_two_mailers_stop_one_after_the_other():
    one, two = mailer_of(Acting()), mailer_of(Acting())

    with ending(), stop_on(one, NUMBER), stop_on(two, NUMBER):
        strike()

    for mailer in (one, two):
        with pytest.raises(ClosedError):
            mailer.send(**MAIL)


def test_a_program_of_tasks_ends_by_cancellation_after_its_sends():
    done = []

    async def one(mailer):
        receipt = await mailer.asend(**MAIL)
        await asyncio.sleep(0.02)
        done.append(receipt)
        await mailer.asend(**MAIL)

    async def program():
        mailer = mailer_of(Acting(aact=lambda: asyncio.sleep(0.05)))
        async with stop_on(mailer, NUMBER):
            tasks = [asyncio.create_task(one(mailer)) for _ in range(3)]
            await asyncio.sleep(0.01)
            os.kill(os.getpid(), NUMBER)
            try:
                await asyncio.sleep(30)
            finally:
                refused = await asyncio.gather(*tasks, return_exceptions=True)
                assert {type(each) for each in refused} == {ClosedError}

    with ending():
        asyncio.run(program())

    assert len(done) == 3


@pytest.mark.parametrize("way", ["by itself", "refused"])
def test_a_program_of_tasks_may_end_by_itself(way):
    async def program():
        mailer = mailer_of(Acting())
        async with stop_on(mailer, NUMBER) as stop:
            os.kill(os.getpid(), NUMBER)
            await until(lambda: stop.requested)
            if way == "refused":
                await mailer.asend(**MAIL)

    with ending():
        asyncio.run(program())


def test_in_tasks_too_the_handler_from_before_is_called():
    heard = []

    async def program():
        async with stop_on(mailer_of(Acting()), NUMBER):
            os.kill(os.getpid(), NUMBER)
            await asyncio.sleep(30)
        await asyncio.sleep(0)
        return "went on"

    signal.signal(NUMBER, lambda number, _: heard.append(number))
    try:
        assert asyncio.run(program()) == "went on"
    finally:
        signal.signal(NUMBER, signal.SIG_DFL)

    assert heard == [NUMBER]


def test_an_error_of_the_program_passes_a_stop():
    async def program():
        async with stop_on(mailer_of(Acting()), NUMBER) as stop:
            os.kill(os.getpid(), NUMBER)
            await until(lambda: stop.requested)
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(program())


def test_only_the_main_thread_can_ask_for_it():
    failed = []

    def ask():
        try:
            stop_on(mailer_of(Acting()), NUMBER)
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)

    assert failed


def test_waiting_at_exit_keeps_no_mailer_alive():
    mailer = mailer_of(Acting())
    mailer.send(**MAIL)
    found = weakref.ref(mailer)

    del mailer
    gc.collect()

    assert found() is None


FORKED = """
import os, sys, threading, time, multiprocessing, signal
from mailbalance import Mailer, MemoryBackend, stop_on

class Slow(MemoryBackend):
    def send(self, message, envelope, *, timeout):
        entered.set()
        leave.wait(20)
        return super().send(message, envelope, timeout=timeout)

entered, leave = threading.Event(), threading.Event()
mailer = Mailer({Slow(): 1})
mail = dict(from_="a@example.com", to="b@example.com", text="x")
stop_on(mailer, signal.SIGUSR1)
threading.Thread(target=mailer.send, kwargs=mail, daemon=True).start()
entered.wait(10)
"""

CHILDREN = {
    "exit": "sys.exit(3)",
    "_exit": "os._exit(3)",
    "struck": "signal.raise_signal(signal.SIGUSR1)",
}


@pytest.mark.parametrize(("kind", "code"), [("exit", 3), ("_exit", 3), ("struck", 138)])
def test_a_forked_child_waits_for_no_send_of_its_parent(kind, code):
    program = f"""{FORKED}
began = time.monotonic()
child = os.fork()
if not child:
    {CHILDREN[kind]}
_, status = os.waitpid(child, 0)
assert time.monotonic() - began < 5
leave.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert exit_code(program) == code


def test_a_worker_of_multiprocessing_waits_for_no_send_of_its_parent():
    program = f"""{FORKED}
child = multiprocessing.get_context("fork").Process(target=mailer.split)
child.start()
child.join(5)
assert child.exitcode == 0
leave.set()
"""
    assert exit_code(program) == 0


def test_functions_at_exit_can_still_send_and_other_threads_cannot():
    program = """
import atexit, threading, time
import mailbalance
from mailbalance import Mailer, MemoryBackend
mailer = Mailer({MemoryBackend(): 1})
mail = dict(from_="a@example.com", to="b@example.com", text="x")
sent = threading.Event()

def late():
    print(f"late {len(mailer.send(**mail).accepted)}\\n", end="")

def forever():
    while True:
        try:
            mailer.send(**mail)
        except mailbalance.ClosedError as error:
            print(f"{error}\\n", end="")
            return
        sent.set()

from mailbalance.delivery import in_flight
atexit.unregister(in_flight._wait_at_exit)
atexit.register(late)
atexit.register(in_flight._wait_at_exit)
threading.Thread(target=forever, daemon=True).start()
sent.wait(10)
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        timeout=30, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = sorted(ended.stdout.splitlines())

    assert lines == ["late 1", "the interpreter exits: nothing was sent"], ended.stderr


def test_what_was_registered_before_the_first_mailer_runs_while_threads_can_send():
    program = """
import atexit, queue, threading
from mailbalance import Mailer, MemoryBackend
mails = queue.Queue()

def work():
    while True:
        mail = mails.get()
        print(mailer.send(**mail).outcome)
        mails.task_done()

atexit.register(mails.join)
mailer = Mailer({MemoryBackend(): 1})
for _ in range(3):
    mails.put(dict(from_="a@example.com", to="b@example.com", text="x"))
threading.Thread(target=work, daemon=True).start()
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        timeout=30, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert ended.stdout.split() == ["accepted"] * 3, ended.stderr


def test_a_program_whose_tasks_have_ended_exits_in_silence():
    program = """
import asyncio
from mailbalance import Mailer, MemoryBackend
mailer = Mailer({MemoryBackend(): 1})

async def main():
    sending = mailer.asend(from_="a@example.com", to="b@example.com", text="x")
    await asyncio.create_task(sending)

asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        timeout=30, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert (ended.stdout, ended.stderr) == ("", "")
