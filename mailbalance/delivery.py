"""Every decision about trying again, and none of the acting.

What lives here: ``RetryPolicy`` and ``plan()``. What must not: I/O, sleeping, a clock of
its own, or the name of any provider or error class; the plan reads facts from the errors
(``retry_here``, ``try_next``, ``outcome``, ``retry_after``).

How to read it: ``plan()`` is a generator. It yields a ``Try`` ("ask this backend, for these
recipients, after this delay") and is sent what came of it: a ``Receipt`` or a
``DeliveryError``. When it is done it yields the final ``Receipt``, or raises. The two
drivers in ``mailer`` pump it, one with ``time.sleep``, one with ``asyncio.sleep``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from tenacity import (
    Future,
    RetryCallState,
    Retrying,
    stop_after_attempt,
    wait_random_exponential,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from mailbalance.backend import Attempt, Receipt, Refusal, Try
from mailbalance.errors import DeliveryError
from mailbalance.frozen import FrozenDict

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mailbalance.backend import Backend
    from mailbalance.routing import Route

Answer: TypeAlias = Receipt | DeliveryError

#: tenacity's state wants the loop it belongs to; ours belongs to none.
_NO_RETRYING = Retrying()

#: Longest Retry-After that is believed, in seconds; a provider that asks for more is one
#: whose message should fail over or fail.
RETRY_AFTER_CAP = 600.0


class wait_retry_after(wait_base):  # noqa: N801 - tenacity names its strategies so
    """Wait as long as the provider asked, or as another strategy says.

    Args:
        otherwise: Asked when the provider named no time, and taken when it is longer.
    """

    def __init__(self, otherwise: wait_base) -> None:
        self.otherwise = otherwise

    def __call__(self, retry_state: RetryCallState) -> float:
        """Give the seconds to wait before this backend is asked again."""
        chosen = self.otherwise(retry_state)
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = getattr(error, "retry_after", None)
        return chosen if asked is None else max(chosen, min(asked, RETRY_AFTER_CAP))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again, and when to give up.

    ``stop`` and ``wait`` are tenacity's strategies, asked with a ``RetryCallState``: for
    ``stop`` it tells of the whole send, for ``wait`` of the backend just tried.

    Attributes:
        stop: When no further try is made. Default: after 5 tries in all.
        wait: How long a backend that failed is left alone. Default: full jitter, a random
            time up to ``min(20 s, 0.5 s x 2**i)``, or the provider's Retry-After if that is
            longer. Full jitter keeps many processes from coming back at the same moment.
        timeout: Seconds for the whole send, every try and wait included. Default 30.
        unknown: What to do after a try whose outcome is unknown. ``"raise"`` tells the
            caller and sends no second copy; ``"retry"`` tries again, which may deliver the
            message twice. Default ``"raise"``.
    """

    stop: stop_base = field(default_factory=lambda: stop_after_attempt(5))
    wait: wait_base = field(
        default_factory=lambda: wait_retry_after(
            wait_random_exponential(multiplier=0.5, max=20)
        )
    )
    timeout: float = 30.0
    unknown: Literal["raise", "retry"] = "raise"

    @property
    def reserve(self) -> float:
        """Seconds that must be left for a try to begin.

        With less, a lost reply would be more likely than a clear one, and a message that
        was provably not sent is better than one that may have been.
        """
        return min(10.0, self.timeout / 3)


def plan(
    route: Route,
    recipients: tuple[str, ...],
    policy: RetryPolicy,
    *,
    clock: Callable[[], float],
    can_carry: Callable[[Backend, tuple[str, ...]], bool] = lambda *_: True,
) -> Generator[Try | Receipt, Answer, None]:
    """Decide the tries for one message, one at a time.

    Args:
        route: The backends to try, in order.
        recipients: Who the message is for.
        policy: When to try again.
        clock: Monotonic time in seconds.
        can_carry: Asked before a try for fewer recipients than all: an API that takes its
            recipients from the headers cannot send to some of them only.

    Yields:
        ``Try`` until it is settled, and last of all the ``Receipt``.

    Raises:
        DeliveryError: When no backend accepted the message for anybody; the last error, or
            the unknown one if there was any, with every attempt in ``attempts``.
    """
    now = clock()
    story = _Story(route, recipients, policy, started=now)
    standing, delay = story.standings[0], 0.0
    while True:
        left = policy.timeout - (now + delay - story.started)
        answer = yield Try(standing.backend, story.waiting, delay, left)
        began, now = now + delay, clock()
        story.note(standing, answer, took=max(0.0, now - began), now=now)
        following = None if story.settled else story.next_try(now, can_carry)
        if following is None:
            break
        standing, delay = following
    yield story.end()


@dataclass(slots=True)
class _Standing:
    """How one backend stands for this message."""

    backend: Backend
    tries: int = 0
    not_before: float = 0.0
    out: bool = False


