"""All that is known of one message on its way, and what follows from it.

What lives here: ``Story``, the memory and the judgement of one plan. What must not: the
order in which a plan asks (``delivery``), I/O, sleeping, a clock, or the name of any
provider or error class.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tenacity import Future, RetryCallState, Retrying

from mailbalance.backend import Attempt, Receipt, Refusal
from mailbalance.errors import DeliveryError
from mailbalance.frozen import FrozenDict
from mailbalance.routing.choice import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from mailbalance.backend import Answer, Backend
    from mailbalance.retry import RetryPolicy
    from mailbalance.routing import Route
    from mailbalance.routing.gate import Pass
    from mailbalance.routing.traffic import Traffic

#: tenacity's state wants the loop it belongs to; ours belongs to none.
_NO_RETRYING = Retrying()


@dataclass(slots=True)
class Standing:
    """How one backend stands for this message."""

    backend: Backend
    tries: int = 0
    not_before: float = -inf
    out: bool = False


class Story:
    """All that is known of one message on its way; private to one plan."""

    __slots__ = (
        "_able", "_standings", "attempts", "everyone", "last", "latest", "policy",
        "receipts", "refused", "route", "sender", "settled", "started", "traffic",
        "unknown", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        route: Route,
        recipients: tuple[str, ...],
        policy: RetryPolicy,
        attempts: list[Attempt],
        *,
        started: float,
        traffic: Traffic,
        sender: str,
    ) -> None:
        self.route = route
        self.everyone = self.waiting = recipients
        self.policy = policy
        self.started = started
        self.latest = started + policy.timeout - policy.reserve
        self.traffic = traffic
        self.sender = sender
        # Made when a backend does not take the message at once; most messages need none.
        self._standings: list[Standing] = []
        self._able = self._standings
        self.attempts = attempts
        self.receipts: list[Receipt] = []
        self.refused: dict[str, Refusal] = {}
        self.unknown: DeliveryError | None = None
        self.last: DeliveryError | None = None
        self.settled = False

    def first(self, *, together: Container[str]) -> Pass:
        """Give the first try.

        Args:
            together: The backends by which it may go with other messages.

        Raises:
            DeliveryError: When no backend may be tried in time.
        """
        ask = self._ask(self.started, self.route.assigned, together=together)
        given = self.traffic.at_once(self.route.order[0], ask)
        return self._begin(ask) if given is None else given

    def alone(self, now: float) -> Pass:
        """Give the first try anew, by itself; raises what ``first`` raises.

        Whether it goes where the split assigned it was counted before.
        """
        return self._begin(self._ask(now))

    def _begin(self, ask: Ask) -> Pass:
        able = self._able = self._all()
        given = self.traffic.choose(able, ask)
        if given is None:
            raise self.traffic.refusal(able, ask)
        return given

    def _all(self) -> list[Standing]:
        """Give how each backend of the route stands, in its order."""
        if not self._standings:
            self._standings = [Standing(backend) for backend in self.route.order]
        return self._standings

    def backend(self, given: Pass) -> Backend:
        """Give the backend that a pass is for."""
        able = self._able
        return able[given.place].backend if able else self.route.order[given.place]

    def note(self, answer: Answer, given: Pass, now: float) -> None:
        """Write down what came of a try, and what follows from it."""
        self.traffic.end(given, answer, now)
        name, asked = self.backend(given).name, len(self.waiting)
        took = max(0.0, now - given.began)
        self.attempts.append(Attempt.of(name, answer, asked, took))
        if isinstance(answer, Receipt):
            self.receipts.append(answer)
            # What it says of the deferred is newer than an error before it.
            self.last = None
            if not answer.refused:
                self.waiting, self.settled = (), True
                return
        self._note_trouble((self._able or self._all())[given.place], answer, now)

    def _note_trouble(self, standing: Standing, answer: Answer, now: float) -> None:
        """Write down what follows from a try that did not reach everybody."""
        standing.tries += 1
        if isinstance(answer, Receipt):
            self._note_refused(answer)
        else:
            self._note_error(standing, answer)
        if not self.settled and not standing.out:
            state = _state(answer, standing.tries, self.started, now)
            standing.not_before = now + self.policy.wait(state)

    def _note_refused(self, receipt: Receipt) -> None:
        self.refused.update(receipt.refused)
        later = {a for a, reply in receipt.refused.items() if reply.temporary}
        self.waiting = tuple(a for a in self.waiting if a in later)
        self.settled = not self.waiting

    def _note_error(self, standing: Standing, error: DeliveryError) -> None:
        self.last = error
        self.refused.update(error.deferred)
        self.refused.update(error.refused)
        self.waiting = tuple(a for a in self.waiting if a not in error.refused)
        unknown = error.outcome == "unknown"
        if unknown:
            self.unknown = error
        again = unknown and self.policy.unknown == "retry"
        if not (error.retry_here or again):
            standing.out = True
        if not (error.try_next or again):
            self._leave_out(lambda other: other is not standing)
        if getattr(error, "scope", None) == "account":
            account = standing.backend.account
            self._leave_out(lambda other: other.backend.account == account)
        self.settled = not self.waiting

    def _leave_out(self, which: Callable[[Standing], bool]) -> None:
        for standing in self._all():
            if which(standing):
                standing.out = True

    def next_try(
        self, now: float, can_carry: Callable[[Backend, tuple[str, ...]], bool]
    ) -> Pass | None:
        """Give the next try; ``None`` to give up.

        A backend not tried yet goes before one that was, in the route's order.
        """
        if self.policy.stop(_state(self.last, len(self.attempts), self.started, now)):
            return None
        narrowed = len(self.waiting) < len(self.everyone)
        able = self._able = [
            standing
            for standing in self._all()
            if not standing.out
            and not (narrowed and not can_carry(standing.backend, self.waiting))
        ]
        able.sort(key=lambda each: each.not_before)
        return self.traffic.choose(able, self._ask(now)) if able else None

    def _ask(
        self,
        now: float,
        assigned: str | None = None,
        *,
        together: Container[str] = (),
    ) -> Ask:
        recipients = len(self.waiting)
        return Ask(self.sender, recipients, now, self.latest, assigned, together)

    def end(self) -> Receipt:
        """Give the final receipt, or raise what the caller must know."""
        if not self.receipts or (self.unknown and self.waiting):
            raise self._failure()
        last = self.receipts[-1]
        accepted, provider_ids = tuple(last.accepted), tuple(last.provider_ids)
        if len(self.receipts) > 1:
            accepted = tuple(a for each in self.receipts for a in each.accepted)
            provider_ids = tuple(i for each in self.receipts for i in each.provider_ids)
        refused = (
            self._finally_refused(accepted)
            if len(accepted) < len(self.everyone)
            else _NOBODY
        )
        return Receipt(
            outcome="partial" if refused else "accepted",
            backend=last.backend,
            provider_ids=provider_ids,
            message_id=last.message_id,
            accepted=accepted,
            refused=refused,
            attempts=tuple(self.attempts),
            assigned=self.route.assigned,
            forced=self.route.forced,
            possible_duplicate=self.unknown is not None,
        )

    def _finally_refused(self, accepted: tuple[str, ...]) -> FrozenDict[str, Refusal]:
        """Give the reply for everybody who is not among the accepted."""
        replies = dict(self.refused)
        last = self.last
        # Whoever was deferred keeps the last reply of its own, whatever happened to later
        # attempts, unless one of them refused it for good.
        if last is not None and not (last.retry_here or last.try_next):
            replies |= dict.fromkeys(self.waiting, Refusal(0, last.detail))
        return FrozenDict(
            (address, replies[address])
            for address in self.everyone
            if address not in accepted
        )

    def _failure(self) -> DeliveryError:
        error = self.unknown or self.last
        if error is None:  # pragma: no cover - no receipt means an error was noted
            raise AssertionError("a plan ended without an answer")
        error.attempts = tuple(self.attempts)
        error.accepted = tuple(a for each in self.receipts for a in each.accepted)
        error.refused = {
            address: reply
            for address, reply in self.refused.items()
            if not reply.temporary
        }
        if len(self.attempts) > 1:
            error.add_note(f"{len(self.attempts)} attempts: {_summary(self.attempts)}")
        return error


_NOBODY: FrozenDict[str, Refusal] = FrozenDict()


def _state(
    answer: Answer | None, number: int, started: float, now: float
) -> RetryCallState:
    """Give the tenacity state that says: this is what try ``number`` came to, by now.

    Its own setters read the wall clock, so the fields are set one by one.
    """
    state = RetryCallState(retry_object=_NO_RETRYING, fn=None, args=(), kwargs={})
    state.attempt_number = number
    state.start_time = started
    state.outcome_timestamp = now
    state.outcome = Future(number)
    if isinstance(answer, DeliveryError):
        state.outcome.set_exception(answer)
    else:
        state.outcome.set_result(answer)
    return state


def _summary(attempts: list[Attempt]) -> str:
    return "; ".join(
        f"{attempt.backend} {attempt.outcome}"
        + (f" in {attempt.phase}" if attempt.phase else "")
        + (f" ({attempt.code})" if attempt.code else "")
        for attempt in attempts
    )
