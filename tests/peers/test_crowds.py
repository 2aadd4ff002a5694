"""Many threads, tasks and event loops with one mailer, and closing it among them."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailbalance import Mailer, MailError
from mailbalance.sandbox import Sandbox
from tests.peers.forking import told
from tests.peers.reckoning import figures, wrong

DOORS = "ses=25,ses-smtp=25,mailtrap=25,mailtrap-smtp=25"
#: Threads or tasks, and messages of each.
THREADS = [
    pytest.param(32, 5, id="32x5"),
    pytest.param(64, 50, id="64x50", marks=pytest.mark.proof),
    pytest.param(64, 200, id="64x200", marks=pytest.mark.slow),
]
TASKS = [
    pytest.param(100, 2, id="100x2"),
    pytest.param(1000, 5, id="1000x5", marks=pytest.mark.proof),
    pytest.param(1000, 20, id="1000x20", marks=pytest.mark.slow),
]
Told = list[dict[str, Any]]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(keep=50_000) as started:
        yield started


@pytest.fixture
def mailer(box: Sandbox) -> Mailer:
    # Long enough for a thousand at once on a machine that does other things too.
    return Mailer.from_env({**box.environ(DOORS), "MAILBALANCE_TIMEOUT": "120"})


def one(mailer: Mailer, to: str) -> dict[str, Any]:
    try:
        return told(to, mailer.send(to=to, subject="s", text="x"))
    except MailError as error:
        return told(to, error)


async def aone(mailer: Mailer, to: str) -> dict[str, Any]:
    try:
        return told(to, await mailer.asend(to=to, subject="s", text="x"))
    except MailError as error:
        return told(to, error)


def addresses(who: object, count: int) -> list[str]:
    return [f"w{who}-{number}@example.com" for number in range(count)]


async def by_tasks(mailer: Mailer, tasks: int, each: int, who: object = "") -> Told:
    async def worker(number: int) -> Told:
        return [await aone(mailer, to) for to in addresses(f"{who}-{number}", each)]

    found = await asyncio.gather(*map(worker, range(tasks)))
    return list(itertools.chain.from_iterable(found))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("threads", "each"), THREADS)
def test_every_thread_hears_of_its_own_messages(
    box: Sandbox, mailer: Mailer, threads: int, each: int
) -> None:
    def work(who: int) -> Told:
        return [one(mailer, to) for to in addresses(who, each)]

    with mailer, ThreadPoolExecutor(threads) as pool:
        results = list(itertools.chain.from_iterable(pool.map(work, range(threads))))

    found = figures(box, results, threads * each)
    assert not wrong(found), found
    quarter = threads * each / 4
    assert all(abs(each.assigned - quarter) <= 2 for each in mailer.split())


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("tasks", "each"), TASKS)
def test_every_task_hears_of_its_own_messages(
    box: Sandbox, mailer: Mailer, tasks: int, each: int
) -> None:
    async def run() -> Told:
        async with mailer:
            return await by_tasks(mailer, tasks, each)

    found = figures(box, asyncio.run(run()), tasks * each)

    assert not wrong(found), found


def test_one_event_loop_after_another_may_use_a_mailer(
    box: Sandbox, mailer: Mailer
) -> None:
    results = [
        asyncio.run(by_tasks(mailer, 4, 3, who=f"loop{turn}")) for turn in range(6)
    ]
    mailer.close()

    found = figures(box, itertools.chain.from_iterable(results), 72)
    assert not wrong(found), found


def test_event_loops_in_several_threads_may_use_one_mailer(
    box: Sandbox, mailer: Mailer
) -> None:
    def loop(who: int) -> Told:
        return asyncio.run(by_tasks(mailer, 4, 4, who=who))

    with ThreadPoolExecutor(8) as pool:
        results = list(itertools.chain.from_iterable(pool.map(loop, range(8))))
        results += [one(mailer, to) for to in addresses("thread", 8)]
    mailer.close()

    found = figures(box, results, 8 * 16 + 8)
    assert not wrong(found), found


@pytest.mark.parametrize("how", ["sync", "async"])
def test_closing_among_sends_lets_them_end_and_takes_no_more(
    box: Sandbox, mailer: Mailer, how: str
) -> None:
    results = (_closed_among_threads if how == "sync" else _closed_among_tasks)(mailer)

    outcomes = {each["outcome"] for each in results}
    reasons = {each["why"] for each in results if "why" in each}
    found = figures(box, results, len(results))
    assert outcomes == {"accepted", "closed"}
    assert reasons == {"this mailer was closed; make a new one"}
    assert wrong(found).keys() == {"told otherwise"}, found
    assert len(box.messages()) == found["told accepted"]


def _closed_among_threads(mailer: Mailer) -> Told:
    begun = threading.Barrier(9)

    def work(who: int) -> Told:
        found = [one(mailer, f"begin{who}@example.com")]
        begun.wait(20)
        for to in addresses(who, 500):
            found.append(one(mailer, to))
            if found[-1]["outcome"] == "closed":
                break
        return found

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(work, who) for who in range(8)]
        begun.wait(20)
        mailer.close()
        return list(itertools.chain.from_iterable(each.result() for each in running))


def _closed_among_tasks(mailer: Mailer) -> Told:
    async def work(who: int) -> Told:
        found = []
        for to in addresses(who, 500):
            found.append(await aone(mailer, to))
            if found[-1]["outcome"] == "closed":
                break
        return found

    async def run() -> Told:
        running = [asyncio.create_task(work(who)) for who in range(8)]
        await asyncio.sleep(0.1)
        await mailer.aclose()
        found = await asyncio.gather(*running)
        return list(itertools.chain.from_iterable(found))

    return asyncio.run(run())
