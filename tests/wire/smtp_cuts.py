"""Every byte of the SMTP dialogue, cut in every way, through the whole wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest

from mailbalance.wire.smtp import Credentials, Mail, Reuse, Server, SmtpWire
from mailbalance.wire.smtp import body as smtp_body
from tests.wire.certainty import Figures
from tests.wire.cutting import HOWS, Case, How, Stage, Turn, played
from tests.wire.memory import Network
from tests.wire.memory.line import Direction
from tests.wire.smtp_submission import Submission

#: Several writes for one small message, so that cuts fall between them and inside.
CHUNK = 40

MAILS: dict[Turn, Mail] = {
    "before": Mail("a@x.com", ("old@x.com",), b"Subject: before\n\nold"),
    "test": Mail(
        "a@x.com",
        ("b@x.com", "c@x.com"),
        b"Subject: test\n\n.a dot\n" + b"a line of some length\n" * 2 + b"end",
    ),
    "after": Mail("a@x.com", ("new@x.com",), b"Subject: after\n\nnew"),
}


@dataclass(frozen=True)
class SmtpScenario:
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
    directions: tuple[Direction, ...] = ("up", "down")

    @property
    def used(self) -> bool:
        return self.before != "nothing"

    @property
    def uncut(self) -> str:
        return "accepted" if self in TAKEN else "not_accepted"


REFUSED = {"b@x.com": "550 5.1.1 no such user"}
NOBODY = {"b@x.com": "550 no", "c@x.com": "451 later", "DATA": "354 go on"}
SPAM = {"dot": "554 5.7.1 spam"}

TAKEN = (
    SmtpScenario("plain", replies=REFUSED),
    SmtpScenario("pipelined over STARTTLS", "starttls", True, replies=REFUSED),
    SmtpScenario("over TLS at once", "implicit"),
    SmtpScenario("on a used connection", before="accepted"),
    SmtpScenario("pipelined on a used connection", "off", True, "accepted"),
    SmtpScenario("after a reset", before="refused"),
    SmtpScenario("pipelined after a reset", pipelining=True, before="refused"),
)
NOT_TAKEN = (
    SmtpScenario("for nobody", before="accepted", replies=NOBODY),
    SmtpScenario("for nobody, pipelined", "off", True, "accepted", NOBODY),
    SmtpScenario("put off at MAIL", replies={"MAIL": "451 4.3.0 later"}),
    SmtpScenario("refused at DATA", before="accepted", replies={"DATA": "554 no"}),
    SmtpScenario("put off at the dot", before="accepted", replies={"dot": "451 later"}),
    SmtpScenario("refused at the dot", "off", True, "accepted", SPAM),
)


class SmtpStage(Stage):
    """One case over SMTP."""

    def __init__(self, case: Case, network: Network) -> None:
        super().__init__(case, network)
        self.scenario: SmtpScenario = case.scenario
        self.servers: list[Submission] = []
        self._replies: dict[str, str] = {}
        self.go_to()

    def go_to(self, port: int = 587, ca: str | None = None) -> None:
        """Say where the server is."""
        secured = self.scenario.security != "off"
        server = Server(
            "127.0.0.1",
            port,
            security=self.scenario.security,
            credentials=Credentials("api", "s3cret") if secured else None,
            ca=ca,
        )
        self._wire = SmtpWire(server, backend="sim", reuse=Reuse(connections=1))

    def dial(self) -> Submission:
        server = Submission(
            replies=self._replies,
            security=self.scenario.security,
            pipelining=self.scenario.pipelining,
        )
        self.servers.append(server)
        return server

    def set_up(self, turn: Turn) -> None:
        self._replies.clear()
        if turn == "test":
            self._replies.update(self.scenario.replies)
        elif turn == "before" and self.scenario.before == "refused":
            self._replies["old@x.com"] = "550 no"

    def send(self, turn: Turn) -> Sequence[str]:
        return self._wire.send(MAILS[turn], timeout=self.timeout).recipients

    async def asend(self, turn: Turn) -> Sequence[str]:
        return (await self._wire.asend(MAILS[turn], timeout=self.timeout)).recipients

    def close(self) -> None:
        self._wire.close()

    async def aclose(self) -> None:
        await self._wire.aclose()

    def truth(self, turn: Turn) -> list[tuple[str, ...]]:
        mark = f"Subject: {turn}\n"
        took = [taken for server in self.servers for taken in server.took]
        return [each.recipients for each in took if each.content.startswith(mark)]


def figures(count: int | None = None, hows: Iterable[How] = HOWS) -> Figures:
    """Play so many of the cases, or all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp_body, "CHUNK", CHUNK)
        return played(SmtpStage, (*TAKEN, *NOT_TAKEN), count, hows)
