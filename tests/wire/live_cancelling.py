"""Cancelling at every wait, or at random ones, with live peers and a real event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.wire.cancelling import Case, Play
from tests.wire.certainty import SEED, Figures
from tests.wire.doors import DOTS, SCRIPTS, Answer, Door, made
from tests.wire.http_cuts import recipients
from tests.wire.memory import TurnedLoop
from tests.wire.peer import Caller, Peer
from tests.wire.smtp_peer import CERTIFICATE, SmtpPeer

#: Waits that no send comes to.
NEVER = 1_000_000


class Live:
    """Servers of one door, in threads."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answer: Answer = "clear"

    def behave(self, answer: Answer) -> None:
        self.answer = answer

    def took(self, recipient: str) -> list[tuple[str, ...]]:
        raise NotImplementedError

    def connected(self) -> int:
        return self._count("01")

    def left_open(self) -> list[str]:
        for _ in range(100):
            if not (found := self._count("01", "08")):
                return []
            time.sleep(0.02)
        return [f"{found} connections were left open"]

    def _count(self, *states: str) -> int:
        """Count the sockets of this machine that lead to the server, by the kernel.

        On a busy machine its table changes while it is read, and tells of one twice.
        """
        found = set()
        for row in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
            _, here, there, state = row.split()[:4]
            if int(there.rpartition(":")[2], 16) == self.port and state in states:
                found.add(here)
        return len(found)


class LiveHttp(Live):
    """SES or Mailtrap in TLS."""

    def __init__(self, door: Door, peer: Peer) -> None:
        super().__init__(peer.port)
        self._door = door
        self._took: list[Any] = []

    def act(self, caller: Caller) -> None:
        while request := caller.take():
            script = SCRIPTS[self.answer]
            if script.takes:
                self._took.append(json.loads(request.body))
            caller.say(script.reply(self._door.name))  # type: ignore[arg-type]

    def took(self, recipient: str) -> list[tuple[str, ...]]:
        return [r for r in map(recipients, list(self._took)) if recipient in r]


class LiveSmtp(Live):
    """A submission server with STARTTLS."""

    def __init__(self, peer: SmtpPeer) -> None:
        super().__init__(peer.port)
        self._peer = peer

    def behave(self, answer: Answer) -> None:
        self._peer.replies["dot"] = DOTS[answer]

    def took(self, recipient: str) -> list[tuple[str, ...]]:
        return [r for _, r, _ in list(self._peer.accepted) if recipient in r]


@contextmanager
def live(door: Door) -> Iterator[Live]:
    """Give a door's servers, running."""
    if door.name == "smtp":
        extensions = ("AUTH PLAIN", "PIPELINING") if door.used else ("AUTH PLAIN",)
        with SmtpPeer(security="starttls", extensions=extensions) as smtp:
            yield LiveSmtp(smtp)
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATE.configure_cert(context)
    acts: list[Callable[[Caller], None]] = []
    with Peer((lambda caller: acts[-1](caller),), tls=context) as peer:  # noqa: PLW0108 - it is known only later
        world = LiveHttp(door, peer)
        acts.append(world.act)
        yield world


def figures(
    doors: tuple[Door, ...], ca: str, *, whole: bool, count: int | None = None
) -> Figures:
    """Cancel at every wait of every door; or at so many random ones, for each."""
    found = Figures()
    with found.timed():
        for at, door in enumerate(doors):
            with pytest.MonkeyPatch.context() as patch:
                _one_door(found, door, ca, patch, whole, count, SEED + at)
    return found


def _one_door(
    found: Figures,
    door: Door,
    ca: str,
    patch: pytest.MonkeyPatch,
    whole: bool,
    count: int | None,
    seed: int,
) -> None:
    chance = random.Random(seed)
    with asyncio.Runner(loop_factory=TurnedLoop) as runner:

        def play(at: int, times: int = 1) -> Play:
            """Play a case on servers of its own, so that it can be told what is open."""
            with live(door) as world:
                backend = made(door, patch, world.port, ca=ca)
                case = Case(door, whole, at, times)
                play = Play(case, backend, world)
                found.add(case, *runner.run(play.run()))
            return play

        waits = play(NEVER).waits
        before = _descriptors()
        if count is None:
            at = 1
            while play(at).cancelled:
                at += 1
        else:
            for _ in range(count):
                play(chance.randint(1, waits), chance.choice((1, 1, 2, 9)))
        if (more := _descriptors() - before) > 0:
            found.violations.append(f"{door}: {more} descriptors were left open")


def _descriptors() -> int:
    gc.collect()
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/fd"))
    return 0
