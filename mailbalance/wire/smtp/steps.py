"""What a transaction asks of its driver, and what it may be told.

What lives here: the steps, the value of success, and the failure a driver reports. What
must not: the dialogue (``transaction``) or its pumping (``blocking``, ``looped_pump``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from mailbalance.frozen import FrozenDict
from mailbalance.swift import swift

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from mailbalance.backend import Refusal
    from mailbalance.wire.smtp.replies import Reply


@dataclass(slots=True)  # a step lives for one yield; to freeze it would double its cost
class Write:
    """Hand these bytes over, in at most ``limit`` seconds."""

    data: bytes | memoryview
    limit: float


@dataclass(slots=True)
class Commit(Write):
    """Hand over the end of a message; what comes next must be the reply to it."""


@dataclass(slots=True)
class Ask(Write):
    """Hand these bytes over and wait for the next reply, in at most ``limit`` seconds."""


@dataclass(slots=True)
class Read:
    """Wait at most ``limit`` seconds for the next reply."""

    limit: float


@dataclass(frozen=True, slots=True)
class Glance:
    """Look whether a reply is already there; give it, or ``None``."""


GLANCE = Glance()


@swift
@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the message.

    Attributes:
        reply: Its reply to the message.
        recipients: Those it accepted.
        refused: Those it did not, each with the reply.
    """

    reply: Reply
    recipients: tuple[str, ...]
    refused: Mapping[str, Refusal] = FrozenDict()


Step: TypeAlias = Write | Read | Glance | Accepted

if TYPE_CHECKING:
    Steps = Generator[Step, Reply | None, None]


class BrokenError(Exception):
    """The connection failed.

    Attributes:
        kind: ``"closed"`` by the other side, ``"timeout"``, or ``"garbled"``: what came is
            no reply.
        begun: The first digit of a reply of which only a part came, or ``""``.
    """

    def __init__(self, why: str, kind: Literal["closed", "timeout", "garbled"]) -> None:
        super().__init__(why)
        self.kind = kind
        self.begun = ""
