"""A proxy that breaks connections on purpose, by a seeded plan.

What lives here: a process of its own between a client and TCP servers, and what it did.
What must not: mailbalance, or a look into the dialogue. TLS passes as bytes: the proxy
knows a mail by its volume, since nothing else that a client sends is as long as ``BODY``,
and takes the server's first bytes after such a burst for the reply to the final dot.

Run: python -m tests.peers.cutting_proxy SEED MAIL_RATE OTHER_RATE PORT [PORT ...]
It prints the ports that lead to those, and at the end of its input what it did, as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field

#: Bytes between two words of the server that only a mail can be; a ClientHello has up to
#: about 2,000. Mails of a test must be longer.
BODY = 3000
#: Bytes at the end of a burst where the dot is, in a TLS record of its own.
DOT = 30
#: How a connection may end, with weights: in peace, by a reset, or by falling silent.
ENDS = (("close", 9), ("reset", 9), ("stall", 1))
_AT_A_MAIL = (
    ("reply lost", 6),  # the server has it, and the client never hears
    ("reply cut", 2),
    ("dot cut", 4),  # the end of the mail is short of some bytes
    ("mail cut", 3),
    ("no wait", 1),  # passed on, and cut before the server can answer
    ("idle cut", 2),  # after the reply was passed on whole
    ("late", 2),
)
_ELSEWHERE = (("up cut", 3), ("down cut", 3), ("late", 1))
#: A client that goes away by a reset sends it at once, whatever was still to be sent.
_RESET = struct.pack("ii", 1, 0)


def _draw(chance: random.Random, weighted: tuple[tuple[str, int], ...]) -> str:
    kinds, weights = zip(*weighted, strict=True)
    return str(chance.choices(kinds, weights)[0])


@dataclass
class Plan:
    """When to strike, and what was done.

    Attributes:
        withheld: Answers to a mail that the server gave and the client never got whole.
        unsure: Mails passed on whose answer nobody waited for.
    """

    seed: str
    mail_rate: float
    other_rate: float
    strikes: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    unsure: int = 0
    connections: itertools.count[int] = field(default_factory=itertools.count)

    def figures(self) -> dict[str, object]:
        return {
            "strikes": dict(sorted(self.strikes.items())),
            "withheld": self.withheld,
            "unsure": self.unsure,
        }


class Side(asyncio.Protocol):
    """One end of a session; what comes goes to the session's judgement."""

    transport: asyncio.Transport | None = None

    def __init__(self, session: Session, *, near: bool) -> None:
        self.session, self.near = session, near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.near:
            self.session.opening = asyncio.create_task(self.session.open())

    def data_received(self, data: bytes) -> None:
        (self.session.up if self.near else self.session.down)(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.session.lost(self)

    def write(self, data: bytes) -> None:
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def end(self, how: str = "close") -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if how == "reset":
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        elif how == "close":
            self.transport.close()


class Session:
    """A client's connection, the one to the server, and the strikes between them."""

    opening: asyncio.Task[None]

    def __init__(self, plan: Plan, port: int) -> None:
        self.plan, self.port = plan, port
        # Each connection has chances of its own, whatever happens on the others.
        self.chance = random.Random(f"{plan.seed}/{next(plan.connections)}")
        self.near, self.far = Side(self, near=True), Side(self, near=False)
        self.early = bytearray()
        self.burst = 0
        self.armed = ""
        self.held = b""
        self.over = False

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.far, "127.0.0.1", self.port)
        except OSError:
            self.near.end("reset")
            return
        self.far.write(bytes(self.early))

    def up(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self.over:
            return
        began, before = self.burst == 0, self.burst < BODY
        self.burst += len(data)
        if self.burst >= BODY and before:
            self.armed = self._chosen(self.plan.mail_rate, _AT_A_MAIL)
        elif began:
            self.armed = self._chosen(self.plan.other_rate, _ELSEWHERE)
        if self.armed in ("up cut", "mail cut"):
            self._pass_up(data[: self.chance.randrange(len(data))])
            self._strike()
        elif self.armed == "dot cut" and (
            len(data) <= DOT or self.chance.random() < 0.5
        ):
            self._pass_up(data[: -self.chance.randint(1, min(DOT, len(data)))])
            self._strike()
        elif self.armed == "no wait":
            self._pass_up(data)
            self.plan.unsure += 1
            self._strike()
        else:
            self._pass_up(data)

    def down(self, data: bytes) -> None:
        """Take bytes of the server."""
        mail, self.burst = self.burst >= BODY, 0
        armed, self.armed = self.armed, ""
        if self.over:
            return
        gone = self.near.transport is None or self.near.transport.is_closing()
        cut = armed in ("reply lost", "reply cut", "down cut", "dot cut")
        self.plan.withheld += mail and (cut or gone)
        if armed in ("reply cut", "down cut"):
            self.near.write(data[: self.chance.randrange(len(data))])
        elif armed == "late" and not self.held:
            self.plan.strikes["late"] += 1
            self.held += data
            pause = self.chance.uniform(0.005, 0.05)
            asyncio.get_running_loop().call_later(pause, self._release)
        elif not cut:
            self._release(data)
        if cut or armed == "idle cut":
            self._strike(armed)

    def lost(self, side: Side) -> None:
        """End the other side when one has gone."""
        if side.near and not self.over and (self.burst >= BODY or self.held):
            self.plan.unsure += 1
        if not side.near and not self.over:
            self._release()
        (self.far if side.near else self.near).end()

    def _release(self, data: bytes = b"") -> None:
        """Pass on what is held back, and what came after it."""
        held, self.held = self.held, b""
        self.near.write(held + data)

    def _pass_up(self, data: bytes) -> None:
        if self.far.transport is None:
            self.early += data
        else:
            self.far.write(data)

    def _chosen(self, rate: float, kinds: tuple[tuple[str, int], ...]) -> str:
        return _draw(self.chance, kinds) if self.chance.random() < rate else ""

    def _strike(self, armed: str = "") -> None:
        """End the session; a server that owes an answer is not asked for it again."""
        self.over = True
        how = _draw(self.chance, ENDS)
        self.plan.strikes[f"{armed or self.armed}, {how}"] += 1
        self.near.end(how)
        if how != "stall":
            self.far.end(self.chance.choice(("close", "reset")))


async def main(seed: str, mail_rate: str, other_rate: str, *ports: str) -> None:
    """Listen until the end of the input, then tell what was done."""
    plan = Plan(seed, float(mail_rate), float(other_rate))
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(
            lambda port=int(port): Session(plan, port).near, "127.0.0.1", 0
        )
        for port in ports
    ]
    print(*(each.sockets[0].getsockname()[1] for each in servers), flush=True)  # noqa: T201
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(plan.figures()), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
