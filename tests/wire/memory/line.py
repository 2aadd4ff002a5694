"""The lines themselves: what one side writes, and how much of it the other ever sees.

The server is in the same thread and answers at once, so a line changes only when the
client writes. A cut strikes after so many bytes in one direction:

``close``   the server closes; what the client still writes goes nowhere
``reset``   the write that brings the last of these bytes fails, though they arrived
``stall``   nothing more is taken, or nothing more comes back
``held``    the network takes all that is written, and delivers it after the verdict
``junk``    the server says something that is no reply; its own words are lost, if it is
            they that were cut
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

JUNK = b"\x16\x03junk\r\n"

Direction = Literal["up", "down"]
Kind = Literal["close", "reset", "stall", "held", "junk"]

UP: tuple[Kind, ...] = ("close", "reset", "stall", "held", "junk")
DOWN: tuple[Kind, ...] = ("close", "reset", "stall", "junk")


class Peer(Protocol):
    """A server: it is fed, and what it says is in ``out``; ``over`` when it has closed."""

    out: bytearray
    over: bool

    def feed(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a line breaks, and how."""

    direction: Direction
    at: int
    kind: Kind


class Line:
    """One connection; the client's end of it is a socket or a transport."""

    def __init__(self, peer: Peer, cut: Cut | None = None) -> None:
        self.peer = peer
        self.cut = cut
        self.sent = self.heard = 0
        self.struck = False
        self.left_behind = b""
        self.gone = False
        self._broken = self._ended = self._deaf = False
        self._away: Literal["", "lost", "blocked", "held"] = ""
        self._held = bytearray()
        if cut and (cut.direction, cut.at) == ("up", 0):
            self._strike(b"")

    @property
    def full(self) -> bool:
        """Whether it takes nothing now."""
        return self._away == "blocked"

    def take(self, data: bytes) -> int:
        """Take what the client writes; say how much of it."""
        if self._broken:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        if self._away:
            return self._lead_astray(data)
        cut = self.cut
        if cut is None or self.struck or cut.direction == "down":
            return self._arrive(data)
        if self.sent + len(data) < cut.at:
            return self._arrive(data)
        room = cut.at - self.sent
        self._arrive(data[:room])
        taken = room + self._strike(data[room:])
        if self._broken:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        return taken

    def look(self) -> bytes | None:
        """Give what the client could read now; ``b""`` at the end, ``None`` if it waits."""
        cut = self.cut
        if self._broken:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        if self._deaf:
            return None
        if cut and cut.direction == "down" and not self.struck:
            if room := cut.at - self.heard:
                return self._words(room)
            self._strike(b"")
            return self.look()
        return self._words(len(self.peer.out))

    def give(self, most: int) -> bytes | None:
        """Do as ``look`` does, and take it off the line."""
        found = self.look()
        if not found:
            return found
        found = found[:most]
        del self.peer.out[: len(found)]
        self.heard += len(found)
        return found

    def heal(self) -> None:
        """Let what was under way arrive, and everything go on from there."""
        late, self._held = bytes(self._held) + self.left_behind, bytearray()
        self.left_behind = b""
        if self._away in ("blocked", "held"):
            self._away = ""
        self._deaf = False
        if self.cut and self.cut.kind in ("stall", "held"):
            self.struck = True
        self._arrive(late)

    def _words(self, room: int) -> bytes | None:
        if self.peer.out:
            return bytes(self.peer.out[:room])
        return b"" if self._ended or self.peer.over else None

    def _arrive(self, data: bytes) -> int:
        self.sent += len(data)
        if data:
            self.peer.feed(data)
        return len(data)

    def _lead_astray(self, data: bytes) -> int:
        if self._away == "blocked":
            return 0
        if self._away == "held":
            self._held += data
        else:
            self._broken = True  # the answer to bytes that nobody wanted
        return len(data)

    def _strike(self, rest: bytes) -> int:
        assert self.cut is not None
        self.struck = True
        return getattr(self, f"_{self.cut.kind}_{self.cut.direction}")(rest)

    def _close_up(self, rest: bytes) -> int:
        self._ended, self._away = True, "lost"
        return len(rest)

    def _reset_up(self, _rest: bytes) -> int:
        self._broken = True
        return 0

    def _stall_up(self, _rest: bytes) -> int:
        self._away = "blocked"
        return 0

    def _held_up(self, rest: bytes) -> int:
        self._away = "held"
        self._held += rest
        return len(rest)

    def _junk_up(self, rest: bytes) -> int:
        self.peer.out += JUNK
        return self._arrive(rest)

    def _close_down(self, _rest: bytes) -> int:
        self.peer.out = bytearray()
        self._ended = True
        return 0

    def _reset_down(self, _rest: bytes) -> int:
        self._broken = True
        return 0

    def _stall_down(self, _rest: bytes) -> int:
        self._deaf = True
        return 0

    def _junk_down(self, _rest: bytes) -> int:
        self.peer.out = bytearray(JUNK)
        return 0


@dataclass
class Network:
    """All lines of one case, in the order they were dialled, and its clock."""

    dialled: Callable[[], Peer]
    cuts: dict[int, Cut] = field(default_factory=dict)
    now: float = 1000.0
    lines: list[Line] = field(default_factory=list)
    sockets: dict[int, Any] = field(default_factory=dict)
    fragment: int = 65536
    calls: int = 0
    at_call: Callable[[int, str, Literal["before", "after"]], None] | None = None

    def connect(self) -> Line:
        line = Line(self.dialled(), self.cuts.get(len(self.lines)))
        self.lines.append(line)
        return line

    def heal(self) -> None:
        for line in self.lines:
            line.heal()

    @property
    def leaked(self) -> list[int]:
        """Lines whose client never closed them."""
        return [at for at, line in enumerate(self.lines) if not line.gone]
