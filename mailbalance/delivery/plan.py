"""Every decision in trouble: retries, failover, partial acceptance, unknown outcomes.

``plan()`` is a generator. It yields a ``Try`` ("ask this backend, for these recipients,
after this delay") and is sent what came of it: a ``Receipt`` or a ``DeliveryError``. At the
end it yields the final ``Receipt``, or raises. It names no provider and no error class: it
reads facts from the errors (``retry_here``, ``try_next``, ``outcome``), numbers from a
``RetryPolicy``, and asks the dispatcher who may go. Sync and asyncio drive the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tenacity import Future, RetryCallState, Retrying

from mailbalance.backend import Attempt, Receipt, Refusal, Try
from mailbalance.errors import DeliveryError
from mailbalance.frozen import FrozenDict
from mailbalance.routing.admission import Ask, Permit

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator

    from mailbalance.backend import Answer, Backend
    from mailbalance.delivery.retry import RetryPolicy
    from mailbalance.routing.dispatcher import Dispatcher
    from mailbalance.routing.eligibility import Route

#: tenacity's state wants the loop it belongs to; ours belongs to none.
_NO_RETRYING = Retrying()


@dataclass(frozen=True, slots=True)
class CallerGone:
    """Sent to a plan in place of an answer when nobody waits for the message any more.

    Attributes:
        answer: What the attempt under way came to; ``None`` between two attempts.
    """

    answer: Answer | None = None


class Alone:
    """Sent to a plan in place of an answer: its first attempt was not made together.

    Nothing of it reached a backend; the message goes by itself.
    """


def plan(
    permit: Permit,
    route: Route,
    recipients: tuple[str, ...],
    policy: RetryPolicy,
    *,
    clock: Callable[[], float],
    dispatcher: Dispatcher,
    can_carry: Callable[[Backend, tuple[str, ...]], bool] = lambda *_: True,
    record: list[Attempt] | None = None,
    sender: str = "",
    together: Container[str] = (),
) -> Generator[Try | Receipt, Answer | CallerGone | Alone, None]:
    """Decide the attempts for one message, one at a time.

    Entered with a permit that holds a gate, the first ``Try`` is the attempt that was begun
    with it. Sent a ``CallerGone``, it asks nobody else and ends with what is known; sent an
    ``Alone``, it decides on its first attempt again.

    Args:
        permit: Filled for each attempt; whoever drives the plan ends it.
        route: The backends to ask, in order.
        recipients: Who the message is for.
        policy: When to try again.
        clock: Monotonic time in seconds.
        dispatcher: Knows the backends' health and room.
        can_carry: Asked before an attempt for fewer recipients than all: an API that takes
            its recipients from the headers cannot send to some of them only.
        record: Where each attempt is written down as soon as it is judged.
        sender: The domain the message comes from.
        together: The backends by which the first attempt may go with other messages.

    Yields:
        ``Try`` until it is settled, and last of all the ``Receipt``.

    Raises:
        DeliveryError: When no backend accepted the message for anybody; the last error, or
            the unknown one if there was any, with every attempt in ``attempts``.
    """
    begun = permit.gate is not None
    permit.sender = sender
    story = Story(
        permit,
        route,
        recipients,
        policy,
        [] if record is None else record,
        started=permit.began if begun else clock(),
        dispatcher=dispatcher,
    )
    going = begun or story.first(together=together)
    while going:
        left = policy.timeout - (permit.began - story.started)
        heard = yield Try(
            story.asked(),
            story.waiting,
            permit.delay,
            left,
            permit.probe,
            permit.kind == "together",
        )
        if isinstance(heard, Alone):
            dispatcher.give_back(permit)
            going = story.alone(clock())
            continue
        gone = isinstance(heard, CallerGone)
        answer = heard.answer if isinstance(heard, CallerGone) else heard
        now = clock()
        if answer is None:
            dispatcher.give_back(permit)
            break
        story.note(answer, now)
        going = not (gone or story.settled) and story.next_try(now, can_carry)
    permit.receipt = story.end()
    yield permit.receipt


@dataclass(slots=True)
class Standing:
    """How one backend stands for this message."""

    backend: Backend
    tries: int = 0
    not_before: float = -inf
    out: bool = False


class Story:
    """All that is known of one message on its way, and what follows from it."""

    __slots__ = (
        "_able", "_standings", "attempts", "dispatcher", "everyone", "last", "latest",
        "permit", "policy", "receipts", "refused", "route", "settled", "started",
        "unknown", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        permit: Permit,
        route: Route,
        recipients: tuple[str, ...],
        policy: RetryPolicy,
        attempts: list[Attempt],
        *,
        started: float,
        dispatcher: Dispatcher,
    ) -> None:
        self.permit = permit
        self.route = route
        self.everyone = self.waiting = recipients
        self.policy = policy
        self.started = started
        self.latest = started + policy.timeout - policy.reserve
        self.dispatcher = dispatcher
        self._standings = [Standing(backend) for backend in route.order]
        self._able = self._standings
        self.attempts = attempts
        self.receipts: list[Receipt] = []
        self.refused: dict[str, Refusal] = {}
        self.unknown: DeliveryError | None = None
        self.last: DeliveryError | None = None
        self.settled = False

    def first(self, *, together: Container[str]) -> bool:
        """Fill the permit for the first attempt.

        Raises:
            DeliveryError: When no backend may be asked in time.
        """
        ask = self._ask(self.started, self.route.assigned, together=together)
        return self._begin(ask)

    def alone(self, now: float) -> bool:
        """Fill it for the first attempt again, by itself; raises what ``first`` raises.

        Whether it goes where the split assigned it was counted before.
        """
        return self._begin(self._ask(now))

    def _begin(self, ask: Ask) -> bool:
        able = self._able = self._standings
        if self.dispatcher.choose(self.permit, able, ask) is None:
            raise self.dispatcher.refusal(able, ask)
        return True

    def asked(self) -> Backend:
        """Return the backend that the permit is for."""
        return self._able[self.permit.place].backend

    def note(self, answer: Answer, now: float) -> None:
        """Write down what came of an attempt, and what follows from it."""
        standing, asked = self._able[self.permit.place], len(self.waiting)
        took = max(0.0, now - self.permit.began)
        attempt = Attempt.of(standing.backend.name, answer, asked, took)
        # Nothing that a signal handler may raise must come between these two.
        self.dispatcher.learn(self.permit, answer, now)
        self.attempts.append(attempt)
        if isinstance(answer, Receipt):
            self.receipts.append(answer)
            # What it says of the deferred is newer than an error before it.
            self.last = None
            if not answer.refused:
                self.waiting, self.settled = (), True
                return
        self._note_trouble(standing, answer, now)

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
        for standing in self._standings:
            if which(standing):
                standing.out = True

    def next_try(
        self, now: float, can_carry: Callable[[Backend, tuple[str, ...]], bool]
    ) -> bool:
        """Fill the permit for the next attempt; ``False`` to give up.

        A backend not tried yet goes before one that was, in the route's order.
        """
        if self.policy.stop(_state(self.last, len(self.attempts), self.started, now)):
            return False
        narrowed = len(self.waiting) < len(self.everyone)
        able = self._able = [
            standing
            for standing in self._standings
            if not standing.out
            and not (narrowed and not can_carry(standing.backend, self.waiting))
        ]
        able.sort(key=lambda each: each.not_before)
        if not able:
            return False
        return self.dispatcher.choose(self.permit, able, self._ask(now)) is not None

    def _ask(
        self,
        now: float,
        assigned: str | None = None,
        *,
        together: Container[str] = (),
    ) -> Ask:
        sender, recipients = self.permit.sender, len(self.waiting)
        return Ask(sender, recipients, now, self.latest, assigned, together)

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
        self.permit.error = error
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
