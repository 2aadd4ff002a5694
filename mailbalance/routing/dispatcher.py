"""Who carries a message now: the exact split, then health and limits, under one lock.

The usual way has two verbs. ``assign`` picks and lets in at once; ``settle`` ends an
attempt that was accepted whole. Everything else is for trouble, and is asked by the plan.

The rules, in order. What a person drained is never used. The first in the route's order
that is fit and has room goes. One without room is passed over for one that has room, or
waited for if none has. One whose breaker is open is passed over; after its rest one message
at a time finds out whether it is well. If none is fit, the one that would be next is asked
all the same: mail never stops in silence because a breaker says so. A failover overrides
one pick and is never paid back: a provider that comes back gets its share, not a flood.
"""

from __future__ import annotations

import copy
import random as chance
import threading
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING, get_args

from mailbalance import fork_lock
from mailbalance.backend import Attempt, Receipt
from mailbalance.errors import (
    ConfigError,
    DeliveryError,
    ThrottledError,
    UnavailableError,
)
from mailbalance.routing.admission import (
    FRESH,
    Account,
    Ask,
    Fresh,
    Gate,
    Permit,
    View,
    best,
)
from mailbalance.routing.circuit_breaker import Breaker
from mailbalance.routing.eligibility import (
    NOBODY,
    Eligible,
    Entry,
    Route,
    Share,
    StandIns,
    Unit,
)
from mailbalance.routing.rate_limits import FIRST_GIVES, TOKENS
from mailbalance.routing.split import Split, by_messages, by_recipients

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Container,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from mailbalance.backend import Answer, Backend, Rate
    from mailbalance.events import HealthChanged
    from mailbalance.message import Envelope, Message
    from mailbalance.routing.admission import Candidate

#: Senders that are remembered as not allowed; beyond it the oldest is forgotten.
SENDERS = 1000
#: Live deliveries at which those are looked for that an interruption left there.
FEW_LIVE = 32


@dataclass(slots=True)
class State:
    """What one process knows and counts; a forked child starts with a new one.

    Attributes:
        random: Its source of chance.
        lock: To be held while anything here is read or changed. Re-entrant, since a signal
            handler may send mail while its thread holds it.
        splits: One split for each set of eligible backends: a counter shared between
            different sets would drift with the mix of messages.
        usual: The split of all backends, and its route for each of its picks.
        gates: What is known of each backend that was asked for.
        accounts: What is known of their accounts.
        senders: Senders that a backend did not allow, by its name and their domain.
        live: Deliveries that have begun; those that are over count no more.
        most_live: With more of them, those that are over are looked for and left out.
        assigned: What the split chose, by backend.
        forced: What others could not carry, or was sent by ``via``.
        carried: What was accepted.
        diverted: Messages of each backend first offered elsewhere because it was unfit.
        overflowed: The same because it had no room.
    """

    random: chance.Random
    names: tuple[str, ...]
    lock: threading.RLock = field(default_factory=threading.RLock)
    splits: dict[tuple[Entry, ...], Split] = field(default_factory=dict)
    usual: tuple[Split, list[Route]] | None = None
    gates: dict[str, Gate] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    senders: dict[tuple[str, str], Breaker] = field(default_factory=dict)
    live: set[Permit] = field(default_factory=set)
    most_live: int = FEW_LIVE
    assigned: dict[str, int] = field(init=False)
    forced: dict[str, int] = field(init=False)
    carried: dict[str, int] = field(init=False)
    diverted: dict[str, int] = field(init=False)
    overflowed: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        for counts in ("assigned", "forced", "carried", "diverted", "overflowed"):
            setattr(self, counts, dict.fromkeys(self.names, 0))

    def sweep(self) -> None:
        """Forget deliveries that are over and were never taken out."""
        for permit in [each for each in self.live if each.over]:
            self.live.discard(permit)
        self.most_live = max(FEW_LIVE, 2 * len(self.live))


