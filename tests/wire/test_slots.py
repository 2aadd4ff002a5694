"""The queue before connections: who comes next, and what becomes of who leaves."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any

import pytest

from mailbalance.wire.slots import LoopedSlots, Slots


async def waiting(slots: LoopedSlots, count: int, timeout: float = 10.0) -> list:
    """Give so many tasks that stand in the queue, in this order."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(slots.acquire(timeout)))
        await asyncio.sleep(0)
    return tasks


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_there_are_so_many_turns_and_no_more() -> None:
    slots = LoopedSlots(2)

    assert [slots.take() for _ in range(3)] == [True, True, False]
    assert slots.taken == 2
    slots.release()
    assert (slots.taken, slots.take()) == (1, True)


def test_who_came_first_goes_first_and_nobody_goes_before_them() -> None:
    async def run() -> None:
        slots = LoopedSlots(1)
        assert slots.take()
        first, second = await waiting(slots, 2)

        slots.release()
        assert not slots.take()
        await turns()
        assert (first.done(), second.done()) == (True, False)
        slots.release()
        assert await second
        assert (slots.taken, slots.take()) == (1, False)
        slots.release()
        assert slots.take()

    asyncio.run(run())


def test_who_waited_too_long_leaves_the_queue() -> None:
    async def run() -> None:
        slots = LoopedSlots(1)
        slots.take()

        assert not await slots.acquire(0.01)
        assert not await slots.acquire(-1.0)
        slots.release()
        assert slots.taken == 0

    asyncio.run(run())


@pytest.mark.parametrize("came", [False, True])
def test_a_cancelled_one_passes_its_turn_on(came: bool) -> None:
    async def run() -> None:
        slots = LoopedSlots(1)
        slots.take()
        first, second = await waiting(slots, 2)

        if came:
            slots.release()
        first.cancel()
        await turns()
        assert first.cancelled()
        if not came:
            assert not second.done()
            slots.release()
        assert await second
        assert slots.taken == 1

    asyncio.run(run())


def test_one_that_is_gone_but_still_in_the_queue_is_passed_over() -> None:
    async def run() -> None:
        slots = LoopedSlots(1)
        slots.take()
        first, second = await waiting(slots, 2)

        first.cancel()
        slots.release()
        await turns()
        assert (first.cancelled(), second.done(), slots.taken) == (True, True, 1)

    asyncio.run(run())


def test_a_turn_that_comes_with_the_end_of_the_time_is_taken() -> None:
    async def run() -> None:
        slots = LoopedSlots(1)
        slots.take()
        (task,) = await waiting(slots, 1, timeout=0.01)
        asyncio.get_running_loop().call_later(0.005, slots.release)
        time.sleep(0.05)  # noqa: ASYNC251 - both are due when the loop goes on

        assert await task
        assert slots.taken == 1

    asyncio.run(run())


def test_a_thread_takes_a_turn_only_if_one_is_free() -> None:
    slots = Slots(2)

    assert [slots.take() for _ in range(3)] == [True, True, False]
    assert slots.taken == 2
    slots.release()
    assert slots.acquire(0)
    assert not slots.take()


def test_turns_come_in_the_order_of_asking() -> None:
    slots, order = Slots(1), []

    def wait(number: int) -> None:
        assert slots.acquire(10)
        order.append(number)
        slots.release()

    slots.acquire(0)
    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        while len(slots._waiting) < number:
            time.sleep(0.001)
    slots.release()
    for thread in threads:
        thread.join()

    assert order == list(range(5))
    assert slots.taken == 0


def test_a_newcomer_does_not_overtake_who_waits() -> None:
    slots = Slots(1)
    slots.acquire(0)
    came = threading.Event()

    def wait() -> None:
        slots.acquire(10)
        came.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not slots._waiting:
        time.sleep(0.001)
    slots.release()

    assert not slots.acquire(0)
    assert came.wait(10)
    waiting.join()


def test_who_gives_up_leaves_the_queue() -> None:
    slots = Slots(1)
    slots.acquire(0)

    assert not slots.acquire(0.01)
    slots.release()

    assert slots.taken == 0
    assert slots.acquire(0)


def test_one_interrupted_while_it_waits_leaves_the_queue(
    interrupted_when_blocked: Any,
) -> None:
    slots = Slots(1)
    slots.acquire(0)

    interrupted_when_blocked(lambda: slots.acquire(20))
    slots.release()

    assert slots.taken == 0
    assert slots.acquire(0)


def test_a_turn_that_comes_with_an_interrupt_is_passed_on() -> None:
    slots = Slots(1)
    slots.acquire(0)

    def strike(_number: int, _frame: object) -> None:
        slots.release()  # its turn comes, and the interrupt before it can know
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - whenever it strikes
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            slots.acquire(20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert slots.taken == 0
    assert slots.acquire(0)
