"""A program whose processes all send at once, after a fork from one that has sent before.

What lives here: the ways to fork that are met in practice. What must not: a judgement; it
writes down what each send came to, and who started it compares that with the server.

Run: python -m tests.peers.forking WAY COUNT FOLDER [one-process]
The environment says where to. ``one-process`` breaks it on purpose: every child is told
that it is its parent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mailbalance import Mailer, MailError, Receipt

#: An account at Mailtrap may have 10 connections at once: two of each process, and two
#: that a parent which only watches has left open.
CHILDREN, THREADS, TASKS = 3, 2, 2
#: Messages sent at once before the fork: two for each of four doors.
FIRST = 8


class Sender:
    """One mailer, used by every process; each writes a file of its own."""

    def __init__(self, count: int, folder: Path) -> None:
        self.mailer = Mailer.from_env()
        self.doors = itertools.cycle(self.mailer.backends)
        self.each = count // (CHILDREN + 1)
        self.folder = folder
        self.first = FIRST

    def one(self, to: str, door: str) -> dict[str, Any]:
        try:
            return told(to, self.mailer.send(to=to, subject="s", text="x", via=door))
        except MailError as error:
            return told(to, error)

    async def aone(self, to: str, door: str) -> dict[str, Any]:
        try:
            return told(
                to, await self.mailer.asend(to=to, subject="s", text="x", via=door)
            )
        except MailError as error:
            return told(to, error)

    def work(self, who: str, count: int | None = None) -> Iterator[tuple[str, str]]:
        """Give the addresses and doors of one process's messages."""
        for number in range(self.each if count is None else count):
            yield f"{who}-{number}@example.com", next(self.doors)

    def note(self, who: str, results: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(each) + "\n" for each in results)
        (self.folder / f"{who}.jsonl").write_text(lines)

    def first_use(self) -> None:
        """Leave some connections behind at every door."""
        with ThreadPoolExecutor(self.first) as threads:
            work = list(self.work("first", self.first))
            self.note("first", threads.map(lambda each: self.one(*each), work))
        let_threads_go()

    def send_all(self, who: str) -> None:
        self.note(who, [self.one(*each) for each in self.work(who)])

    def send_by_threads(self, who: str) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            work = list(self.work(who))
            self.note(who, threads.map(lambda each: self.one(*each), work))

    async def send_by_tasks(self, who: str) -> None:
        work = self.work(who)

        async def worker() -> list[dict[str, Any]]:
            return [await self.aone(*each) for each in work]

        found = await asyncio.gather(*(worker() for _ in range(TASKS)))
        self.note(who, itertools.chain.from_iterable(found))


def told(to: str, what: Receipt | MailError) -> dict[str, Any]:
    """Give what was told, as JSON."""
    if isinstance(what, Receipt):
        return {"to": to, "outcome": what.outcome, "ids": list(what.provider_ids)}
    return {"to": to, "outcome": getattr(what, "outcome", "closed"), "why": str(what)}


def forked(action: Callable[[], object]) -> int:
    """Fork a child that does one thing and ends; gives its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        action()
        code = 0
    finally:
        os._exit(code)


def wait_for(children: list[int]) -> None:
    """Wait for the children; theirs must have gone well."""
    codes = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children]
    assert codes == [0] * len(children), codes


def let_threads_go() -> None:
    """Wait until ended threads have left OpenSSL too.

    Before Python 3.13 a thread can be joined while it still runs the destructors of
    OpenSSL, which hold a lock. A child that is forked then has that lock for ever, and the
    first of its new threads that wants TLS freezes it, whatever library asks for it.
    """
    tasks = Path("/proc/self/task")
    while tasks.is_dir() and len(list(tasks.iterdir())) > threading.active_count():
        time.sleep(0.001)


def os_fork(sender: Sender) -> None:
    """Fork, and go on sending on both sides."""
    sender.first_use()
    children = [
        forked(lambda who=f"c{n}": sender.send_all(who)) for n in range(CHILDREN)
    ]
    sender.send_all("parent")
    wait_for(children)


def by_multiprocessing(sender: Sender) -> None:
    """Let ``multiprocessing`` fork."""
    sender.first_use()
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=sender.send_all, args=(f"c{n}",))
        for n in range(CHILDREN)
    ]
    for child in children:
        child.start()
    sender.send_all("parent")
    for child in children:
        child.join()
        assert child.exitcode == 0


def preload(sender: Sender) -> None:
    """Do as gunicorn does with ``--preload`` and threads: the master only watches."""
    sender.first_use()
    wait_for(
        [
            forked(lambda who=f"w{n}": sender.send_by_threads(who))
            for n in range(CHILDREN + 1)
        ]
    )


def among_threads(sender: Sender) -> None:
    """Fork while other threads are in the middle of sending.

    To be tried without TLS: a child inherits the locks of OpenSSL as they were, and nobody
    but OpenSSL could mend those.
    """
    sender.first_use()
    sending = threading.Thread(target=sender.send_by_threads, args=("parent",))
    sending.start()
    children = []
    for n in range(CHILDREN):
        children.append(forked(lambda who=f"c{n}": sender.send_by_threads(who)))
        sending.join(0.02)
    sending.join()
    wait_for(children)


def among_tasks(sender: Sender) -> None:
    """Fork with an event loop that has connections; the parent goes on in the same."""
    with asyncio.Runner() as runner:

        async def first() -> None:
            work = sender.work("first", sender.first)
            found = await asyncio.gather(*(sender.aone(*each) for each in work))
            sender.note("first", found)

        runner.run(first())
        children = [
            forked(lambda who=f"c{n}": asyncio.run(sender.send_by_tasks(who)))
            for n in range(CHILDREN)
        ]
        runner.run(sender.send_by_tasks("parent"))
        wait_for(children)


def closing_child(sender: Sender) -> None:
    """Close in a child what the parent goes on using."""
    sender.first_use()

    def close() -> None:
        sender.mailer.close()

    wait_for([forked(close) for _ in range(CHILDREN)])
    sender.each *= CHILDREN + 1
    sender.send_all("parent")


WAYS: dict[str, Callable[[Sender], None]] = {
    "os.fork": os_fork,
    "multiprocessing": by_multiprocessing,
    "preload": preload,
    "threads": among_threads,
    "tasks": among_tasks,
    "closing child": closing_child,
}


def main(way: str, count: str, folder: str, broken: str = "") -> None:
    """Send, and write down what each process was told."""
    if broken:
        parent = os.getpid()
        os.getpid = lambda: parent
    sender = Sender(int(count), Path(folder))
    WAYS[way](sender)
    sender.mailer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
