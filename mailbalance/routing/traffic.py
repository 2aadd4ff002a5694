"""Which backend may be tried now: health and limits, put over the split's choice.

What lives here: ``Traffic``, which gives a ``Pass`` for each try and learns from what came
of it. What must not: I/O, sleeping, a clock of its own, or who is asked in which order; the
router says that, and the plan.

The rules, in order. What a person drained is never used. The first in the route's order
that is fit and has room goes. One without room is passed over for one that has room, or
waited for if none has. One that is cooling is passed over; after its rest one message at a
time finds out whether it is well. If none is fit, the one that would be next is tried all
the same: mail never stops in silence because a breaker says so.
"""

from __future__ import annotations

import os
import random as chance
from math import inf
from typing import TYPE_CHECKING

from mailbalance.errors import DeliveryError, ThrottledError, UnavailableError
from mailbalance.routing.choice import Ask, Fresh, View, best
from mailbalance.routing.gate import Pass
from mailbalance.routing.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mailbalance.backend import Backend, Rate, Receipt
    from mailbalance.events import HealthChanged
    from mailbalance.message import Envelope
    from mailbalance.routing.choice import Candidate
    from mailbalance.routing.route import Route


class Traffic:
    """Lets tries begin and learns from how they end; safe for threads, tasks and forks.

    A forked child knows what was drained and frozen, and finds out the rest for itself.

    Args:
        tell: Told of each change of health, outside of the lock.
        backends: Whose rates and limits hold for any that acts for one of them.
        random: Makes the source of chance, once in each process.

    Attributes:
        drained: Backends that a person took out of use, each with when.
        frozen: Names of backends whose health only a person changes.
    """

    def __init__(
        self,
        tell: Callable[[HealthChanged], None] = lambda _: None,
        *,
        backends: Mapping[str, Backend] | None = None,
        random: Callable[[], chance.Random] = chance.Random,
    ) -> None:
        self._tell = tell
        self._backends = backends or {}
        self._random = random
        # Both are replaced whole, never changed, so a fork finds them in one piece.
        self.drained: Mapping[str, float] = {}
        self.frozen: frozenset[str] = frozenset()
        self._state = State(self._backends, random(), os.getpid())

    def at_once(self, first: Backend, ask: Ask) -> Pass | None:
        """Give a pass to a new message if nothing at all is known against its first choice.

        As ``choose`` would, which is asked when this gives ``None``; most messages need no
        more than this look.
        """
        state, name = self.state(), first.name
        with state.lock:
            if state.returned:
                state.take_back()
            gate = state.gates.get(name)
            if (
                gate is None
                or ask.now > ask.latest
                or not gate.open(ask.now)
                or name in self.drained
                or (state.senders and (name, ask.sender) in state.senders)
            ):
                return None
            if name in ask.together:
                gate.gathering += 1
                return Pass(0, gate, 0.0, ask.now, ask.sender, "together")
            gate.in_flight += 1
        return Pass(0, gate, 0.0, ask.now, ask.sender)

    def choose(self, able: Sequence[Candidate], ask: Ask) -> Pass | None:
        """Give a pass to the best of those who could carry a message.

        Args:
            able: Who could carry it, in the order of preference.
            ask: What it needs.

        Returns:
            The pass, to be given back by ``end`` or ``undo``; ``None`` when nobody may go
            before ``ask.latest``.
        """
        if ask.now > ask.latest:
            return None
        state = self.state()
        with state.lock:
            state.take_back()
            views: list[View] = []
            chosen: View | None = None
            for view in self._views(state, able, ask):
                if view.goes_at_once:
                    chosen = view
                    break
                views.append(view)
            chosen = chosen or best(views, ask)
            if chosen is None:
                return None
            given, changes = chosen.grant(ask)
            if ask.assigned is not None and ask.assigned != chosen.gate.name:
                state.turned_away(ask.assigned, views)
        self._tell_all(changes)
        return given

    def call(self, backend: Backend, now: float) -> Pass | None:
        """Give the pass for one call that carries several messages.

        They had their passes when they were gathered; ``None`` when the backend has
        become unfit since.
        """
        state = self.state()
        with state.lock:
            state.take_back()
            gate = state.gate(backend, now)
            healthy = all(each.state == "healthy" for each in gate.breakers)
            if gate.name in self.drained or not (healthy or gate.name in self.frozen):
                return None
            wait = gate.wait(1, now, "call")
            given = Pass(0, gate, wait, now + wait, kind="call", watching=gate.breakers)
            gate.take(given, 1)
        return given

    def end(self, given: Pass, answer: Receipt | DeliveryError, now: float) -> None:
        """Learn from a try that was made."""
        state = self.state()
        if not state.gave(given):
            return
        frozen = given.gate.name in self.frozen
        with state.lock:
            given.gate.end(given, answer, now)
            if not isinstance(answer, DeliveryError) and given.gate.went_well(given):
                return  # nobody's health changes
            changes: list[HealthChanged | None] = []
            for breaker in state.watching(given, answer, now):
                probe = breaker in given.held
                if frozen and probe:
                    breaker.undo()
                elif not frozen:
                    began = given.began
                    changes.append(
                        breaker.end(answer, began=began, now=now, probe=probe)
                    )
        self._tell_all(changes)

    def undo(self, given: Pass) -> None:
        """Take a pass back that was not used; never waits.

        A plan that was forgotten gives its pass back when Python finds it, which may be
        amid a choice, in the very thread that holds the lock.
        """
        state = self.state()
        if state.gave(given):
            state.returned.append(given)
            if state.lock.acquire(blocking=False):
                try:
                    state.take_back()
                finally:
                    state.lock.release()

    def learn(self, backend: Backend, rates: tuple[Rate, ...], now: float) -> None:
        """Keep the rates that a backend's provider told."""
        state = self.state()
        with state.lock:
            state.gate(backend, now).learn(rates, now)

    def kept_from(
        self, route: Route, envelope: Envelope, now: float
    ) -> tuple[tuple[str, str], ...]:
        """Tell which backends of a route cannot be used now, and why; changes nothing."""
        able = [Fresh(backend) for backend in route.order]
        ask = Ask(envelope.domain, len(envelope.recipients), now, inf)
        return tuple(self._reasons(able, ask))

    def _reasons(
        self, able: Sequence[Candidate], ask: Ask
    ) -> Iterator[tuple[str, str]]:
        for each in able:
            if each.backend.name in self.drained:
                yield each.backend.name, "drained by hand"
        state = self.state()
        with state.lock:
            state.take_back()
            views = list(self._views(state, able, ask))
        for view in views:
            if not view.goes_at_once:
                yield view.gate.name, view.why_not

    def refusal(self, able: Sequence[Candidate], ask: Ask) -> DeliveryError:
        """Say why nobody may be tried."""
        state = self.state()
        with state.lock:
            state.take_back()
            waits = [view.wait for view in self._views(state, able, ask)]
        if not waits:
            return UnavailableError(
                "every backend that could carry the message is drained; "
                "undrain one, or give the split another"
            )
        reasons = (f"{name}: {why}" for name, why in self._reasons(able, ask))
        return ThrottledError(
            f"no backend has room before the time-out: {'; '.join(reasons)}",
            phase="pool",
            retry_after=min(waits),
        )

    def state(self) -> State:
        """Give this process's state; a forked child starts its own."""
        state = self._state
        if state.process != os.getpid():
            fresh = State(self._backends, self._random(), os.getpid())
            state = self._state = fresh
        return state

    def _views(
        self, state: State, able: Iterable[Candidate], ask: Ask
    ) -> Iterator[View]:
        for place, candidate in enumerate(able):
            name = candidate.backend.name
            if name in self.drained:
                continue
            yield View(
                state.gate(candidate.backend, ask.now),
                place,
                candidate,
                ask,
                sender=state.senders.get((name, ask.sender)),
                frozen=name in self.frozen,
            )

    def _tell_all(self, changes: Iterable[HealthChanged | None]) -> None:
        for change in changes:
            if change is not None:
                self._tell(change)
