"""What a person is told of the backends.

What lives here: ``BackendStatus``, ``RateStatus``, and reading them off the traffic. What
must not: changing anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbalance.backend import Backend, Unit
    from mailbalance.routing.admission import Gate
    from mailbalance.routing.circuit_breaker import Breaker
    from mailbalance.routing.dispatcher import Dispatcher
    from mailbalance.routing.eligibility import Share


@dataclass(frozen=True, slots=True)
class RateStatus:
    """One rate that a backend must keep.

    Attributes:
        count: How many messages, recipients or requests.
        period: In how many seconds.
        unit: Which of them.
        used: How many of them are used up now.
    """

    count: int
    period: float
    unit: Unit
    used: int


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """How one backend stands, in this process.

    Attributes:
        backend: Its name.
        state: ``"healthy"``; ``"cooling"``: out until ``until``; ``"probing"``: one
            message at a time finds out whether it is well; ``"drained"``: out by hand.
        frozen: Whether only a person changes its health.
        reason: Why it is not healthy, or ``""``.
        code: The provider's own code for that, or ``""``.
        since: When the state began.
        until: When it will be probed, while it is cooling.
        failures: How many of its latest calls failed.
        calls: How many calls those are taken of: 50 at most, of the last minute.
        in_flight: Messages that are on their way by it, or wait to be.
        concurrency: How many may be; ``None`` for no limit.
        connections: How many it has, busy and idle; ``None`` where it cannot tell.
        rates: Its limits and what is used of them.
        paused: Seconds until its provider's wish to slow down is over; 0 without one.
        retries: How many messages may be tried again here now; see the retry budget.
        senders: Domains whose mail it refuses, which go to another backend.
        share: Its weight and its counts.
    """

    backend: str
    state: Literal["healthy", "cooling", "probing", "drained"]
    frozen: bool
    reason: str
    code: str
    since: datetime
    until: datetime | None
    failures: int
    calls: int
    in_flight: int
    concurrency: int | None
    connections: tuple[int, int] | None
    rates: tuple[RateStatus, ...]
    paused: float
    retries: int
    senders: tuple[str, ...]
    share: Share

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain values that ``json.dumps`` takes."""
        told = asdict(self)
        told["since"] = self.since.isoformat()
        told["until"] = self.until and self.until.isoformat()
        told["share"]["weight"] = float(self.share.weight)
        return told


def status(
    dispatcher: Dispatcher,
    backend: Backend,
    share: Share,
    *,
    now: float,
    wall: float,
) -> BackendStatus:
    """Read how a backend stands.

    Args:
        dispatcher: What is known.
        backend: Which one.
        share: Its counts.
        now: The time by the clock that the dispatcher was told.
        wall: The same moment in seconds since 1970.
    """

    def date(moment: float) -> datetime:
        return datetime.fromtimestamp(wall + moment - now, UTC)

    state = dispatcher.state
    with state.lock:
        gate = dispatcher.gate(backend, now)
        worst = _worst(gate)
        drained = dispatcher.drained.get(gate.name)
        cooling = worst.state == "cooling" and drained is None
        failures, calls = gate.breaker.failures
        return BackendStatus(
            backend=gate.name,
            state="drained" if drained is not None else worst.state,
            frozen=gate.name in dispatcher.frozen,
            reason="by hand" if drained is not None else worst.reason,
            code=worst.code,
            since=date(worst.since if drained is None else drained),
            until=date(worst.until) if cooling else None,
            failures=failures,
            calls=calls,
            in_flight=gate.in_flight,
            concurrency=gate.concurrency,
            connections=_connections(backend),
            rates=tuple(_rates(gate, now)),
            paused=gate.pause.wait(now),
            retries=gate.budget.retries,
            senders=tuple(
                domain
                for (name, domain), breaker in state.senders.items()
                if name == gate.name and breaker.state != "healthy"
            ),
            share=share,
        )


def _worst(gate: Gate) -> Breaker:
    """Give the breaker that keeps messages away: the account's, or the backend's own."""
    account = gate.account.breaker
    return gate.breaker if account.state == "healthy" else account


def _rates(gate: Gate, now: float) -> Iterator[RateStatus]:
    for window in gate.windows():
        rate = window.rate
        yield RateStatus(rate.count, rate.period, rate.unit, window.used(now))


def _connections(backend: Backend) -> tuple[int, int] | None:
    counted: Callable[[], tuple[int, int]] | None
    counted = getattr(backend, "connections", None)
    return counted() if callable(counted) else None