class Dispatcher:
    """Routes messages, lets attempts begin and learns from how they end.

    Safe for threads, tasks and forks. A forked child knows what was drained and frozen, and
    finds out the rest for itself.

    Args:
        entries: The backends with their weights.
        unit: What the split counts: ``"messages"`` or ``"recipients"``.
        random: Makes the source of chance, once in each process, so that a process forked
            from this one starts its split elsewhere.
        tell: Called with each change of health, outside of the lock.

    Attributes:
        backends: By name, in the order of the split.
        drained: Backends that a person took out of use, each with when.
        frozen: Names of backends whose health only a person changes.

    Raises:
        ConfigError: When nothing could be sent, or for another unit.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        unit: Unit = "messages",
        random: Callable[[], chance.Random] = chance.Random,
        tell: Callable[[HealthChanged], None] = lambda _: None,
    ) -> None:
        self.entries = tuple(entries)
        if not any(entry.weight > 0 and not entry.backup for entry in self.entries):
            raise ConfigError(
                "no backend has a weight above 0, so nothing could be sent"
            )
        if unit not in get_args(Unit):
            raise ConfigError("unit must be 'messages' or 'recipients'")
        self.unit: Unit = unit
        self.backends = {entry.name: entry.backend for entry in self.entries}
        self._weighted = tuple(e for e in self.entries if e.weight > 0 and not e.backup)
        self._backups = tuple(e for e in self.entries if e.backup)
        self._asked = self._weighted + self._backups
        self._one = unit == "messages"
        self._make_split = by_messages if self._one else by_recipients
        self._random = random
        self._tell = tell
        # Both are replaced whole, never changed, so a fork finds them in one piece.
        self.drained: Mapping[str, float] = {}
        self.frozen: frozenset[str] = frozenset()
        self.start_fresh()
        fork_lock.starts_fresh(self)

    def start_fresh(self) -> None:
        """Begin with what a new process knows."""
        self.state = State(self._random(), tuple(self.backends))

    # The usual way

    def assign(
        self,
        permit: Permit,
        message: Message,
        envelope: Envelope,
        now: float,
        latest: float,
        *,
        via: str | None = None,
        stand_ins: StandIns = NOBODY,
        together: Container[str] = (),
    ) -> Backend | None:
        """Choose the backends for one message, count the choice, and let it in.

        Args:
            permit: Filled: its route, and its gate if the first choice may go at once.
            message: What to send.
            envelope: Who it goes to.
            now: The time.
            latest: The last moment at which an attempt may begin.
            via: Name of the one backend to use, leaving the split aside.
            stand_ins: Backends to use for this message in place of those of the same
                name; shares, counts and health are those of the name.
            together: Names of the backends by which it may go with other messages.

        Returns:
            Who is asked now; ``None`` when the plan must see who may go.

        Raises:
            MessageError: When no backend can carry the message; says why for each.
            ConfigError: When ``via`` names no backend.
        """
        route = None
        if via is not None or stand_ins:
            route = self.route(message, envelope, via=via, stand_ins=stand_ins)
        else:
            for entry in self._asked:
                if entry.backend.refuses(message, envelope) is not None:
                    route = self.route(message, envelope)
                    break
        state = self.state
        if state.usual is None:
            self._prepare(state)
        with state.lock:
            if route is None:
                split, routes = state.usual  # type: ignore[misc] # just made
                size = 1 if self._one else len(envelope.recipients)
                route = routes[split.pick(size)]
                state.assigned[route.assigned] += size
            permit.route = route
            state.live.add(permit)
            if len(state.live) > state.most_live:
                state.sweep()
            return self._let_in(state, permit, envelope, now, latest, together)

    def settle(
        self, permit: Permit, answer: Answer, recipients: int, now: float
    ) -> Receipt | None:
        """End an attempt that was accepted whole by a backend that is well.

        Args:
            permit: As ``assign`` filled it.
            answer: What the attempt came to.
            recipients: How many it was for.
            now: The time.

        Returns:
            The final receipt; ``None`` when the plan must judge, and nothing is counted
            then.
        """
        gate, state = permit.gate, self.state
        if type(answer) is not Receipt or answer.refused or gate is None:
            return None
        accepted, name = len(answer.accepted), gate.name
        if accepted < recipients:
            return None
        size = 1 if self._one else accepted
        took = max(0.0, now - permit.began)
        with state.lock:
            breaker, budget = gate.breaker, gate.budget
            if (
                breaker.state != "healthy"
                or breaker.calls
                or gate.pause.times
                or state.gates.get(name) is not gate
            ):
                return None
            # Between here and the end of the block a signal handler can raise only at the
            # last line, when all is counted.
            if budget.tokens < TOKENS:
                budget.tokens += FIRST_GIVES
            gate.pace += FRESH * (took - gate.pace)
            state.carried[name] += size
            permit.gate = None
            gate.live.discard(permit)
        return self.receipt(permit, name, answer, recipients, took)

    def settle_members(
        self, members: Sequence[tuple[Permit, Answer, int]], now: float
    ) -> list[Receipt | None]:
        """Do as ``settle`` does for messages that went together, under one lock.

        Health and limits learn from the call that carried them, by ``learn``.
        """
        state = self.state
        found: dict[Permit, tuple[str, Receipt]] = {}
        with state.lock:
            for permit, answer, recipients in members:
                gate = permit.gate
                if type(answer) is not Receipt or answer.refused or gate is None:
                    continue
                accepted, name = len(answer.accepted), gate.name
                if accepted < recipients or name not in state.carried:
                    continue
                state.carried[name] += 1 if self._one else accepted
                permit.gate = None
                found[permit] = name, answer
        return [
            self.receipt(permit, *found[permit], recipients, now - permit.began)
            if permit in found
            else None
            for permit, _, recipients in members
        ]

    @staticmethod
    def receipt(
        permit: Permit, name: str, answer: Receipt, recipients: int, took: float
    ) -> Receipt:
        """Make the final receipt of a message whose one attempt was accepted whole.

        Args:
            permit: Its permit.
            name: Of the backend that was asked; one that wraps another may answer with
                the other's.
            answer: What the attempt came to.
            recipients: How many it was for.
            took: Seconds it took.
        """
        route, took = permit.route, max(0.0, took)
        attempt = Attempt(name, "accepted", "reply", "", "", took, recipients)
        permit.receipt = receipt = Receipt(
            "accepted",
            answer.backend,
            answer.provider_ids,
            answer.message_id,
            answer.accepted,
            answer.refused,
            (attempt,),
            route.assigned,
            route.forced,
        )
        return receipt

    def _prepare(self, state: State) -> None:
        """Make the split of all backends with its routes, and the gates' places."""
        every = Eligible(None, None)  # type: ignore[arg-type] # nobody is asked
        routes = [every.route(each, self._asked) for each in self._weighted]
        with state.lock:
            if state.usual is None:
                split = self._split_of(state, self._weighted)
                state.usual = split, routes

    def _let_in(
        self,
        state: State,
        permit: Permit,
        envelope: Envelope,
        now: float,
        latest: float,
        together: Container[str],
    ) -> Backend | None:
        """Let a message in by its first choice if nothing at all speaks against it."""
        route = permit.route
        name = route.assigned
        gate = state.gates.get(name)
        permit.began = now
        if (
            gate is None
            or now > latest
            or name in self.drained
            or now < gate.pause.until
            or gate.breaker.state != "healthy"
            or gate.account.breaker.state != "healthy"
            or gate.learns
            or (state.senders and (name, envelope.domain) in state.senders)
        ):
            return None
        if name in together:
            permit.kind = "together"
        elif gate.concurrency is not None and gate.is_full:
            return None
        if gate.own or gate.account.windows:
            size = len(envelope.recipients)
            if gate.wait(size, now, permit.kind) > 0:
                permit.kind = "single"
                return None
            gate.take(permit, size)
        else:
            permit.gate = gate
            if permit.kind == "single":
                gate.live.add(permit)
        return route.order[0]

    # Routes

    def route(
        self,
        message: Message,
        envelope: Envelope,
        *,
        via: str | None = None,
        stand_ins: StandIns = NOBODY,
    ) -> Route:
        """Choose the backends for one message and count the choice; see ``assign``."""
        eligible = Eligible(message, envelope, stand_ins)
        return self._route(eligible, via, len(envelope.recipients), self.state)

    def peek(
        self, message: Message, envelope: Envelope, *, via: str | None = None
    ) -> Route:
        """Return what ``route`` would answer now, without counting or moving a split."""
        state = self.state
        trial = State(self._random(), tuple(self.backends))
        with state.lock:
            trial.random = copy.deepcopy(state.random)
            trial.splits = {e: copy.deepcopy(s) for e, s in state.splits.items()}
        eligible = Eligible(message, envelope)
        return self._route(eligible, via, len(envelope.recipients), trial)

    def _route(
        self, eligible: Eligible, via: str | None, recipients: int, state: State
    ) -> Route:
        size = 1 if self._one else recipients
        if via is not None:
            chosen = eligible.only(via, self.entries)
            return self._forced(state, eligible, chosen, (), size)
        able = eligible.of(self._weighted)
        spare = eligible.of(self._backups) if self._backups else ()
        if not able:
            if not spare:
                raise eligible.nobody()
            return self._forced(state, eligible, spare[0], spare, size)
        forced = able is not self._weighted
        with state.lock:
            chosen = able[self._split_of(state, able).pick(size)]
            (state.forced if forced else state.assigned)[chosen.name] += size
        return eligible.route(chosen, (*able, *spare), forced=forced)

    @staticmethod
    def _forced(
        state: State,
        eligible: Eligible,
        chosen: Entry,
        others: tuple[Entry, ...],
        size: int,
    ) -> Route:
        with state.lock:
            state.forced[chosen.name] += size
        return eligible.route(chosen, others, forced=True)

    def _split_of(self, state: State, able: tuple[Entry, ...]) -> Split:
        split = state.splits.get(able)
        if split is None:
            weights = [entry.weight for entry in able]
            split = state.splits[able] = self._make_split(weights, state.random)
        return split

    def shares(self) -> tuple[Share, ...]:
        """Report weights, shares and counts of this process."""
        state = self.state
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
                    diverted=state.diverted[entry.name],
                    overflowed=state.overflowed[entry.name],
                )
                for entry in self.entries
            )

    # In trouble

    def choose(
        self, permit: Permit, able: Sequence[Candidate], ask: Ask
    ) -> Candidate | None:
        """Fill a permit for the best of those who could carry a message.

        Args:
            permit: Filled for one attempt, to be ended by ``learn`` or ``give_back``.
            able: Who could carry it, in the order of preference.
            ask: What it needs.

        Returns:
            Who goes; ``None`` when nobody may go before ``ask.latest``.
        """
        if ask.now > ask.latest:
            return None
        state = self.state
        with state.lock:
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
            changes = chosen.grant(permit, ask)
            if ask.assigned is not None and ask.assigned != chosen.gate.name:
                fit = any(v.gate.name == ask.assigned and v.fit != "no" for v in views)
                (state.overflowed if fit else state.diverted)[ask.assigned] += 1
        self._tell_all(changes)
        return able[permit.place]

    def call(self, permit: Permit, backend: Backend, now: float) -> bool:
        """Fill the permit of one call that carries several messages.

        They were let in when they were gathered. False when the backend has become unfit
        since.
        """
        state = self.state
        with state.lock:
            gate = self._gate(state, backend, now)
            healthy = all(each.state == "healthy" for each in gate.breakers)
            if gate.name in self.drained or not (healthy or gate.name in self.frozen):
                return False
            wait = gate.wait(1, now, "call")
            permit.kind, permit.delay, permit.began = "call", wait, now + wait
            permit.watching = gate.breakers
            state.live.add(permit)
            gate.take(permit, 1)
        return True

    def learn(
        self, permit: Permit, answer: Receipt | DeliveryError, now: float
    ) -> None:
        """Learn from an attempt that was made, and count what it carried."""
        state, gate = self.state, permit.gate
        if gate is None or state.gates.get(gate.name) is not gate:
            return  # counted already, or by the process that this one was forked from
        frozen, name, size = gate.name in self.frozen, gate.name, 0
        if isinstance(answer, Receipt) and permit.kind != "call":
            size = 1 if self._one else len(answer.accepted)
        changes: list[HealthChanged | None] = []
        with state.lock:
            state.carried.setdefault(name, 0)
            # No signal handler can raise between these two.
            state.carried[name] += size
            permit.gate = None
            if permit.kind == "call":
                state.live.discard(permit)
            gate.end(permit, answer, now)
            if isinstance(answer, Receipt) and gate.went_well(permit):
                return
            for breaker in self._watching(state, permit, gate, answer, now):
                probe = breaker in permit.held
                if frozen and probe:
                    breaker.undo()
                elif not frozen:
                    changes.append(
                        breaker.end(answer, began=permit.began, now=now, probe=probe)
                    )
        self._tell_all(changes)

    def give_back(self, permit: Permit) -> None:
        """Undo what a permit counted for an attempt that was not made; idempotent."""
        state, gate = self.state, permit.gate
        if gate is None or state.gates.get(gate.name) is not gate:
            return
        with state.lock:
            permit.gate = None
            if permit.kind == "call":
                state.live.discard(permit)
            gate.undo(permit)
            held, permit.held = permit.held, ()
            for breaker in held:
                breaker.undo()

    def report_rates(
        self, backend: Backend, rates: tuple[Rate, ...], now: float
    ) -> None:
        """Keep the rates that a backend's provider reported."""
        state = self.state
        with state.lock:
            self._gate(state, backend, now).learn(rates, now)

    def kept_from(
        self, route: Route, envelope: Envelope, now: float
    ) -> tuple[tuple[str, str], ...]:
        """Report which backends of a route cannot be used now, and why."""
        able = [Fresh(backend) for backend in route.order]
        ask = Ask(envelope.domain, len(envelope.recipients), now, inf)
        return tuple(self._reasons(able, ask))

    def refusal(self, able: Sequence[Candidate], ask: Ask) -> DeliveryError:
        """Make the error that says why nobody may be asked."""
        state = self.state
        with state.lock:
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

    def gate(self, backend: Backend, now: float) -> Gate:
        """Return what is known of a backend."""
        state = self.state
        with state.lock:
            return self._gate(state, backend, now)

    def _gate(self, state: State, backend: Backend, now: float) -> Gate:
        gate = state.gates.get(backend.name)
        if gate is None:
            # One that acts for another has that one's rates and limits.
            backend = self.backends.get(backend.name, backend)
            account = state.accounts.get(backend.account)
            if account is None:
                name = backend.account
                breaker = Breaker(state.random, now, name=name, scope="account")
                account = state.accounts[name] = Account(name, breaker)
            gate = Gate(backend, account, state.random, now)
            state.gates[backend.name] = gate
        return gate

    def _reasons(
        self, able: Sequence[Candidate], ask: Ask
    ) -> Iterator[tuple[str, str]]:
        for each in able:
            if each.backend.name in self.drained:
                yield each.backend.name, "drained by hand"
        state = self.state
        with state.lock:
            views = list(self._views(state, able, ask))
        for view in views:
            if not view.goes_at_once:
                yield view.gate.name, view.why_not

    def _views(
        self, state: State, able: Iterable[Candidate], ask: Ask
    ) -> Iterator[View]:
        for place, candidate in enumerate(able):
            name = candidate.backend.name
            if name in self.drained:
                continue
            yield View(
                self._gate(state, candidate.backend, ask.now),
                place,
                candidate,
                ask,
                sender=state.senders.get((name, ask.sender)),
                frozen=name in self.frozen,
            )

    def _watching(
        self,
        state: State,
        permit: Permit,
        gate: Gate,
        answer: Receipt | DeliveryError,
        now: float,
    ) -> tuple[Breaker, ...]:
        """Return the breakers that learn from an attempt.

        Messages that go together tell of their senders, the call that carries them of all
        else.
        """
        known = permit.watching or gate.breakers
        if permit.kind == "call":
            return known
        if isinstance(answer, UnavailableError) and answer.scope == "sender":
            known = (*known[:2], self._sender(state, permit.sender, gate.name, now))
        return known[2:] if permit.kind == "together" else known

    @staticmethod
    def _sender(state: State, domain: str, name: str, now: float) -> Breaker:
        """Return what is known of a sender at the backend that its message went by."""
        key = name, domain
        breaker = state.senders.get(key)
        if breaker is None:
            while len(state.senders) >= SENDERS:
                del state.senders[next(iter(state.senders))]
            breaker = Breaker(
                state.random, now, name=f"{domain} at {name}", scope="sender"
            )
            state.senders[key] = breaker
        return breaker

    def _tell_all(self, changes: Iterable[HealthChanged | None]) -> None:
        for change in changes:
            if change is not None:
                self._tell(change)
