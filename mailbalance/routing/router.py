"""Which backends may carry a message, in which order, and why.

What lives here: eligibility, the pick, the order after it, and the counts of what was
assigned and carried. What must not: what happens when a backend fails; that is ``plan()``.
A failover overrides one pick and is never paid back: a provider that comes back after an
outage gets its share, not a flood.
"""

from __future__ import annotations

import copy
import os
import random as chance
import threading
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, get_args

from mailbalance.errors import ConfigError, MessageError
from mailbalance.routing.route import NOBODY, Entry, Route, Share, StandIns, Unit
from mailbalance.routing.split import Split, by_messages, by_recipients

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailbalance.backend import Backend
    from mailbalance.message import Envelope, Message


class Router:
    """Routes messages; safe to share between threads and tasks.

    Args:
        entries: The backends with their weights.
        unit: What the split counts: ``"messages"`` or ``"recipients"``.
        random: Makes the source of each start; called once in each process, so that a
            process forked from this one starts elsewhere.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        unit: Unit = "messages",
        random: Callable[[], chance.Random] = chance.Random,
    ) -> None:
        self.entries = tuple(entries)
        if not any(entry.weight > 0 and not entry.backup for entry in self.entries):
            raise ConfigError(
                "no backend has a weight above 0, so nothing could be sent"
            )
        if unit not in get_args(Unit):
            raise ConfigError("unit must be 'messages' or 'recipients'")
        self._weighted = tuple(e for e in self.entries if e.weight > 0 and not e.backup)
        self._backups = tuple(e for e in self.entries if e.backup)
        self.unit: Unit = unit
        self._make_split = by_messages if unit == "messages" else by_recipients
        self._random = random
        self._state = _State(random(), os.getpid())

    def route(
        self,
        message: Message,
        envelope: Envelope,
        *,
        via: str | None = None,
        stand_ins: StandIns = NOBODY,
    ) -> Route:
        """Choose the backends for one message and count the choice.

        Args:
            message: What to send.
            envelope: Who it goes to.
            via: Name of the one backend to use, leaving the split aside.
            stand_ins: Backends to use for this message in place of those of the same
                name; shares and counts are those of the name.

        Raises:
            MessageError: When no backend can carry the message; says why for each.
            ConfigError: When ``via`` names no backend of this router.
        """
        asked = _Asked(message, envelope, stand_ins)
        return self._route(asked, via, self._own_state())

    def preview(
        self, message: Message, envelope: Envelope, *, via: str | None = None
    ) -> Route:
        """Tell what ``route`` would answer now, without counting or moving the split."""
        state = self._own_state()
        with state.lock:
            trial = state.copy()
        return self._route(_Asked(message, envelope, NOBODY), via, trial)

    def carried(self, backend: str, recipients: int) -> None:
        """Count a message that a backend accepted for so many recipients."""
        state = self._own_state()
        with state.lock:
            state.carried[backend] += 1 if self.unit == "messages" else recipients

    def _size(self, envelope: Envelope) -> int:
        """Tell what a message counts in this router's unit."""
        return 1 if self.unit == "messages" else len(envelope.recipients)

    def shares(self) -> tuple[Share, ...]:
        """Report weights, shares and counts of this process."""
        state = self._own_state()
        total = sum((e.weight for e in self._weighted), Fraction())
        with state.lock:
            return tuple(
                Share(
                    backend=entry.name,
                    weight=Fraction() if entry.backup else entry.weight,
                    backup=entry.backup,
                    share=0.0 if entry.backup else float(entry.weight / total),
                    assigned=state.assigned[entry.name],
                    forced=state.forced[entry.name],
                    carried=state.carried[entry.name],
                )
                for entry in self.entries
            )

    def _own_state(self) -> _State:
        """Give this process's state; a forked child starts its own."""
        state = self._state
        if state.process != os.getpid():
            state = self._state = _State(self._random(), os.getpid())
        return state

    def _route(self, asked: _Asked, via: str | None, state: _State) -> Route:
        if via is not None:
            return self._pinned(asked, via, state)
        able = asked.able(self._weighted)
        spare = asked.able(self._backups) if self._backups else ()
        size = self._size(asked.envelope)
        if not able:
            return self._spare_only(asked, spare, size, state)
        forced = able is not self._weighted
        with state.lock:
            split = state.splits.get(able)
            if split is None:
                weights = [entry.weight for entry in able]
                split = state.splits[able] = self._make_split(weights, state.random)
            chosen = able[split.pick(size)]
            (state.forced if forced else state.assigned)[chosen.name] += size
        return asked.route(chosen, able, spare, forced=forced)

    def _spare_only(
        self, asked: _Asked, spare: tuple[Entry, ...], size: int, state: _State
    ) -> Route:
        if not spare:
            raise MessageError(
                f"{name} cannot carry this message: {why}"
                for name, why in asked.left_out
            )
        with state.lock:
            state.forced[spare[0].name] += size
        return asked.route(spare[0], (), spare, forced=True)

    def _pinned(self, asked: _Asked, via: str, state: _State) -> Route:
        names = [entry.name for entry in self.entries]
        if via not in names:
            raise ConfigError(
                f"via={via!r} names no backend; they are {', '.join(names)}"
            )
        entry = self.entries[names.index(via)]
        if not entry.backup and entry.weight == 0:
            raise ConfigError(
                f"via={via!r}: this backend has weight 0 and so carries nothing; "
                "give it a weight, or the word backup"
            )
        if not asked.able((entry,)):
            reason = asked.left_out[0][1]
            raise MessageError(f"{via} cannot carry this message: {reason}")
        with state.lock:
            state.forced[via] += self._size(asked.envelope)
        return asked.route(entry, (), (), forced=True)


