"""Rates in words: ``50/hour``, ``14 recipients/s``, ``150/10s``, several with commas.

What lives here: the grammar, and what one of several processes may use of a rate. What
must not: any provider's figures, or keeping to a rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, TypeAlias

from mailbalance.backend import Rate
from mailbalance.errors import ConfigError

#: In place of a rate: what the provider itself says.
AUTO = "auto"

#: A whole number as an option gives it, or a constructor.
Whole: TypeAlias = int | str | None

#: Blanks are taken for good (``*+``): two runs of them could be cut in too many ways.
_RATE = re.compile(
    r"([0-9]{1,9}) *+(message|recipient)?s? *+/ *+([0-9]{1,6})? *+([a-z]+)",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60}
_SECONDS |= {"h": 3600, "hour": 3600, "d": 86400, "day": 86400}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wrote for a rate.

    Attributes:
        rates: The rates.
        auto: Whether those that the provider tells are wanted too.
    """

    rates: tuple[Rate, ...] = ()
    auto: bool = False


def parse_rates(text: str) -> Wanted:
    """Read rates as written in an option.

    Raises:
        ConfigError: When it is none; says how to write one, never what was there.
    """
    items = [item.strip() for item in text.split(",")] if text else []
    return Wanted(
        tuple(_rate(item) for item in items if item.lower() != AUTO),
        AUTO in map(str.lower, items),
    )


def parse_whole(given: Whole, what: str) -> int | None:
    """Read a whole number above 0; ``None`` stays ``None``.

    Raises:
        ConfigError: When it is anything else.
    """
    if given is None:
        return None
    text = str(given).strip()
    # bool is an int, but nobody means 1 by True.
    if isinstance(given, bool) or not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise ConfigError(f"{what} must be a whole number above 0")
    return int(text)


def divided(rate: Rate, processes: int) -> Rate:
    """Give the part of a rate that one of so many processes may use.

    All of them together never pass it, so what does not divide is left. A rate with less
    than one for each keeps one, in a stretch that is longer accordingly.
    """
    count = rate.count // processes
    if count:
        used = min(count, ceil(rate.used / processes))
        return replace(rate, count=count, used=used)
    period = rate.period * processes / rate.count
    return replace(rate, count=1, period=period, used=min(1, rate.used))


def strictest(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """Leave out each rate that another for the same stretch and unit makes needless."""
    least: dict[tuple[float, str, str], Rate] = {}
    for rate in rates:
        key = rate.period, rate.unit, rate.shared
        if key not in least or rate.count < least[key].count:
            least[key] = rate
    return tuple(least.values())


def _rate(item: str) -> Rate:
    found = _RATE.fullmatch(item)
    seconds = _SECONDS.get(_singular(found[4].lower())) if found else None
    count, many = (int(found[1]), int(found[3] or 1)) if found else (0, 0)
    if not found or seconds is None or not count or not many:
        raise ConfigError(
            "rate= must look like 50/hour, 14 recipients/s or 150/10s (s, min, hour or "
            "day), with commas between several"
        )
    unit: Literal["messages", "recipients"] = "messages"
    if (found[2] or "").lower() == "recipient":
        unit = "recipients"
    return Rate(count, float(many * seconds), unit)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") else word
