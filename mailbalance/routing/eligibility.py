"""Who can carry a message at all, and in which order they are asked.

Eligibility comes first: a backend that cannot carry a message is left out, with its reason,
before the split picks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from mailbalance.errors import ConfigError, MessageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from mailbalance.backend import Backend
    from mailbalance.message import Envelope, Message

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


@dataclass(slots=True)
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


class Eligible:
    """The answer for one message: who can carry it, and why the others cannot.

    Args:
        message: What to send.
        envelope: Who it goes to.
        stand_ins: Backends that act for this message in place of those of the same name.

    Attributes:
        left_out: Backends that cannot carry it, each with the reason.
    """

    __slots__ = ("_envelope", "_message", "_stand_ins", "left_out")

    def __init__(
        self, message: Message, envelope: Envelope, stand_ins: StandIns = NOBODY
    ) -> None:
        self._message = message
        self._envelope = envelope
        self._stand_ins = stand_ins
        self.left_out: list[tuple[str, str]] = []

    def of(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Return those that can carry it, and note the reasons of the others."""
        able = entries
        for entry in entries:
            if reason := self._who(entry).refuses(self._message, self._envelope):
                able = tuple(e for e in able if e is not entry)
                self.left_out.append((entry.name, reason))
        return able

    def only(self, via: str, entries: Sequence[Entry]) -> Entry:
        """Return the one entry that the caller named.

        Raises:
            ConfigError: When there is none of that name, or it carries nothing.
            MessageError: When it cannot carry the message.
        """
        names = [entry.name for entry in entries]
        if via not in names:
            raise ConfigError(
                f"via={via!r} names no backend; they are {', '.join(names)}"
            )
        entry = entries[names.index(via)]
        if not entry.backup and entry.weight == 0:
            raise ConfigError(
                f"via={via!r}: this backend has weight 0 and so carries nothing; "
                "give it a weight, or the word backup"
            )
        if not self.of((entry,)):
            raise self.nobody()
        return entry

    def nobody(self) -> MessageError:
        """Make the error that says why no backend can carry it."""
        return MessageError(
            f"{name} cannot carry this message: {why}" for name, why in self.left_out
        )

    def route(
        self, chosen: Entry, others: Sequence[Entry], *, forced: bool = False
    ) -> Route:
        """Make the route: the chosen one, other accounts, the heavier; backups last."""
        rest = [entry for entry in others if entry is not chosen]
        if len(rest) > 1:
            account = self._who(chosen).account

            def rank(entry: Entry) -> tuple[bool, bool, Fraction]:
                same = self._who(entry).account == account
                return entry.backup, same, -entry.weight

            rest.sort(key=rank)
        order = tuple(self._who(entry) for entry in (chosen, *rest))
        return Route(order, chosen.name, forced, tuple(self.left_out))

    def _who(self, entry: Entry) -> Backend:
        return self._stand_ins.get(entry.name, entry.backend)