class _Story:
    """All that is known of one message on its way; private to one plan."""

    __slots__ = (
        "attempts", "everyone", "last", "policy", "receipts", "refused",
        "route", "settled", "standings", "started", "unknown", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        route: Route,
        recipients: tuple[str, ...],
        policy: RetryPolicy,
        started: float,
    ) -> None:
        self.route = route
        self.everyone = self.waiting = recipients
        self.policy = policy
        self.started = started
        self.standings = [_Standing(backend) for backend in route.order]
        self.attempts: list[Attempt] = []
        self.receipts: list[Receipt] = []
        self.refused: dict[str, Refusal] = {}
        self.unknown: DeliveryError | None = None
        self.last: DeliveryError | None = None
        self.settled = False

    def note(
        self, standing: _Standing, answer: Answer, *, took: float, now: float
    ) -> None:
        """Write down what came of a try, and what follows from it."""
        name, asked = standing.backend.name, len(self.waiting)
        self.attempts.append(_attempt(name, answer, asked, took))
        standing.tries += 1
        if isinstance(answer, Receipt):
            self._note_receipt(answer)
        else:
            self._note_error(standing, answer)
        if not self.settled and not standing.out:
            state = _state(answer, standing.tries, self.started, now)
            standing.not_before = now + self.policy.wait(state)

    def _note_receipt(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)
        self.refused.update(receipt.refused)
        later = {a for a, reply in receipt.refused.items() if reply.temporary}
        self.waiting = tuple(a for a in self.waiting if a in later)
        self.settled = not self.waiting

    def _note_error(self, standing: _Standing, error: DeliveryError) -> None:
        self.last = error
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
        self.settled = all(each.out for each in self.standings) or not self.waiting

    def _leave_out(self, which: Callable[[_Standing], bool]) -> None:
        for standing in self.standings:
            if which(standing):
                standing.out = True

    def next_try(
        self, now: float, can_carry: Callable[[Backend, tuple[str, ...]], bool]
    ) -> tuple[_Standing, float] | None:
        """Give the next backend and the wait before it; ``None`` to give up.

        A backend not tried yet goes at once, in the route's order; one tried already waits
        its own time.
        """
        state = _state(self.last, len(self.attempts), self.started, now)
        if self.policy.stop(state):
            return None
        narrowed = len(self.waiting) < len(self.everyone)
        able = [
            standing
            for standing in self.standings
            if not standing.out
            and not (narrowed and not can_carry(standing.backend, self.waiting))
        ]
        if not able:
            return None
        chosen = min(able, key=lambda each: (each.tries > 0, each.not_before))
        delay = max(0.0, chosen.not_before - now) if chosen.tries else 0.0
        ends = self.started + self.policy.timeout
        if now + delay + self.policy.reserve > ends:
            return None
        return chosen, delay

    def end(self) -> Receipt:
        """Give the final receipt, or raise what the caller must know."""
        if not self.receipts or (self.unknown and self.waiting):
            raise self._failure()
        if len(self.receipts) == 1 and not self.refused and not self.unknown:
            accepted = self.receipts[0].accepted
        else:
            accepted = tuple(a for each in self.receipts for a in each.accepted)
        refused = self._finally_refused(accepted)
        return replace(
            self.receipts[-1],
            outcome="partial" if refused else "accepted",
            provider_ids=tuple(i for each in self.receipts for i in each.provider_ids),
            accepted=accepted,
            refused=refused,
            attempts=tuple(self.attempts),
            assigned=self.route.assigned,
            forced=self.route.forced,
            possible_duplicate=self.unknown is not None,
        )

    def _finally_refused(self, accepted: tuple[str, ...]) -> FrozenDict[str, Refusal]:
        """Give the reply for everybody who is not among the accepted."""
        missing = set(self.everyone).difference(accepted)
        if not missing:
            return _NOBODY
        unsaid = _as_refusal(self.last)
        return FrozenDict(
            (address, self.refused.get(address, unsaid))
            for address in self.everyone
            if address in missing
        )

    def _failure(self) -> DeliveryError:
        error = self.unknown or self.last
        assert error is not None  # noqa: S101 - no receipt means an error was noted
        error.attempts = tuple(self.attempts)
        error.refused = dict(self.refused)
        error.accepted = tuple(a for each in self.receipts for a in each.accepted)
        if len(self.attempts) > 1:
            error.add_note(f"{len(self.attempts)} attempts: {_summary(self.attempts)}")
        return error


_NOBODY: FrozenDict[str, Refusal] = FrozenDict()


def _attempt(backend: str, answer: Answer, asked: int, took: float) -> Attempt:
    if isinstance(answer, Receipt):
        return Attempt(backend, answer.outcome, "reply", "", "", took, asked)
    return Attempt(
        backend, answer.outcome, answer.phase, answer.code, answer.detail, took, asked
    )


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


def _as_refusal(error: DeliveryError | None) -> Refusal:
    if error is None:
        return Refusal(0, "not accepted")
    return Refusal(int(error.code) if error.code.isdigit() else 0, error.detail)


def _summary(attempts: list[Attempt]) -> str:
    return "; ".join(
        f"{attempt.backend} {attempt.outcome}"
        + (f" in {attempt.phase}" if attempt.phase else "")
        + (f" ({attempt.code})" if attempt.code else "")
        for attempt in attempts
    )
