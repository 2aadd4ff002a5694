"""Whether a backend, an account or a sender is fit to carry mail now: a circuit breaker.

What lives here: the three states, and what moves one to another. Time is passed in with
every call and chance once, so that a test or a simulation replays it. What must not: locks,
names, or choosing between backends; the dispatcher does that.

Two triggers find two kinds of trouble. A host that does not answer fails in the same way
each time: five failures on the way to it, in a row, are enough. A provider that answers,
but badly, fails now and then: there it takes half of at least twenty calls, so that a
steady failure of one in five never stops it. An error that says so itself (a refused key, a
used-up quota) needs no counting. Faults of messages and recipients count for nothing.

Sources of the method: M. Nygard, "Release It!" (2007), chapter 5; Envoy's outlier detection
(growing ejection time); the figures are from simulations of this library's own traffic.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Literal, Protocol

from mailbalance.errors import DeliveryError, UnavailableError, UnknownOutcomeError
from mailbalance.events import HealthChanged

if TYPE_CHECKING:
    from random import Random

    from mailbalance.backend import Receipt
    from mailbalance.errors import Scope

State = Literal["healthy", "cooling", "probing"]

#: Failures on the way to the host, in a row, after which it counts as dead.
ROW = 5
#: The calls that the share of failures is taken of: the last so many, none older than so
#: many seconds, and not before there are so many. Counting begins with a failure, so a long
#: good history does not hide that all has failed since.
WINDOW, WINDOW_AGE, FEWEST = 50, 60.0, 20
#: The share of failures that is too many.
TOO_MANY = 0.5
#: Seconds of the first rest and of the longest; each rest in a row is twice the last.
REST, LONGEST_REST = 5.0, 300.0
#: Seconds of good health after which the rests begin at the first again.
CALM = 600.0
#: Seconds to leave alone what somebody must mend: a key, a certificate, a sender.
MENDING = 300.0
#: Seconds to leave an account alone that has used up a quota and does not say until when;
#: and the longest that is believed, since somebody may buy more in the meantime.
QUOTA, LONGEST_QUOTA = 600.0, 3600.0
#: Messages that must be carried after a rest, one at a time, before all are let in again.
PROVEN = 3

#: Phases before the provider has said anything about a message.
ON_THE_WAY = frozenset(
    {"connect", "proxy", "tls", "greeting", "ehlo", "starttls", "auth", "credentials"}
)
#: Phases of failures that are ours: the caller left, our own queue was too long.
OURS = frozenset({"cancelled", "pool"})
#: The code of an error for want of time, which says nothing about the backend.
NO_TIME = "deadline"
#: Codes of a connection that broke or fell silent, where a provider's own code would be.
SILENCE = frozenset({"", "timeout", "closed", *errno.errorcode.values()})


class Holder(Protocol):
    """Whoever makes a probe."""

    @property
    def over(self) -> bool:
        """Whether it has ended, however it did."""
        ...


class _Held:
    """A holder that ends only by ``end`` or ``undo``."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class Breaker:
    """Watches one backend; or one account or sender, which only errors of its scope open.

    Not safe for threads: who uses it holds a lock.

    Args:
        random: Spreads the rests by a fifth, so that many processes do not come back at
            the same moment.
        now: The time it is made.
        name: Of what it watches.
        scope: What kind of thing that is.

    Attributes:
        state: The state now.
        reason: Why it is not healthy, or ``""``.
        code: The provider's code for that, or ``""``.
        since: When the state began.
        until: When it may be probed, while it is cooling.
        calls: The latest calls, when and whether they failed; empty until one fails.
    """

    __slots__ = (
        "_failed", "_probe", "_proven", "_random", "_rests", "_row", "calls",
        "code", "name", "reason", "scope", "since", "state", "until",
    )  # fmt: skip

    def __init__(
        self, random: Random, now: float, *, name: str, scope: Scope = "backend"
    ) -> None:
        self.name = name
        self.scope: Scope = scope
        self.state: State = "healthy"
        self.reason = self.code = ""
        self.since = self.until = now
        self._random = random
        self.calls: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._row = 0
        self._rests = 0
        self._proven = 0
        self._probe: Holder | None = None

    @property
    def failures(self) -> tuple[int, int]:
        """How many of the calls it looks at failed, and how many these are."""
        return self._failed, len(self.calls)

    def fit(self, now: float) -> Literal["yes", "probe", "no"]:
        """Say whether a message may go now: freely, as the one probe, or not at all."""
        if self.state == "healthy":
            return "yes"
        busy = self._probe is not None and not self._probe.over
        if busy or (self.state == "cooling" and now < self.until):
            return "no"
        return "probe"

    def due(self, now: float) -> float:
        """Tell in how many seconds it would be tried next if it had to be."""
        return max(0.0, self.until - now) if self.state == "cooling" else 0.0

    def begin(self, now: float, holder: Holder | None = None) -> HealthChanged | None:
        """Take the place of the one probe.

        The place is free again with ``end`` or ``undo``, or when its holder is over: one
        whose attempt was cut off by an exception of a signal handler gives nothing back.
        """
        self._probe = holder or _Held()
        if self.state == "probing":
            return None
        return self._become("probing", now)

    def undo(self) -> None:
        """Give the probe's place back: it was not made."""
        self._probe = None

    def end(
        self,
        answer: Receipt | DeliveryError,
        *,
        began: float,
        now: float,
        probe: bool = False,
    ) -> HealthChanged | None:
        """Take note of what came of a try, and give the change it makes, if any.

        Args:
            answer: What came of it.
            began: When it began: one that began before the present state says nothing
                about it.
            now: The time.
            probe: Whether it held the probe's place.
        """
        if probe:
            self._probe = None
        kind = _kind(answer, self.scope)
        if kind == "none":
            return None
        if isinstance(answer, UnavailableError) and kind == "failed":
            return self.open(answer, now)
        if self.state != "healthy":
            return self._end_of_rest(answer, kind, now) if began >= self.since else None
        unanswered = kind == "failed" and _was_no_answer(answer)
        self._row = self._row + 1 if unanswered else 0
        self._count(kind, now)
        return self._judge(answer, now)

    @property
    def is_quiet(self) -> bool:
        """Whether a success tells it nothing: it is healthy and counts no failures."""
        return self.state == "healthy" and not self.calls

    def open(self, error: UnavailableError, now: float) -> HealthChanged | None:
        """Leave it alone at once, for the reason that the error gives."""
        if self.state == "cooling" and now < self.until:
            return None
        reason, rest = _mending(error)
        return self._cool(reason, error.code, self._spread(rest), now)

    def _end_of_rest(
        self, answer: Receipt | DeliveryError, kind: str, now: float
    ) -> HealthChanged | None:
        """Judge a try made to see whether it is well again, or for want of any other."""
        if kind == "failed":
            if self.state == "cooling":
                return None
            return self._rest(f"it failed again: {_told(answer)}", answer, now)
        self._proven += 1
        if self._proven >= PROVEN:
            return self._become("healthy", now)
        return self._become("probing", now) if self.state == "cooling" else None

    def _count(self, kind: str, now: float) -> None:
        """Count a call, beginning with the first that fails."""
        failed = kind == "failed"
        if failed or (self.calls and kind == "carried"):
            self.calls.append((now, failed))
            self._failed += failed
        while self.calls and (
            len(self.calls) > WINDOW or now - self.calls[0][0] > WINDOW_AGE
        ):
            self._failed -= self.calls.popleft()[1]
        if not self._failed:
            # Counting begins with the next failure; until then a success is no news, and
            # messages go the straight way again.
            self.calls.clear()

    def _judge(
        self, answer: Receipt | DeliveryError, now: float
    ) -> HealthChanged | None:
        """Open it when either trigger says so."""
        if self._row >= ROW:
            return self._rest(f"{ROW} calls in a row without an answer", answer, now)
        calls = len(self.calls)
        if calls >= FEWEST and self._failed >= TOO_MANY * calls:
            why = f"{self._failed} of the last {calls} calls failed"
            return self._rest(why, answer, now)
        return None

    def _rest(
        self, reason: str, answer: Receipt | DeliveryError, now: float
    ) -> HealthChanged | None:
        if self.state == "healthy" and now - self.since > CALM:
            self._rests = 0
        rest = min(REST * 2**self._rests, LONGEST_REST)
        self._rests = min(self._rests + 1, 10)
        code = answer.code if isinstance(answer, DeliveryError) else ""
        return self._cool(reason, code, self._spread(rest), now)

    def _spread(self, rest: float) -> float:
        return rest * self._random.uniform(0.8, 1.2)

    def _cool(self, reason: str, code: str, rest: float, now: float) -> HealthChanged:
        self.reason, self.code, self.until = reason, code, now + rest
        return self._become("cooling", now, rest)

    def _become(self, state: State, now: float, rest: float = 0.0) -> HealthChanged:
        self.state, self.since = state, now
        if state == "healthy":
            self.reason = self.code = ""
        if state != "probing":
            self._row = self._failed = self._proven = 0
            self.calls.clear()
        return HealthChanged(self.scope, self.name, state, self.reason, self.code, rest)


