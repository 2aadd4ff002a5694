"""The doors that sends are cancelled and interrupted at, and the worlds behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import pytest

from mailbalance import Message
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.wire.http import request
from tests.wire import http_submission as scripts
from tests.wire.http_cuts import WAYS, Way, new_backend, recipients
from tests.wire.http_submission import HttpSubmission
from tests.wire.memory import Network, Peer
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


#: Bytes of a request that are written last, so few that there is a wait before them.
LAST_BLOCK = 100


#: As many as are written last otherwise.
WHOLE = request.LAST_BLOCK

APIS: tuple[Literal["ses", "mailtrap"], ...] = ("ses", "mailtrap")


@dataclass(frozen=True)
class Door:
    """A way to send.

    Attributes:
        name: By which backend.
        way: Which way HTTP goes; ``whole`` in one write, with no wait before it.
        used: Whether its connection was used before.
        answer: What the server says.
    """

    name: Literal["ses", "mailtrap", "smtp"]
    way: Way | Literal["whole"] | None = None
    used: bool = False
    answer: Answer = "clear"


DOORS = tuple(
    Door(name, way, used, answer)
    for used in (False, True)
    for answer in ANSWERS
    for name, way in (
        *((api, way) for api in APIS for way in (*WAYS, "whole")),
        ("smtp", None),
    )
)


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


def made(door: Door, patch: pytest.MonkeyPatch, port: int = 25, **options: Any) -> Any:
    """Make a door's backend, with few connections."""
    options["concurrency"] = CONNECTIONS
    if door.name == "smtp":
        return MailtrapSmtpBackend(
            token="t", host="127.0.0.1", port=port, tls="starttls", **options
        )
    patch.setattr(request, "LAST_BLOCK", WHOLE if door.way == "whole" else LAST_BLOCK)
    if door.way == "proxy":
        options["environ"] = {"HTTPS_PROXY": "http://127.0.0.1:3128"}
        return new_backend(door.name, f"https://127.0.0.1:{port}", **options)
    secure = "s" if "ca" in options else ""
    return new_backend(door.name, f"http{secure}://127.0.0.1:{port}", **options)
