"""How often, how soon and how long: the numbers behind every retry, and the clock.

tenacity's stop and wait strategies, asked as plain functions of a retry state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Literal

from tenacity import RetryCallState, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from mailbalance.errors import ConfigError
from mailbalance.later import Later

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
else:
    asyncio = Later("asyncio", globals())

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

    Raises:
        ConfigError: For a timeout that is no number above 0, or another ``unknown``.
    """

    stop: stop_base = field(default_factory=lambda: stop_after_attempt(5))
    wait: wait_base = field(
        default_factory=lambda: wait_retry_after(
            wait_random_exponential(multiplier=0.5, max=20)
        )
    )
    timeout: float = 30.0
    unknown: Literal["raise", "retry"] = "raise"

    def __post_init__(self) -> None:
        """Refuse what would fail, or do something else, only when mail is sent."""
        problems = []
        if not 0 < self.timeout < inf:
            problems.append("policy: timeout must be a number of seconds above 0")
        if self.unknown not in ("raise", "retry"):
            problems.append("policy: unknown must be 'raise' or 'retry'")
        if problems:
            raise ConfigError(problems)

    @property
    def reserve(self) -> float:
        """Seconds that must be left for a try to begin.

        With less, a lost reply would be more likely than a clear one, and a message that
        was provably not sent is better than one that may have been.
        """
        return min(10.0, self.timeout / 3)


async def _asleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock and the sleeps of a mailer; passed in, so that a test need not wait.

    Attributes:
        clock: Monotonic time in seconds.
        sleep: Waits in a thread.
        asleep: Waits in a task.
        wall: Seconds since 1970, for what people are told.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = _asleep
    wall: Callable[[], float] = time.time
