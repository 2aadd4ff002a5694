"""Cancelling a send at every point where it waits.

A send is cancelled when it waits for the n-th time, for n from 1 until it ends before that.
What it comes to is held against what the server took; then as many sends as there may be
connections must go through at once, and nothing may be left open or running.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import pytest
from tenacity import stop_after_attempt

from mailbalance import Mailer, Message, RetryPolicy
from mailbalance.backend import Backend, Receipt
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.envelope import Envelope
from mailbalance.errors import DeliveryError
from mailbalance.events import Accepted, Attempted, Event, GaveUp
from mailbalance.wire.http import wire as http_wire
from mailbalance.wire.http.direct import outgoing
from tests.wire import http_submission as scripts
from tests.wire.certainty import Figures, disagreements
from tests.wire.cutting import TIMEOUT
from tests.wire.http_cuts import ENGINES, new_backend, recipients
from tests.wire.http_submission import HttpSubmission
from tests.wire.memory import MemoryLoop, Network, Peer, installed
from tests.wire.smtp_submission import Submission

#: Connections that each backend may hold here.
CONNECTIONS = 4

#: Bytes of a reply that come at once, so that there is a wait inside each reply.
FRAGMENT = 10


#: What becomes of the message under test: it is taken and said to be, or not clearly; or
#: it is refused.
Answer = Literal["clear", "unclear", "refusal"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

SCRIPTS = {"clear": scripts.OK, "unclear": scripts.GATEWAY, "refusal": scripts.REFUSED}
DOTS = {"clear": "250 ok", "unclear": "299-what\r\n250 ever", "refusal": "554 no"}


#: Bytes that ``direct`` writes last, so few that there is a wait before them.
LAST_BLOCK = 100


@dataclass(frozen=True)
class Door:
    """A way to send.

    Attributes:
        name: By which backend.
        engine: Whose hands move the bytes of HTTP.
        used: Whether its connection was used before.
        answer: What the server says.
    """

    name: Literal["ses", "mailtrap", "smtp"]
    engine: Any = None
    used: bool = False
    answer: Answer = "clear"


DOORS = tuple(
    Door(name, engine, used, answer)
    for used in (False, True)
    for answer in ANSWERS
    for name, engine in (
        *((api, engine) for api in ("ses", "mailtrap") for engine in ENGINES),
        ("smtp", None),
    )
)


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


class World(Protocol):
    """Where sends go: knows what was taken, and what is still open."""

    def took(self, recipient: str) -> list[tuple[str, ...]]:
        """Give the recipients of each copy of a recipient's message that was taken."""
        ...

    def behave(self, answer: Answer) -> None:
        """Have the servers answer like this from now on."""
        ...

    def connected(self) -> int:
        """Count the connections that are open."""
        ...

    def left_open(self) -> list[str]:
        """Say what of the client's is still open."""
        ...


class Memory:
    """Servers on lines in memory."""

    def __init__(self, door: Door, network: Network) -> None:
        self._door, self._network = door, network
        self._servers: list[Any] = []
        self._replies: dict[str, str] = {}
        self._script = scripts.OK
        network.dialled = self._dial
        network.fragment = FRAGMENT

    def _dial(self) -> Peer:
        server: Any
        if self._door.name == "smtp":
            server = Submission(
                security="starttls", pipelining=self._door.used, replies=self._replies
            )
        else:
            server = HttpSubmission(self._door.name, lambda: self._script)
        self._servers.append(server)
        return server  # type: ignore[no-any-return]

    def behave(self, answer: Answer) -> None:
        self._replies["dot"], self._script = DOTS[answer], SCRIPTS[answer]

    def took(self, recipient: str) -> list[tuple[str, ...]]:
        found = [each for server in self._servers for each in server.took]
        people = [
            each.recipients if self._door.name == "smtp" else recipients(each)
            for each in found
        ]
        return [each for each in people if recipient in each]

    def connected(self) -> int:
        return len(self._network.leaked)

    def left_open(self) -> list[str]:
        lines = [f"line {at} was left open" for at in self._network.leaked]
        return lines or ["a socket was left open"] * bool(self._network.sockets)


def note(who: str) -> Message:
    return Message(from_="a@x.com", to=[f"{who}@x.com"], subject=who, text="hi")


class Play:
    """One case being played."""

    def __init__(self, case: Case, backend: Backend, world: World) -> None:
        self.case, self.backend, self.world = case, backend, world
        self.waits = 0
        self.events: list[Event] = []
        self.message = note("test")
        self.task: asyncio.Task[Receipt] | None = None
        self.cancelled = False

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
        if _threads() > threads:
            broken.append("a thread was left running")
        verdict, wrong = self._verdict(result)
        return verdict, [*wrong, *broken, *self.world.left_open()]

    async def _cancelled_send(self) -> Receipt | BaseException:
        sending = self._through_mailer() if self.case.whole else self._by_backend()
        self.task = asyncio.ensure_future(sending)
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


def made(door: Door, patch: pytest.MonkeyPatch, port: int = 25, **options: Any) -> Any:
    """Make a door's backend, with few connections."""
    options["concurrency"] = CONNECTIONS
    if door.name == "smtp":
        return MailtrapSmtpBackend(
            token="t", host="127.0.0.1", port=port, tls="starttls", **options
        )
    patch.setattr(http_wire, "ENGINE", door.engine)
    patch.setattr(outgoing.cut, "__defaults__", (LAST_BLOCK,))
    secure = "s" if "ca" in options else ""
    return new_backend(door.name, f"http{secure}://127.0.0.1:{port}", **options)


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
