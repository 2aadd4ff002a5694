"""Three mails in a row on one connection, cut at every byte in every way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from mailbalance.errors import DeliveryError
from mailbalance.wire.smtp import Mail
from mailbalance.wire.smtp import body as smtp_body
from mailbalance.wire.smtp.steps import Accepted
from tests.wire.certainty import Figures, disagreements
from tests.wire.cutting import HOWS, How, Turn, played
from tests.wire.smtp_cuts import CHUNK, SmtpScenario, SmtpStage

CHAIN = (
    Mail("a@x.com", ("b@x.com", "c@x.com"), b"Subject: test0\n\n.a dot\nsome text\n"),
    Mail("a@x.com", ("d@x.com",), b"Subject: test1\n\nthe second\n"),
    Mail("a@x.com", ("e@x.com",), b"Subject: test2\n\nthe third\nends"),
)

NOBODY = {"d@x.com": "550 5.1.1 no such user"}
SOME = {"b@x.com": "451 later"}


class ChainScenario(SmtpScenario):
    """One kind of dialogue about several mails; what it comes to is worked out."""

    @property
    def uncut(self) -> str:
        return "partly" if self.replies == NOBODY else "accepted"


SCENARIOS = (
    ChainScenario("a chain"),
    ChainScenario("a pipelined chain", pipelining=True),
    ChainScenario("a pipelined chain over STARTTLS", "starttls", True, replies=SOME),
    ChainScenario("a chain, one for nobody", replies=NOBODY),
    ChainScenario("a pipelined chain, one for nobody", "off", True, replies=NOBODY),
    ChainScenario("a pipelined chain on a used connection", "off", True, "accepted"),
    ChainScenario("a pipelined chain after a reset", "off", True, "refused"),
)


class ChainStage(SmtpStage):
    """One case: the message under test is three."""

    timeout = 27.0

    def send(self, turn: Turn) -> Any:
        if turn != "test":
            return super().send(turn)
        return self._wire.send_all(CHAIN, timeout=self.timeout)

    async def asend(self, turn: Turn) -> Any:
        if turn != "test":
            return await super().asend(turn)
        return await self._wire.asend_all(CHAIN, timeout=self.timeout)

    def verdict(self, turn: Turn, result: Any) -> tuple[str, list[str]]:
        if turn != "test":
            return super().verdict(turn, result)
        if isinstance(result, DeliveryError):
            result = [result] * len(CHAIN)
        if not isinstance(result, list):
            return "escaped", [f"{type(result).__name__} escaped: {result}"]
        if len(result) != len(CHAIN):
            return "escaped", [f"{len(result)} ends of {len(CHAIN)} mails"]
        outcomes, broken = set(), []
        for place, end in enumerate(result):
            outcome, claimed = _told(end)
            outcomes.add(outcome)
            found = disagreements(outcome, claimed, self._copies(place))
            broken += [f"mail {place}: {each}" for each in found]
        return outcomes.pop() if len(outcomes) == 1 else "partly", broken

    def _copies(self, place: int) -> list[tuple[str, ...]]:
        mark = f"Subject: test{place}\n"
        took = [taken for server in self.servers for taken in server.took]
        return [each.recipients for each in took if each.content.startswith(mark)]


def _told(end: Accepted | DeliveryError) -> tuple[str, Sequence[str]]:
    if isinstance(end, DeliveryError):
        return end.outcome, ()
    return "accepted", end.recipients


def figures(count: int | None = None, hows: Iterable[How] = HOWS) -> Figures:
    """Play so many of the cases, or all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp_body, "CHUNK", CHUNK)
        return played(ChainStage, SCENARIOS, count, hows)
