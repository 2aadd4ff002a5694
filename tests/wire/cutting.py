"""How a cut is played, whatever the protocol.

A case is one message on one line that breaks somewhere, and a second message after it,
when the network is well again: what the first was said to have come to must be what the
server knows, and the second must not suffer from what the first left behind.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from mailbalance.errors import DeliveryError
from tests.wire.certainty import Figures, disagreements, sampled
from tests.wire.memory import Cut, MemoryLoop, Network, Peer, installed
from tests.wire.memory.line import DOWN, UP, Direction
from tests.wire.memory.place import Place

How = Literal["sync", "async"]
HOWS: tuple[How, ...] = ("sync", "async")
Turn = Literal["before", "test", "after"]

#: Seconds given to each message, of a clock that never waits.
TIMEOUT = 9.0


class Scenario(Protocol):
    """One kind of dialogue."""

    @property
    def name(self) -> str: ...

    @property
    def used(self) -> bool:
        """Whether a message goes over the connection before."""
        ...

    @property
    def uncut(self) -> str:
        """What it comes to when nothing is cut."""
        ...

    @property
    def directions(self) -> Sequence[Direction]:
        """Which side's bytes are cut."""
        ...


@dataclass(frozen=True)
class Case:
    """One cut of one dialogue."""

    scenario: Any
    how: How
    cut: Cut | None

    def __str__(self) -> str:
        return f"{self.scenario.name}, {self.how}, {self.cut}"


class Stage(ABC):
    """One case being played; the protocols say how a message is sent and what is true.

    Attributes:
        timeout: Seconds for each message.
    """

    timeout = TIMEOUT

    def __init__(self, case: Case, network: Network) -> None:
        self.case = case
        self.network = network
        network.dialled = self.dial
        network.cuts = {0: case.cut} if case.cut else {}

    @abstractmethod
    def dial(self) -> Peer:
        """Give the server of a new connection."""

    @abstractmethod
    def set_up(self, turn: Turn) -> None:
        """Have the servers behave as this turn wants them to."""

    @abstractmethod
    def send(self, turn: Turn) -> Sequence[str]:
        """Send this turn's message and give the recipients said to be accepted."""

    @abstractmethod
    async def asend(self, turn: Turn) -> Sequence[str]: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    async def aclose(self) -> None: ...

    @abstractmethod
    def truth(self, turn: Turn) -> list[tuple[str, ...]]:
        """Give the recipients of each copy of a turn's message that a server has."""

    def attempt(self, turn: Turn) -> Sequence[str] | Exception:
        self.set_up(turn)
        try:
            return self.send(turn)
        except Exception as error:  # noqa: BLE001 - whatever escapes is judged
            return error

    async def aattempt(self, turn: Turn) -> Sequence[str] | Exception:
        self.set_up(turn)
        try:
            return await self.asend(turn)
        except Exception as error:  # noqa: BLE001 - whatever escapes is judged
            return error

    def play(self) -> tuple[str, list[str]]:
        if self.case.scenario.used:
            self.attempt("before")
        begun = self.network.now
        first = self.attempt("test")
        late = self.network.now - begun
        self.network.heal()
        then = self.attempt("after") if self._goes_on else None
        self.close()
        return self._judge(first, then, late)

    async def aplay(self) -> tuple[str, list[str]]:
        if self.case.scenario.used:
            await self.aattempt("before")
        begun = self.network.now
        first = await self.aattempt("test")
        late = self.network.now - begun
        self.network.heal()
        then = await self.aattempt("after") if self._goes_on else None
        await self.aclose()
        await asyncio.sleep(0)
        return self._judge(first, then, late)

    @property
    def _goes_on(self) -> bool:
        """Whether to send another message: always over a line that was kept.

        After a line that was cut off, a new one is as good as the first, so that every
        fourth such case will do.
        """
        cut = self.case.cut
        return cut is None or not cut.at % 4 or bool(self.network.leaked)

    def lengths(self) -> dict[Direction, tuple[int, int]]:
        """Give where the dialogue under test begins and ends, in bytes of its line."""
        if self.case.scenario.used:
            self.attempt("before")
        lines = self.network.lines
        sent, heard = (lines[0].sent, lines[0].heard) if lines else (0, 0)
        self.attempt("test")
        line = lines[0]
        found: dict[Direction, tuple[int, int]]
        found = {"up": (sent, line.sent), "down": (heard, line.heard)}
        self.close()
        return found

    def _judge(
        self,
        first: Sequence[str] | Exception,
        then: Sequence[str] | Exception | None,
        late: float,
    ) -> tuple[str, list[str]]:
        outcome, broken = self.verdict("test", first)
        if self.case.cut is None and outcome != self.case.scenario.uncut:
            broken.append(f"uncut it is {outcome}: {first}")
        if late > self.timeout + 0.1:
            broken.append(f"it took {late:.1f} s of {self.timeout:.0f}")
        if then is not None:
            after, worse = self.verdict("after", then)
            broken += [f"the message after it: {each}" for each in worse]
            if after != "accepted":
                broken.append(f"the message after it suffers: {after}: {then}")
        broken += [f"line {at} was left open" for at in self.network.leaked]
        return outcome, broken

    def verdict(
        self, turn: Turn, result: Sequence[str] | Exception
    ) -> tuple[str, list[str]]:
        claimed: Sequence[str] = ()
        if isinstance(result, DeliveryError):
            outcome: str = result.outcome
        elif isinstance(result, Exception):
            return "escaped", [f"{type(result).__name__} escaped: {result}"]
        else:
            outcome, claimed = "accepted", result
        return outcome, list(disagreements(outcome, claimed, self.truth(turn)))


class Player:
    """Plays cases, one after the other, in one place and one loop."""

    def __init__(
        self, place: Place, loop: MemoryLoop, stage: Callable[[Case, Network], Stage]
    ) -> None:
        self._place, self._loop, self._stage = place, loop, stage

    def play(self, case: Case) -> tuple[str, list[str]]:
        stage = self.stage(case)
        if case.how == "sync":
            return stage.play()
        return self._loop.run_until_complete(stage.aplay())

    def stage(self, case: Case) -> Stage:
        """Give a case a network of its own, on the clock of those before it."""
        network = Network(_nobody, now=self._place.network.now)
        self._place.network = self._loop.network = network
        return self._stage(case, network)

    def cases(self, scenario: Scenario, how: How) -> Iterator[Case]:
        """Give every case of a dialogue, from the length it has uncut."""
        whole = Case(scenario, how, None)
        lengths = self.stage(whole).lengths()
        yield whole
        for direction in scenario.directions:
            first, last = lengths[direction]
            for kind in UP if direction == "up" else DOWN:
                for at in range(first, last + 1):
                    yield replace(whole, cut=Cut(direction, at, kind))


@contextmanager
def player(stage: Callable[[Case, Network], Stage]) -> Iterator[Player]:
    """Give a player whose sends run in memory."""
    with installed() as place:
        loop = MemoryLoop()
        try:
            yield Player(place, loop, stage)
        finally:
            loop.close()


def played(
    stage: Callable[[Case, Network], Stage],
    scenarios: Iterable[Scenario],
    count: int | None,
    hows: Iterable[How],
) -> Figures:
    """Play so many of all the cases, or every one."""
    found = Figures()
    with player(stage) as at, found.timed():
        every = [
            case for how in hows for each in scenarios for case in at.cases(each, how)
        ]
        for case in sampled(every, count):
            found.add(case, *at.play(case))
    return found


def _nobody() -> Peer:
    raise AssertionError("dialled before there was anybody")
