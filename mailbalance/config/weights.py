"""Weights of a split: ``ses=60,mailtrap=40`` to exact fractions.

What lives here: the grammar of a split and its rules. Weights are relative, so ``60/40``,
``3/2`` and ``0.6/0.4`` are the same; with ``%`` they must add to 100; 0 carries nothing;
``backup`` takes failover only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from numbers import Rational, Real

from mailbalance.errors import ConfigError

BACKUP = "backup"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_NEGATIVE = "is negative; 0 is the least, and carries nothing"
_NO_NUMBER = "is not a plain number such as 60, 0.6 or 60%, nor 'backup'"
_EXAMPLE = "write it like ses=60,mailtrap=40"


@dataclass(frozen=True, slots=True)
class Weight:
    """One backend's weight.

    Attributes:
        name: The backend's name.
        value: Its weight, exact; 0 for a backup.
        backup: Whether it takes failover only.
    """

    name: str
    value: Fraction
    backup: bool = False

    @property
    def idle(self) -> bool:
        """Whether it carries nothing, not even in need."""
        return not self.backup and self.value == 0


def parse_split(text: str, *, source: str = "MAILBALANCE_SPLIT") -> tuple[Weight, ...]:
    """Read a split as written in an environment variable.

    Args:
        text: Names and weights; ``=`` or ``:`` between, commas or spaces around.
        source: What to call it in an error.

    Raises:
        ConfigError: With every problem found.
    """
    items = list(_items(text))
    problems = [
        f"{source}: {name!r} has no weight; {_EXAMPLE}"
        for name, weight in items
        if weight is None
    ]
    pairs = [(name, weight) for name, weight in items if weight is not None]
    return parse_weights(pairs, source=source, problems=problems)


def split_names(text: str) -> tuple[str, ...]:
    """Give the names in a split, each once, whatever is wrong with their weights."""
    names = dict.fromkeys(name for name, _ in _items(text))
    return tuple(name for name in names if _NAME.fullmatch(name))


def _items(text: str) -> Iterator[tuple[str, str | None]]:
    """Cut a split into names and weights; a missing weight is ``None``."""
    flat = " ".join(text.split())  # or long white space would take long below
    for item in re.split(r"[, ]+", re.sub(r" ?([=:]) ?", r"\1", flat)):
        name, found, weight = item.partition("=" if "=" in item else ":")
        if item:
            yield name, weight if found else None


def parse_weights(
    pairs: Iterable[tuple[str, object]],
    *,
    source: str = "split",
    problems: Iterable[str] = (),
) -> tuple[Weight, ...]:
    """Read pairs of name and weight, as numbers or as text.

    Args:
        pairs: Name and weight: a number, ``"60"``, ``"60%"`` or ``"backup"``.
        source: What to call it in an error.
        problems: What was found wrong before.

    Raises:
        ConfigError: With every problem found: a bad name, a name given twice, a weight that
            is negative or no number, percentages that do not add to 100, or
            nothing above 0.
    """
    found = list(problems)
    weights: list[Weight] = []
    percents: list[Fraction] = []
    for name, given in pairs:
        if not _NAME.fullmatch(name):
            found.append(
                f"{source}: {name!r} is no name for a backend; "
                "use lower-case letters, digits and hyphens"
            )
            continue
        if any(weight.name == name for weight in weights):
            found.append(f"{source}: {name} is there twice; give it one weight")
            continue
        try:
            weight = _weight(name, given)
        except ValueError as error:
            found.append(f"{source}: the weight of {name} {error}")
            continue
        weights.append(weight)
        if str(given).strip().endswith("%"):
            percents.append(weight.value)
    if not found:
        found += _together(weights, percents, source)
    if found:
        raise ConfigError(found)
    return tuple(weights)


def _weight(name: str, given: object) -> Weight:
    """Read one weight; a ValueError's text completes "the weight of ses ..."."""
    if isinstance(given, Real | Decimal) and not isinstance(given, bool):
        return Weight(name, _exact(given))
    text = str(given).strip()
    if text.lower() == BACKUP:
        return Weight(name, Fraction(), backup=True)
    number = text.removesuffix("%").strip()
    if number.startswith("-"):
        raise ValueError(_NEGATIVE)
    if isinstance(given, bool) or not _NUMBER.fullmatch(number):
        raise ValueError(_NO_NUMBER)
    return Weight(name, Fraction(number))


def _exact(given: Real | Decimal) -> Fraction:
    """Give a number as a fraction; a float as the short decimal it stands for."""
    if not isfinite(given):
        raise ValueError(_NO_NUMBER)
    if given < 0:
        raise ValueError(_NEGATIVE)
    if isinstance(given, Rational):
        return Fraction(given)
    return Fraction(str(given)).limit_denominator(10**12)


def _together(
    weights: list[Weight], percents: list[Fraction], source: str
) -> list[str]:
    """Give the problems that only the weights together show."""
    carrying = [weight for weight in weights if not weight.backup]
    if percents and len(percents) != len(carrying):
        return [
            f"{source}: some weights have % and some have not; write all in one way"
        ]
    if percents and sum(percents) != 100:
        total = float(sum(percents))
        return [f"{source}: the percentages add to {total:g}, not to 100"]
    if not weights:
        return [f"{source}: names no backend; {_EXAMPLE}"]
    if not any(weight.value for weight in carrying):
        return [f"{source}: no weight is above 0, so nothing would be sent; {_EXAMPLE}"]
    return []
