"""A sync send interrupted at every system call on its socket, before it and after it.

The interrupt is a ``KeyboardInterrupt``, as a signal handler raises it wherever the thread
happens to be. The next send must go through, its reply its own, and nothing may stay open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from mailbalance.backend import Receipt
from mailbalance.envelope import Envelope
from tests.wire.certainty import Figures
from tests.wire.cutting import TIMEOUT
from tests.wire.doors import DOORS, Door, Memory, made, note
from tests.wire.memory import Network, Peer, installed

When = Literal["before", "after"]


@dataclass(frozen=True)
class Case:
    """One interrupt: just before or just after the n-th system call."""

    door: Door
    at: int
    when: When


class Play:
    """One case being played."""

    def __init__(self, case: Case, backend: Any, network: Network) -> None:
        self.case, self.backend, self.network = case, backend, network
        self.world = Memory(case.door, network)
        self.interrupted = False
        self._begun = 0

    def run(self) -> tuple[str, list[str]]:
        if self.case.door.used:
            self._send("before")
        self.world.behave(self.case.door.answer)
        self._begun = self.network.calls
        self.network.at_call = self._interrupt
        result = self._send("test")
        self.network.at_call = None
        self.world.behave("clear")
        broken = [
            f"a send after it suffers: {then!r}"
            for then in (self._send("new"), self._send("last"))
            if not isinstance(then, Receipt)
        ]
        broken += [
            f"{name}: taken {copies} times"
            for name in ("test", "new", "last")
            if (copies := len(self.world.took(f"{name}@x.com"))) > 1
        ]
        busy = self.backend.connections()[0]
        if busy:
            broken.append(f"{busy} places in the pool are lost")
        self.backend.close()
        return self._verdict(result), [*broken, *self.world.left_open()]

    def _verdict(self, result: Receipt | BaseException) -> str:
        if isinstance(result, KeyboardInterrupt):
            return "interrupted"
        return getattr(result, "outcome", "escaped")

    def _interrupt(self, number: int, name: str, when: When) -> None:
        if (name, when) == ("close", "before"):
            return  # nobody can close what an interrupt keeps them from closing
        if (number - self._begun, when) == (self.case.at, self.case.when):
            self.interrupted = True
            raise KeyboardInterrupt

    def _send(self, who: str) -> Receipt | BaseException:
        message = note(who)
        envelope = Envelope.of(message)
        try:
            return self.backend.send(message, envelope, timeout=TIMEOUT)  # type: ignore[no-any-return]
        except BaseException as error:  # noqa: BLE001 - whatever escapes is judged
            return error.with_traceback(None)


def figures(doors: tuple[Door, ...] = DOORS) -> Figures:
    """Interrupt at every system call of every door."""
    found = Figures()
    with installed() as place, pytest.MonkeyPatch.context() as patch, found.timed():
        for door in doors:
            backend = made(door, patch)
            for at in range(1, 1_000):
                interrupted = False
                for when in ("before", "after"):
                    case = Case(door, at, when)  # type: ignore[arg-type]
                    place.network = Network(_nobody, now=place.network.now)
                    play = Play(case, backend, place.network)
                    found.add(case, *play.run())
                    interrupted = interrupted or play.interrupted
                if not interrupted:
                    break
    return found


def _nobody() -> Peer:
    raise AssertionError("dialled before there was anybody")