def _kind(
    answer: Receipt | DeliveryError, scope: Scope
) -> Literal["carried", "alive", "failed", "none"]:
    """Tell what an answer says of a backend, an account or a sender.

    A refused message, or "slow down", proves that the provider is alive, but is no call
    that it did well; of an account or a sender it says nothing.
    """
    if not isinstance(answer, DeliveryError):
        return "carried"
    if answer.phase in OURS or answer.code == NO_TIME:
        return "none"
    concerns = answer.scope if isinstance(answer, UnavailableError) else "backend"
    if answer.health in ("counts", "opens") and concerns == scope:
        return "failed"
    return "alive" if scope == "backend" else "none"


def _was_no_answer(answer: Receipt | DeliveryError) -> bool:
    """Whether the provider was not reached, or took a message and fell silent."""
    if isinstance(answer, UnknownOutcomeError):
        return answer.code in SILENCE
    return isinstance(answer, DeliveryError) and answer.phase in ON_THE_WAY


def _mending(error: UnavailableError) -> tuple[str, float]:
    """Give the reason and the seconds to leave it alone."""
    if error.scope == "account":
        asked = error.retry_after
        rest = QUOTA if asked is None else min(asked, LONGEST_QUOTA)
        return "the account's quota is used up, or it is paused", rest
    if error.scope == "sender":
        return "this sender is not allowed there", MENDING
    if error.code == "certificate" or error.phase in {"tls", "starttls"}:
        return "its certificate or TLS cannot be trusted", MENDING
    if error.phase in {"auth", "credentials"} or error.code in {"401", "403"}:
        return "it refuses our credentials", MENDING
    return f"it cannot be used as it is configured ({_told(error)})", MENDING


def _told(answer: Receipt | DeliveryError) -> str:
    """Say what an error was without its text, which may quote an address."""
    if not isinstance(
        answer, DeliveryError
    ):  # pragma: no cover - only errors come here
        return ""
    where = f" in {answer.phase}" if answer.phase else ""
    return f"{type(answer).__name__}{where}"
