"""The values of routing: what a split is made of, and what comes of it for one message.

What lives here: ``Entry``, ``Route`` and ``Share``. What must not: choosing; that is
``router``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from mailbalance.swift import swift

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from mailbalance.backend import Backend

Unit = Literal["messages", "recipients"]
#: Backends that act for one message in place of those of the same name.
StandIns: TypeAlias = "Mapping[str, Backend]"

#: No stand-ins.
NOBODY: StandIns = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One backend in the split.

    Attributes:
        backend: The backend.
        weight: Its weight relative to the others'; 0 carries nothing.
        backup: Whether it takes failover only.
        name: The backend's name, at hand.
    """

    backend: Backend
    weight: Fraction
    backup: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.backend.name)


@swift
@dataclass(frozen=True, slots=True)
class Route:
    """The order of backends for one message, with its reasons.

    Attributes:
        order: Backends to try, the chosen one first.
        assigned: Name of the chosen one.
        forced: Whether the split had less than its full choice.
        left_out: Backends that cannot carry the message, each with the reason.
        passed_over: Backends that could carry it but not now, each with the reason: they
            are cooling, drained or have no room. Filled by ``Mailer.route`` only.
    """

    order: tuple[Backend, ...]
    assigned: str
    forced: bool = False
    left_out: tuple[tuple[str, str], ...] = ()
    passed_over: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """How one backend stands in the split.

    Attributes:
        backend: Its name.
        weight: As configured; 0 for a backup.
        backup: Whether it takes failover only.
        share: The fraction of messages it amounts to, from 0 to 1.
        assigned: What the split chose for it; forced messages are not counted.
        forced: What went to it because others could not carry the message, or by ``via``.
        carried: What it accepted, failover included; a message that two backends carried
            for different recipients counts with both.
        diverted: Messages of its share that were offered to another first because it was
            cooling or drained.
        overflowed: The same because it had no room.
    """

    backend: str
    weight: Fraction
    backup: bool
    share: float
    assigned: int
    forced: int
    carried: int
    diverted: int = 0
    overflowed: int = 0