@dataclass(slots=True)
class _State:
    """What changes from message to message, in one process."""

    random: chance.Random
    process: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: One split for each set of eligible backends: a counter shared between different
    #: sets would drift with the mix of messages.
    splits: dict[tuple[Entry, ...], Split] = field(default_factory=dict)
    assigned: Counter[str] = field(default_factory=Counter)
    forced: Counter[str] = field(default_factory=Counter)
    carried: Counter[str] = field(default_factory=Counter)

    def copy(self) -> _State:
        """Give a state that can be moved without moving this one."""
        twin = _State(copy.deepcopy(self.random), self.process)
        twin.splits = {entries: copy.deepcopy(s) for entries, s in self.splits.items()}
        return twin


class _Asked:
    """The question for one message: who can carry it, and in which order."""

    __slots__ = ("envelope", "left_out", "message", "stand_ins")

    def __init__(
        self, message: Message, envelope: Envelope, stand_ins: StandIns
    ) -> None:
        self.message = message
        self.envelope = envelope
        self.stand_ins = stand_ins
        self.left_out: list[tuple[str, str]] = []

    def able(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Give the entries that can carry it; note the reasons of the others."""
        able = entries
        for entry in entries:
            who = self.who(entry) if self.stand_ins else entry.backend
            if reason := who.refuses(self.message, self.envelope):
                able = tuple(e for e in able if e is not entry)
                self.left_out.append((entry.name, reason))
        return able

    def who(self, entry: Entry) -> Backend:
        """Give the backend that acts for an entry."""
        return self.stand_ins.get(entry.name, entry.backend)

    def route(
        self,
        chosen: Entry,
        able: tuple[Entry, ...],
        spare: tuple[Entry, ...],
        *,
        forced: bool,
    ) -> Route:
        """Put the chosen one first, then other accounts, then the heavier; backups last."""
        others = [entry for entry in (*able, *spare) if entry is not chosen]
        if len(others) > 1:
            self._sort(others, self.who(chosen).account)
        entries = (chosen, *others)
        if self.stand_ins:
            order = tuple(map(self.who, entries))
        else:
            order = tuple([entry.backend for entry in entries])
        return Route(order, chosen.name, forced, tuple(self.left_out))

    def _sort(self, others: list[Entry], account: str) -> None:
        def rank(entry: Entry) -> tuple[bool, bool, Fraction]:
            return entry.backup, self.who(entry).account == account, -entry.weight

        others.sort(key=rank)
