"""A server without sockets, which knows the truth about what it accepted.

The link to it can be cut after any byte in either direction, and the client may notice
that when it writes (even when all of that write arrived), at its next read, or only by a
timeout.
"""

from dataclasses import dataclass, field
from typing import Literal

from mailbalance.errors import DeliveryError
from mailbalance.wire.net.deadline import Deadline
from mailbalance.wire.smtp.commands import Features, Mail
from mailbalance.wire.smtp.replies import MalformedReplyError, Reply, ReplyReader
from mailbalance.wire.smtp.steps import Accepted, Ask, BrokenError, Read, Step, Write
from mailbalance.wire.smtp.transaction import Transaction

Notice = Literal["write", "late", "closed", "timeout", "junk"]
MAIL = Mail("a@x.com", ("b@x.com", "c@x.com"), b"Subject: x\n\n.dot\nend")


@dataclass
class SimulatedServer:
    """Takes bytes, gives bytes, and remembers what it took responsibility for."""

    replies: dict[str, str] = field(default_factory=dict)
    out: bytearray = field(default_factory=bytearray)
    commands: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    accepted: tuple[str, ...] = ()
    received: int = 0

    def __post_init__(self) -> None:
        self._inbox = bytearray()
        self._data = False
        self._recipients: list[str] = []

    def feed(self, data: bytes) -> None:
        self._inbox += data
        self.received += len(data)
        while (end := self._inbox.find(b"\r\n")) >= 0:
            line = self._inbox[:end].decode("latin-1")
            del self._inbox[: end + 2]
            self._take(line)

    def _take(self, line: str) -> None:
        if self._data:
            if line != ".":
                self.content.append(line)
                return
            self._data = False
            self._end()
            return
        self.commands.append(line)
        verb = line[:4]
        if verb == "RCPT":
            address = line[9:-1]
            reply = self.replies.get(address, "250 ok")
            if reply.startswith("2"):
                self._recipients.append(address)
        elif verb == "DATA":
            reply = self.replies.get("DATA") or (
                "354 go" if self._recipients else "554 no valid recipients"
            )
            self._data = reply.startswith("354")
        else:
            reply = self.replies.get(verb, "250 ok")
        self._say(reply)

    def _end(self) -> None:
        reply = self.replies.get("dot", "250 Ok 0100-id")
        if self._recipients and reply.startswith("2"):
            self.accepted = tuple(self._recipients)
        self._say(reply if self._recipients else "554 nobody")

    def _say(self, reply: str) -> None:
        self.out += f"{reply}\r\n".encode()


@dataclass
class Link:
    """The bytes between transaction and server, cut where it was asked."""

    server: SimulatedServer
    up_to_server: int = 1 << 30
    up_to_client: int = 1 << 30
    notice: Notice = "closed"
    sent: int = 0
    heard: int = 0

    def __post_init__(self) -> None:
        self.reader = ReplyReader()

    def do(self, step: Step) -> Reply | None:
        if isinstance(step, Write):
            self._write(bytes(step.data))
            if not isinstance(step, Ask):
                return None
        reply = self._next()
        if reply is None and (isinstance(step, (Ask, Read)) or self._seen_closed):
            raise self._broken()
        return reply

    @property
    def _cut(self) -> bool:
        room = self.up_to_server - self.sent - (self.notice == "late")
        return room < 0 or self.heard >= self.up_to_client

    @property
    def _seen_closed(self) -> bool:
        return self._cut and self.notice in ("write", "late", "closed")

    def _write(self, data: bytes) -> None:
        arrives = data[: max(0, self.up_to_server - self.sent)]
        self.sent += len(data)
        self.server.feed(arrives)
        if self._cut and self.notice in ("write", "late"):
            raise self._broken()

    def _next(self) -> Reply | None:
        fresh = bytes(self.server.out[: max(0, self.up_to_client - self.heard)])
        del self.server.out[: len(fresh)]
        self.heard += len(fresh)
        self.reader.feed(fresh)
        if self.heard >= self.up_to_client and self.notice == "junk":
            self.reader.feed(b"\x16\x03junk\r\n")
        try:
            return self.reader.next()
        except MalformedReplyError as error:
            raise BrokenError(str(error), "garbled") from error

    def _broken(self) -> BrokenError:
        if self.notice == "timeout":
            return BrokenError("no answer", "timeout")
        return BrokenError("cut", "closed")


def new_transaction(pipelining: bool = False, **other: object) -> Transaction:
    return Transaction(MAIL, Features(pipelining=pipelining), Deadline(30), **other)  # type: ignore[arg-type]


def drive(transaction: Transaction, link: Link) -> Accepted | DeliveryError:
    """Pump a transaction over a link to its end."""
    try:
        steps = transaction.run()
        step = next(steps)
        while not isinstance(step, Accepted):
            try:
                answer = link.do(step)
            except BrokenError as broken:
                step = steps.throw(broken)
            else:
                step = steps.send(answer)
    except DeliveryError as error:
        return error
    return step
