"""Cancelling a send at every point where it waits.

A send is cancelled when it waits for the n-th time, or is found waiting as the event loop
begins a turn, for n from 1 until it ends before that: a dialogue may go on in callbacks
while its task waits all the time.
What it comes to is held against what the server took; then as many sends as there may be
connections must go through at once, and nothing may be left open or running.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest
from tenacity import stop_after_attempt

from mailbalance import Mailer, RetryPolicy
from mailbalance.backend import Backend, Receipt
from mailbalance.envelope import Envelope
from mailbalance.errors import DeliveryError
from mailbalance.events import Accepted, Attempted, Event, GaveUp
from tests.wire.certainty import Figures, disagreements
from tests.wire.cutting import TIMEOUT
from tests.wire.doors import CONNECTIONS, DOORS, Door, Memory, World, made, note
from tests.wire.memory import MemoryLoop, Network, Peer, TurnedLoop, installed


@dataclass(frozen=True)
class Case:
    """One cancellation.

    Attributes:
        whole: Whether a mailer sends, or a backend alone.
        at: At which wait.
        times: At how many waits in a row.
    """

    door: Door
    whole: bool
    at: int = 1
    times: int = 1


class Stepped:
    """Awaits something, and calls ``at`` each time it begins to wait."""

    def __init__(self, inner: Awaitable[Any], at: Callable[[], None]) -> None:
        self._inner, self._at = inner, at

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Any = self._inner.__await__()
        error: BaseException | None = None
        value: Any = None
        while True:
            try:
                waits = inner.send(value) if error is None else inner.throw(error)
            except StopIteration as stop:
                return stop.value
            self._at()
            error = value = None
            try:
                value = yield waits
            except BaseException as thrown:  # noqa: BLE001 - handed on
                error = thrown


class Play:
    """One case being played."""

    def __init__(self, case: Case, backend: Backend, world: World) -> None:
        self.case, self.backend, self.world = case, backend, world
        self.waits = 0
        self.events: list[Event] = []
        self.message = note("test")
        self.task: asyncio.Task[Receipt] | None = None
        self.cancelled = False

    def turn(self) -> None:
        """Take note of a turn of the event loop."""
        if self.task is not None and not self.task.done():
            self.at()

    def at(self) -> None:
        self.waits += 1
        if 0 <= self.waits - self.case.at < self.case.times and self.task:
            self.cancelled = True
            self.task.cancel()

    async def run(self) -> tuple[str, list[str]]:
        threads = _threads()
        if self.case.door.used:
            await self._plainly("before")
        self.world.behave(self.case.door.answer)
        result = await self._cancelled_send()
        await self._settled()
        self.world.behave("clear")
        broken = await self._aftermath()
        await self.backend.aclose()
        await self._settled()
        if len(asyncio.all_tasks()) > 1:
            broken.append("a task was left running")
        if any(not each.cancelled() for each in asyncio.get_running_loop()._scheduled):  # type: ignore[attr-defined]
            broken.append("a timer was left running")
        if _threads() > threads:
            broken.append("a thread was left running")
        verdict, wrong = self._verdict(result)
        return verdict, [*wrong, *broken, *self.world.left_open()]

    async def _cancelled_send(self) -> Receipt | BaseException:
        sending = self._through_mailer() if self.case.whole else self._by_backend()
        self.task = asyncio.ensure_future(sending)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TurnedLoop)
        loop.at_turn = self.turn
        (result,) = await asyncio.gather(self.task, return_exceptions=True)
        return result

    async def _by_backend(self) -> Receipt:
        envelope = Envelope.of(self.message)
        sending = self.backend.asend(self.message, envelope, timeout=TIMEOUT)
        return await Stepped(sending, self.at)  # type: ignore[no-any-return]

    async def _through_mailer(self) -> Receipt:
        policy = RetryPolicy(stop=stop_after_attempt(1))
        stepped = _Stepping(self.backend, self.at)
        mailer = Mailer({stepped: 1}, policy=policy, observers=[self.events.append])
        return await Stepped(mailer.asend(self.message), self.at)  # type: ignore[no-any-return]

    def _verdict(self, result: Receipt | BaseException) -> tuple[str, list[str]]:
        took = self.world.took("test@x.com")
        if isinstance(result, asyncio.CancelledError):
            return self._of_the_gone(took)
        claimed = result.accepted if isinstance(result, Receipt) else ()
        if not isinstance(result, Receipt | DeliveryError):
            return "escaped", [f"{type(result).__name__} escaped: {result}"]
        return result.outcome, list(disagreements(result.outcome, claimed, took))

    def _of_the_gone(self, took: list[tuple[str, ...]]) -> tuple[str, list[str]]:
        """Judge a send whose caller got its cancellation back."""
        if not self.case.whole:  # a backend lets go only of what it has not committed
            return "not_accepted", list(disagreements("not_accepted", (), took))
        tries = [each for each in self.events if isinstance(each, Attempted)]
        ends = [each for each in self.events if isinstance(each, Accepted | GaveUp)]
        if not tries:
            verdict, claimed = "not_accepted", ()
        else:
            end = ends[-1] if ends else None
            claimed = end.receipt.accepted if isinstance(end, Accepted) else ()
            verdict = tries[-1].attempt.outcome
        broken = list(disagreements(verdict, claimed, took))
        if len(tries) != len(ends):
            broken.append(f"told of {len(tries)} tries and {len(ends)} ends")
        return f"{verdict}, told to observers" if tries else "not begun", broken

    async def _plainly(self, who: str) -> Receipt | BaseException:
        message = note(who)
        sending = self.backend.asend(message, Envelope.of(message), timeout=TIMEOUT)
        (result,) = await asyncio.gather(sending, return_exceptions=True)
        return result

    async def _aftermath(self) -> list[str]:
        """Use every connection at once, and again the first."""
        names = [f"new{at}" for at in range(CONNECTIONS)]
        results = await asyncio.gather(*(self._plainly(name) for name in names))
        broken = []
        if (open_now := self.world.connected()) != CONNECTIONS:
            broken.append(f"the pool holds {open_now} connections, not {CONNECTIONS}")
        results.append(await self._plainly("last"))
        for name, result in zip([*names, "last"], results, strict=True):
            if not isinstance(result, Receipt):
                broken.append(f"a send after it suffers: {result!r}")
            took = self.world.took(f"{name}@x.com")
            if len(took) != 1:
                broken.append(f"a message after it was taken {len(took)} times")
        return broken

    async def _settled(self) -> None:
        """Wait for whatever still runs."""
        for _ in range(200):
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0.05)
        for _ in range(3):
            await asyncio.sleep(0)


def _threads() -> int:
    """Count our threads: not those of the test's servers, nor an event loop's own."""
    return sum(each.name.startswith("mailbalance") for each in threading.enumerate())


class _Stepping:
    """A backend whose every wait is noticed."""

    def __init__(self, backend: Backend, at: Callable[[], None]) -> None:
        self._backend, self._at = backend, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def asend(self, *args: Any, **options: Any) -> Receipt:
        sending = self._backend.asend(*args, **options)
        return await Stepped(sending, self._at)  # type: ignore[no-any-return]


def figures(
    *, whole: bool, times: int = 1, doors: tuple[Door, ...] = DOORS, most: int = 10_000
) -> Figures:
    """Cancel at every point of every door."""
    found = Figures()
    with installed() as place, pytest.MonkeyPatch.context() as patch, found.timed():
        loop = MemoryLoop()
        try:
            for door in doors:
                backend = made(door, patch)
                for at in range(1, most):
                    case = Case(door, whole, at, times)
                    network = Network(_nobody, now=place.network.now)
                    place.network = loop.network = network
                    play = Play(case, backend, Memory(door, network))
                    found.add(case, *loop.run_until_complete(play.run()))
                    if not play.cancelled:
                        break
        finally:
            loop.close()
    return found


def _nobody() -> Peer:
    raise AssertionError("dialled before there was anybody")
