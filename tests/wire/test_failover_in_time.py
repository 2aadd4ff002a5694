"""What is silent before a message is handed over leaves time for the next backend."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any

import botocore.session  # noqa: F401 - takes its time at the first import
import pytest

from mailbalance import Attachment, Mailer, Message, Receipt, RetryPolicy
from mailbalance.backends.memory import MemoryBackend
from tests.wire.holes import Holes

#: Seconds for a whole send.
TIMEOUTS = [6, 9, pytest.param(30, marks=pytest.mark.proof)]

NOTE = Message(from_="a@x.com", to=["b@x.com"], subject="hello", text="hi")

#: More than buffers take on the way to a server that reads nothing.
LONG_NOTE = Message(
    from_="a@x.com",
    to=["b@x.com"],
    subject="hello",
    text="hi",
    attachments=[Attachment(content=bytes(5_000_000), filename="zeros.bin")],
)

#: More recipients than a server gets through in time that is slow with each.
WIDE_NOTE = Message(
    from_="a@x.com", to=[f"b{n}@x.com" for n in range(45)], subject="hello", text="hi"
)


@dataclass
class Run:
    """One send: how it went."""

    what: str
    backend: Any
    timeout: float
    answer: Any = None
    took: float = 0.0

    @property
    def message(self) -> Message:
        if self.what.endswith("slowness"):
            return WIDE_NOTE
        return LONG_NOTE if self.what.endswith("body") else NOTE

    def mailer(self) -> Mailer:
        return Mailer(
            {self.backend: 100, MemoryBackend("backup"): "backup"},
            policy=RetryPolicy(timeout=self.timeout),
        )

    def send(self) -> None:
        began = time.monotonic()
        try:
            self.answer = self.mailer().send(self.message)
        except BaseException as error:  # noqa: BLE001 - for the test to see
            self.answer = error
        self.took = time.monotonic() - began

    async def asend(self) -> None:
        began = time.monotonic()
        try:
            self.answer = await self.mailer().asend(self.message)
        except BaseException as error:  # noqa: BLE001 - for the test to see
            self.answer = error
        self.took = time.monotonic() - began

    def wrong(self) -> str:
        """Say what is wrong with how it went, if anything."""
        told = f"{self.what}, {self.timeout:.0f} s: "
        if not isinstance(self.answer, Receipt):
            return f"{told}{self.answer!r} after {self.took:.1f} s"
        first = self.answer.attempts[0]
        if self.answer.backend != "backup" or first.outcome != "not_accepted":
            return f"{told}{self.answer}"
        return f"{told}{self.took:.1f} s" if self.took > self.timeout else ""


def cases(holes: Holes, timeout: float) -> list[Run]:
    # Those that ask for keys come last: while botocore is imported, a first use of
    # anything else waits, and that is not what is looked at here.
    found = (*holes.apis(), *holes.submissions(), *holes.keys())
    return [Run(what, make(), timeout) for what, make in found]


def from_threads(runs: list[Run]) -> None:
    threads = [threading.Thread(target=each.send) for each in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def from_a_loop(runs: list[Run]) -> None:
    async def everything() -> float:
        await asyncio.gather(*(each.asend() for each in runs))
        return time.monotonic()

    ended = asyncio.run(everything())
    # Questions to resolvers and for keys are still open, and hold up nobody.
    assert time.monotonic() - ended < 5


@pytest.mark.parametrize("how", [from_threads, from_a_loop])
@pytest.mark.parametrize("timeout", TIMEOUTS)
def test_what_is_silent_costs_the_next_backend_no_more_than_its_share(
    tmp_path, ca, timeout, how
):
    with Holes(tmp_path, ca) as holes:
        runs = cases(holes, timeout)
        how(runs)

    assert [wrong for each in runs if (wrong := each.wrong())] == []
