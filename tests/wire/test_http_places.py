"""The queue before connections: who comes next, and what becomes of who leaves."""

from __future__ import annotations

import asyncio
import time

import pytest

from mailbalance.wire.http.direct.places import Places
from mailbalance.wire.smtp.slots import Slots


async def waiting(places: Places, count: int, timeout: float = 10.0) -> list:
    """Give so many tasks that stand in the queue, in this order."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(places.wait(timeout)))
        await asyncio.sleep(0)
    return tasks


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_there_are_so_many_places_and_no_more() -> None:
    places = Places(2)

    assert [places.take() for _ in range(3)] == [True, True, False]
    assert places.taken == 2
    places.leave()
    assert (places.taken, places.take()) == (1, True)


def test_who_came_first_goes_first_and_nobody_goes_before_them() -> None:
    async def run() -> None:
        places = Places(1)
        assert places.take()
        first, second = await waiting(places, 2)

        places.leave()
        assert not places.take()
        await turns()
        assert (first.done(), second.done()) == (True, False)
        places.leave()
        assert await second
        assert (places.taken, places.take()) == (1, False)
        places.leave()
        assert places.take()

    asyncio.run(run())


def test_who_waited_too_long_leaves_the_queue() -> None:
    async def run() -> None:
        places = Places(1)
        places.take()

        assert not await places.wait(0.01)
        assert not await places.wait(-1.0)
        places.leave()
        assert places.taken == 0

    asyncio.run(run())


@pytest.mark.parametrize("came", [False, True])
def test_a_cancelled_one_passes_its_place_on(came: bool) -> None:
    async def run() -> None:
        places = Places(1)
        places.take()
        first, second = await waiting(places, 2)

        if came:
            places.leave()
        first.cancel()
        await turns()
        assert first.cancelled()
        if not came:
            assert not second.done()
            places.leave()
        assert await second
        assert places.taken == 1

    asyncio.run(run())


def test_one_that_is_gone_but_still_in_the_queue_is_passed_over() -> None:
    async def run() -> None:
        places = Places(1)
        places.take()
        first, second = await waiting(places, 2)

        first.cancel()
        places.leave()
        await turns()
        assert (first.cancelled(), second.done(), places.taken) == (True, True, 1)

    asyncio.run(run())


def test_a_place_that_comes_with_the_end_of_the_time_is_taken() -> None:
    async def run() -> None:
        places = Places(1)
        places.take()
        (task,) = await waiting(places, 1, timeout=0.01)
        asyncio.get_running_loop().call_later(0.005, places.leave)
        time.sleep(0.05)  # noqa: ASYNC251 - both are due when the loop goes on

        assert await task
        assert places.taken == 1

    asyncio.run(run())


def test_a_thread_takes_a_turn_only_if_one_is_free() -> None:
    slots = Slots(2)

    assert [slots.take() for _ in range(3)] == [True, True, False]
    assert slots.taken == 2
    slots.release()
    assert slots.acquire(0)
    assert not slots.take()
