"""Every byte of the SMTP dialogue, cut in every way, through the whole wire.

A case is one message on one line that breaks somewhere, and a second message after it,
when the network is well again: what the first was said to have come to must be what the
server knows, and the second must not suffer from what the first left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

from mailbalance.errors import DeliveryError
from mailbalance.wire.smtp import Accepted, Credentials, Mail, Reuse, Server, SmtpWire
from mailbalance.wire.smtp import body as smtp_body
from tests.wire.certainty import Figures, disagreements, sampled
from tests.wire.memory import Cut, MemoryLoop, Network, installed
from tests.wire.memory.line import DOWN, UP
from tests.wire.memory.place import Place
from tests.wire.smtp_submission import Submission

How = Literal["sync", "async"]
TIMEOUT = 9.0

#: Several writes for one small message, so that cuts fall between them and inside.
CHUNK = 40

BEFORE = Mail("a@x.com", ("old@x.com",), b"Subject: before\n\nold")
UNDER_TEST = Mail(
    "a@x.com",
    ("b@x.com", "c@x.com"),
    b"Subject: under test\n\n.a dot\n" + b"a line of some length\n" * 2 + b"end",
)
AFTER = Mail("a@x.com", ("new@x.com",), b"Subject: after\n\nnew")


@dataclass(frozen=True)
class Scenario:
    """One kind of dialogue.

    Attributes:
        before: Whether a message went over the connection before: no, one that was
            accepted, or one for nobody, which leaves a transaction to reset.
    """

    name: str
    security: Literal["off", "starttls", "implicit"] = "off"
    pipelining: bool = False
    before: Literal["nothing", "accepted", "refused"] = "nothing"
    replies: dict[str, str] = field(default_factory=dict)


REFUSED = {"b@x.com": "550 5.1.1 no such user"}
NOBODY = {"b@x.com": "550 no", "c@x.com": "451 later", "DATA": "354 go on"}

TAKEN = (
    Scenario("plain", replies=REFUSED),
    Scenario("pipelined over STARTTLS", "starttls", pipelining=True, replies=REFUSED),
    Scenario("over TLS at once", "implicit"),
    Scenario("on a used connection", before="accepted"),
    Scenario("pipelined on a used connection", pipelining=True, before="accepted"),
    Scenario("after a reset", before="refused"),
    Scenario("pipelined after a reset", pipelining=True, before="refused"),
)
NOT_TAKEN = (
    Scenario("for nobody", before="accepted", replies=NOBODY),
    Scenario("for nobody, pipelined", "off", True, "accepted", NOBODY),
    Scenario("put off at MAIL", replies={"MAIL": "451 4.3.0 later"}),
    Scenario("refused at DATA", before="accepted", replies={"DATA": "554 no"}),
    Scenario("put off at the dot", before="accepted", replies={"dot": "451 later"}),
    Scenario("refused at the dot", "off", True, "accepted", {"dot": "554 5.7.1 spam"}),
)
SCENARIOS = (*TAKEN, *NOT_TAKEN)


@dataclass(frozen=True)
class Case:
    """One cut of one dialogue."""

    scenario: Scenario
    how: How
    cut: Cut | None

    def __str__(self) -> str:
        return f"{self.scenario.name}, {self.how}, {self.cut}"


class Stage:
    """One case being played."""

    def __init__(self, case: Case, network: Network) -> None:
        self.case = case
        self.scenario = case.scenario
        self.network = network
        self.replies: dict[str, str] = {}
        self.servers: list[Submission] = []
        network.dialled = self.dial
        network.cuts = {0: case.cut} if case.cut else {}
        credentials = Credentials("api", "s3cret")
        secured = case.scenario.security != "off"
        self.wire = SmtpWire(
            Server(
                "127.0.0.1",
                587,
                security=case.scenario.security,
                credentials=credentials if secured else None,
            ),
            backend="sim",
            reuse=Reuse(connections=1),
        )

    def dial(self) -> Submission:
        server = Submission(
            replies=self.replies,
            security=self.scenario.security,
            pipelining=self.scenario.pipelining,
        )
        self.servers.append(server)
        return server

    def truth(self, mail: Mail) -> list[tuple[str, ...]]:
        """Give the recipients of each copy of a message that a server took."""
        subject = mail.content.split(b"\n")[0].decode()
        return [
            taken.recipients
            for server in self.servers
            for taken in server.took
            if subject in taken.content
        ]

    # What happens, in order

    def begin(self) -> list[tuple[str, Mail]]:
        """Give the messages that come before, each with what is set up for it."""
        if self.scenario.before == "nothing":
            return []
        return [(self.scenario.before, BEFORE)]

    def set_up(self, what: str) -> None:
        self.replies.clear()
        if what == "refused":
            self.replies["old@x.com"] = "550 no"
        elif what == "test":
            self.replies.update(self.scenario.replies)
            self.started = self.network.now

    def verdict(
        self, mail: Mail, result: Accepted | BaseException
    ) -> tuple[str, list[str]]:
        taken = self.truth(mail)
        if isinstance(result, Accepted):
            outcome, claimed = "accepted", result.recipients
        elif isinstance(result, DeliveryError):
            outcome, claimed = result.outcome, ()
        else:
            return "escaped", [f"{type(result).__name__} escaped: {result}"]
        return outcome, list(disagreements(outcome, claimed, taken))

    def judge(
        self,
        first: Accepted | BaseException,
        then: Accepted | BaseException,
        late: float,
    ) -> tuple[str, list[str]]:
        outcome, broken = self.verdict(UNDER_TEST, first)
        if self.case.cut is None and (outcome == "accepted") != (
            self.scenario in TAKEN
        ):
            broken.append(f"uncut it is {outcome}: {first}")
        if late > TIMEOUT + 0.1:
            broken.append(f"it took {late:.1f} s of {TIMEOUT:.0f}")
        after, worse = self.verdict(AFTER, then)
        broken += [f"the message after it: {each}" for each in worse]
        if after != "accepted":
            broken.append(f"the message after it suffers: {after}: {then}")
        broken += [f"line {at} was left open" for at in self.network.leaked]
        return outcome, broken

    def play(self) -> tuple[str, list[str]]:
        for what, mail in self.begin():
            self.set_up(what)
            self._attempt(mail)
        self.set_up("test")
        first = self._attempt(UNDER_TEST)
        late = self.network.now - self.started
        self.network.heal()
        self.set_up("after")
        then = self._attempt(AFTER)
        self.wire.close()
        return self.judge(first, then, late)

    async def aplay(self) -> tuple[str, list[str]]:
        for what, mail in self.begin():
            self.set_up(what)
            await self._aattempt(mail)
        self.set_up("test")
        first = await self._aattempt(UNDER_TEST)
        late = self.network.now - self.started
        self.network.heal()
        self.set_up("after")
        then = await self._aattempt(AFTER)
        await self.wire.aclose()
        await asyncio.sleep(0)
        return self.judge(first, then, late)

    def _attempt(self, mail: Mail) -> Accepted | BaseException:
        try:
            return self.wire.send(mail, timeout=TIMEOUT)
        except Exception as error:  # noqa: BLE001 - whatever escapes is judged
            return error

    async def _aattempt(self, mail: Mail) -> Accepted | BaseException:
        try:
            return await self.wire.asend(mail, timeout=TIMEOUT)
        except Exception as error:  # noqa: BLE001 - whatever escapes is judged
            return error


class Player:
    """Plays cases, one after the other, in one place and one loop."""

    def __init__(self, place: Place, loop: MemoryLoop) -> None:
        self._place, self._loop = place, loop

    def play(self, case: Case) -> tuple[str, list[str]]:
        stage = self.stage(case)
        if case.how == "sync":
            return stage.play()
        return self._loop.run_until_complete(stage.aplay())

    def stage(self, case: Case) -> Stage:
        network = Network(Submission, now=self._place.network.now)
        self._place.network = self._loop.network = network
        return Stage(case, network)

    def cuts(self, scenario: Scenario, how: How) -> Iterator[Case]:
        """Give every case of a dialogue, from the length it has uncut."""
        whole = Case(scenario, how, None)
        stage = self.stage(whole)
        up, down = self._lengths(stage)
        yield whole
        for kind in UP:
            for at in range(up[0], up[1] + 1):
                yield replace(whole, cut=Cut("up", at, kind))
        for kind in DOWN:
            for at in range(down[0], down[1] + 1):
                yield replace(whole, cut=Cut("down", at, kind))

    def _lengths(self, stage: Stage) -> tuple[tuple[int, int], tuple[int, int]]:
        for what, mail in stage.begin():
            stage.set_up(what)
            stage._attempt(mail)
        lines = stage.network.lines
        sent, heard = (lines[0].sent, lines[0].heard) if lines else (0, 0)
        stage.set_up("test")
        stage._attempt(UNDER_TEST)
        line = stage.network.lines[0]
        lengths = (sent, line.sent), (heard, line.heard)
        stage.wire.close()
        return lengths


def figures(
    count: int | None = None, hows: tuple[How, ...] = ("sync", "async")
) -> Figures:
    """Play so many of the cases, or all of them."""
    found = Figures()
    with installed() as place, pytest.MonkeyPatch.context() as patch, found.timed():
        patch.setattr(smtp_body, "CHUNK", CHUNK)
        loop = MemoryLoop()
        try:
            player = Player(place, loop)
            cases = [
                case
                for how in hows
                for scenario in SCENARIOS
                for case in player.cuts(scenario, how)
            ]
            for case in sampled(cases, count):
                found.add(case, *player.play(case))
        finally:
            loop.close()
    return found
