"""Every byte of an HTTP exchange, cut in every way, through the backends and their wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import pytest

from mailbalance import Message
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.envelope import Envelope
from mailbalance.wire.http import request
from tests.wire import http_submission as scripts
from tests.wire.certainty import Figures
from tests.wire.cutting import HOWS, Case, How, Stage, Turn, played
from tests.wire.http_submission import Api, HttpSubmission, Script
from tests.wire.memory import Network
from tests.wire.memory.line import Direction

#: Straight to the server, or in TLS through a proxy that connects us to it.
Way = Literal["direct", "proxy"]
WAYS: tuple[Way, ...] = get_args(Way)

MESSAGES: dict[Turn, Message] = {
    turn: Message(from_="a@x.com", to=[f"{turn}@x.com"], subject=turn, text="hi")
    for turn in ("before", "test", "after")
}
ENVELOPES = {turn: Envelope.of(message) for turn, message in MESSAGES.items()}


@dataclass(frozen=True)
class HttpScenario:
    """One kind of exchange.

    Attributes:
        block: Bytes at a request's end that are written last, and apart.
    """

    name: str
    api: Api
    script: Script
    used: bool = False
    uncut: Literal["accepted", "not_accepted", "unknown"] = "accepted"
    directions: tuple[Direction, ...] = ("down",)
    way: Way = "direct"
    block: int = request.LAST_BLOCK


def _scenarios(api: Api) -> Iterable[HttpScenario]:
    both: tuple[Direction, ...] = ("up", "down")

    def name(what: str) -> str:
        return f"{api}: {what}"

    yield HttpScenario(
        name("a new connection"), api, scripts.OK, directions=both, block=100
    )
    yield HttpScenario(name("a used one"), api, scripts.OK, True, directions=both)
    yield HttpScenario(name("in chunks"), api, scripts.IN_CHUNKS)
    yield HttpScenario(name("in chunks, used"), api, scripts.IN_CHUNKS, used=True)
    yield HttpScenario(name("up to the end"), api, scripts.TO_THE_END)
    yield HttpScenario(name("continued"), api, scripts.CONTINUED, used=True)
    yield HttpScenario(name("a reply too many"), api, scripts.ONE_MORE, used=True)
    yield HttpScenario(name("refused"), api, scripts.REFUSED, True, "not_accepted")
    yield HttpScenario(name("busy"), api, scripts.BUSY, uncut="not_accepted")
    yield HttpScenario(name("a bad gateway"), api, scripts.GATEWAY, True, "unknown")
    yield HttpScenario(name("no id"), api, scripts.WITHOUT_ID, True, "unknown")
    yield HttpScenario(name("too large"), api, scripts.TOO_LARGE, uncut="not_accepted")


SCENARIOS = (*_scenarios("ses"), *_scenarios("mailtrap"))


class HttpStage(Stage):
    """One case over HTTP."""

    def __init__(self, case: Case, network: Network) -> None:
        super().__init__(case, network)
        self.scenario: HttpScenario = case.scenario
        self.servers: list[HttpSubmission] = []
        self._script = scripts.OK
        self.go_to()

    def go_to(self, port: int = 0, ca: str | None = None) -> None:
        """Say where the server is; without a port, it is in memory."""
        request.LAST_BLOCK = self.scenario.block
        if not port:
            self._backend = backend_of(self.scenario.api, self.scenario.way)
            return
        base = f"https://127.0.0.1:{port}"
        self._backend = new_backend(self.scenario.api, base, ca=ca)

    def dial(self) -> HttpSubmission:
        server = HttpSubmission(self.scenario.api, lambda: self._script)
        self.servers.append(server)
        return server

    def set_up(self, turn: Turn) -> None:
        self._script = self.scenario.script if turn == "test" else scripts.OK

    def send(self, turn: Turn) -> Sequence[str]:
        sent = self._backend.send(MESSAGES[turn], ENVELOPES[turn], timeout=self.timeout)
        return sent.accepted

    async def asend(self, turn: Turn) -> Sequence[str]:
        sending = self._backend.asend(
            MESSAGES[turn], ENVELOPES[turn], timeout=self.timeout
        )
        return (await sending).accepted

    def close(self) -> None:
        self._backend.close()

    async def aclose(self) -> None:
        await self._backend.aclose()

    def truth(self, turn: Turn) -> list[tuple[str, ...]]:
        took = [recipients(each) for server in self.servers for each in server.took]
        return [each for each in took if each == ENVELOPES[turn].recipients]


def recipients(body: dict[str, Any]) -> tuple[str, ...]:
    """Read them off a request's body."""
    if "Destination" in body:
        return tuple(body["Destination"]["ToAddresses"])
    return tuple(each["email"] for each in body["to"])


@cache
def backend_of(api: Api, way: Way) -> SesBackend | MailtrapBackend:
    """Give a backend that goes to this machine; every case leaves it without connections.

    Making one of SES has botocore read its files, which takes far longer than a case.
    """
    if way == "direct":
        return new_backend(api)
    environ = {"HTTPS_PROXY": "http://127.0.0.1:3128"}
    return new_backend(api, "https://127.0.0.1:443", environ=environ)


def new_backend(
    api: Api, base: str = "http://127.0.0.1:80", **options: Any
) -> SesBackend | MailtrapBackend:
    """Make a backend that knows where to go and with which keys."""
    options.setdefault("environ", {})
    if api == "mailtrap":
        return MailtrapBackend(token="t", base_url=base, **options)
    backend = SesBackend(
        region="eu-west-1",
        endpoint=base,
        access_key="AKIDEXAMPLE",
        secret_key="s3cret",
        **options,
    )
    backend.preview(MESSAGES["test"], ENVELOPES["test"])  # finds out where it goes
    return backend


def figures(
    count: int | None = None,
    hows: Iterable[How] = HOWS,
    ways: Iterable[Way] = WAYS,
) -> Figures:
    """Play so many of the cases, or all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request, "LAST_BLOCK", request.LAST_BLOCK)
        every = [replace(each, way=way) for way in ways for each in SCENARIOS]
        return played(HttpStage, every, count, hows)
