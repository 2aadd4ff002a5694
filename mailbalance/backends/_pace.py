"""How fast one backend may go: what its provider publishes, and what was configured.

What lives here: the options ``rate``, ``concurrency`` and ``processes`` that every backend
has, and their join with published limits. What must not: any provider's figures; keeping to
a limit is the mailer's work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from mailbalance.config.rates import (
    Wanted,
    divided,
    parse_rates,
    parse_whole,
    strictest,
)
from mailbalance.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from mailbalance.backend import Limits, Rate
    from mailbalance.config.rates import Whole

T = TypeVar("T")

_NO_AUTO = (
    "only SES tells its rate, by API only, where it is found out for every backend of the "
    "account"
)

#: What every DSN may hold after its question mark.
OPTIONS = frozenset({"rate", "concurrency", "processes"})


@dataclass(frozen=True, slots=True)
class Published:
    """How fast a provider takes mail on its own hosts, by its own word.

    Attributes:
        source: The page that says so.
        checked: The day it was read.
        rates: For one account or token, all of its processes together.
        concurrency: Most connections, counted in the same way.
    """

    source: str
    checked: date
    rates: tuple[Rate, ...] = ()
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """What was configured, before it is divided.

    Attributes:
        rates: The rates written.
        auto: Whether the provider shall be asked for its rates.
        concurrency: Messages at once, or ``None``.
        processes: How many processes share all of it.
    """

    rates: tuple[Rate, ...] = ()
    auto: bool = False
    concurrency: int | None = None
    processes: int = 1

    def over(self, limits: Limits, published: Published | None = None) -> Limits:
        """Give the limits of one backend in this process.

        Args:
            limits: What the provider can carry.
            published: How fast, on its own hosts; ``None`` for any other host.
        """
        known = published.rates if published else ()
        return replace(
            limits,
            rates=self.share(strictest((*known, *self.rates))),
            concurrency=self.at_once(published.concurrency if published else None),
        )

    def at_once(self, known: int | None = None) -> int | None:
        """Give the messages at once in this process, at least one; ``None``: any number."""
        given = [each for each in (known, self.concurrency) if each is not None]
        return max(1, min(given) // self.processes) if given else None

    def share(self, rates: Iterable[Rate]) -> tuple[Rate, ...]:
        """Give this process's part of rates that all processes have together."""
        return tuple(divided(rate, self.processes) for rate in rates)


def read_pace(
    problems: list[str],
    name: str,
    rate: str | None,
    concurrency: Whole,
    processes: Whole,
    *,
    auto: str = _NO_AUTO,
) -> Pace:
    """Read the three options.

    Args:
        problems: Gets one sentence for each mistake; no value is shown.
        name: The backend's name, for those.
        rate: Rates with commas between, or ``auto``, or both.
        concurrency: Messages at once.
        processes: Processes that share all limits.
        auto: Why ``rate=auto`` does not work here; empty where it does.
    """

    def watched(read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except ConfigError as error:
            problems.extend(f"{name}: {problem}" for problem in error.problems)
            return default

    wanted = watched(lambda: parse_rates(rate or ""), Wanted())
    if wanted.auto and auto:
        problems.append(f"{name}: rate=auto: {auto}; write it, such as rate=50/hour")
    most = watched(lambda: parse_whole(concurrency, "concurrency="), None)
    shared = watched(lambda: parse_whole(processes, "processes="), None)
    return Pace(wanted.rates, wanted.auto, most, shared or 1)
