"""Reading one variable: a number, a switch, addresses.

What lives here: what a value may look like, and the sentence when it does not. A reader
notes the problem and goes on, so that all are told at once. What must not: which variables
there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from mailbalance.address import Address
from mailbalance.errors import ConfigError, MessageError

A = TypeVar("A")
T = TypeVar("T")
Number = TypeVar("Number", int, float)

_BETWEEN_COMMAS = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
#: No count and no number of seconds here can sensibly be larger.
_MOST = 10**9
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class Problems(list[str]):
    """What was found wrong so far, one sentence each."""

    def of(self, read: Callable[[A], T], given: A, *, default: T) -> T:
        """Give what a reader reads; note what it complains of, and give the default."""
        try:
            return read(given)
        except ConfigError as error:
            self += error.problems
            return default


def positive(environ: Mapping[str, str], name: str, problems: Problems) -> float | None:
    """Read a number above 0; ``None`` when the variable is not set."""
    return _number(environ, name, problems, float, "number")


def whole(environ: Mapping[str, str], name: str, problems: Problems) -> int | None:
    """Read a whole number above 0; ``None`` when the variable is not set."""
    return _number(environ, name, problems, int, "whole number")


def flag(environ: Mapping[str, str], name: str, problems: Problems) -> bool:
    """Read a switch; off when the variable is not set."""
    value = environ.get(name, "").strip().lower()
    if value not in _TRUE | _FALSE:
        problems.append(f"{name} must be 1 or 0")
    return value in _TRUE


def addresses(
    environ: Mapping[str, str], name: str, problems: Problems
) -> tuple[Address, ...]:
    """Read addresses with commas between; a comma inside quotes is part of a name."""
    found = []
    for written in _BETWEEN_COMMAS.findall(environ.get(name, "")):
        try:
            found += [Address.parse(written.strip())] if written.strip() else []
        except MessageError as error:
            said = (problem.removeprefix("email: ") for problem in error.problems)
            problems += [f"{name}: {problem}" for problem in said]
    return tuple(found)


def sender(environ: Mapping[str, str], name: str, problems: Problems) -> Address | None:
    """Read one address; ``None`` when the variable is not set."""
    found = addresses(environ, name, problems)
    if len(found) > 1:
        problems.append(f"{name}: there are several addresses; give one")
    return found[0] if found else None


def _number(
    environ: Mapping[str, str],
    name: str,
    problems: Problems,
    kind: Callable[[str], Number],
    called: str,
) -> Number | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = kind("0")
    if not 0 < value < _MOST:
        problems.append(f"{name} must be a {called} above 0")
        return None
    return value
