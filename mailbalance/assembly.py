"""From names, weights and settings to what a mailer is made of.

What lives here: putting the parts together, with every problem found at once. What must
not: sending, or reading the environment where it was not passed in.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tenacity import stop_after_attempt

from mailbalance.backend import Backend
from mailbalance.backends import make_backend
from mailbalance.config import (
    BackendSettings,
    Settings,
    Weight,
    parse_split,
    parse_weights,
    read_backend,
)
from mailbalance.delivery.retry import RetryPolicy
from mailbalance.errors import ConfigError, MessageError
from mailbalance.events import Observer
from mailbalance.message import Address, Message
from mailbalance.routing import Entry
from mailbalance.secret import Environ, hidden, hushed

if TYPE_CHECKING:
    from mailbalance.mailer import Mailer

M = TypeVar("M", bound="Mailer")
#: What a weight may be: a number, ``"60%"`` or ``"backup"``.
WeightLike: TypeAlias = int | float | Decimal | Fraction | str
#: What a split may name: a name that the environment configures, or a backend.
BackendLike: TypeAlias = str | Backend


def make_entries(
    split: Mapping[Any, WeightLike] | str, environ: Mapping[str, str] | None
) -> tuple[Entry, ...]:
    """Check the weights and make the backends that are given by name.

    Args:
        split: Backends and weights, or both as text.
        environ: Configures them; ``None`` for the process's own environment.

    Raises:
        ConfigError: With every problem found in either.
    """
    pairs = _pairs(split)
    made: list[Backend] = []
    problems: list[str] = []
    weights: tuple[Weight, ...] = ()
    try:
        weights = parse_weights((_name(given), weight) for given, weight in pairs)
    except ConfigError as error:
        problems += error.problems
    idle = {weight.name for weight in weights if weight.idle}
    for given, _ in pairs:
        try:
            made.append(_make(given, environ, idle))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return tuple(
        Entry(backend, weight.value, backup=weight.backup)
        for backend, weight in zip(made, weights, strict=True)
    )


def make_backends(settings: Settings) -> list[Backend]:
    """Make every backend of the settings.

    Raises:
        ConfigError: With the problems of all of them.
    """
    made: list[Backend] = []
    problems: list[str] = []
    for each in settings.backends:
        try:
            made.append(make_backend(_with_chain(each)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return made


@hushed
def make_mailer(
    kind: type[M], settings: Settings, observers: Iterable[Observer] = ()
) -> M:
    """Make the mailer that the settings describe.

    Raises:
        ConfigError: With the problems of all its backends.
    """
    weights = ("backup" if w.backup else w.value for w in settings.split)
    made = kind(
        dict(zip(make_backends(settings), weights, strict=True)),
        policy=make_policy(settings),
        observers=observers,
        from_=settings.from_,
        reply_to=settings.reply_to,
    )
    made.templates = settings.templates
    return made


def make_policy(settings: Settings) -> RetryPolicy:
    """Give the default policy with what the settings change in it."""
    policy = RetryPolicy(unknown=settings.unknown)
    if settings.timeout is not None:
        policy = replace(policy, timeout=settings.timeout)
    if settings.max_attempts is not None:
        policy = replace(policy, stop=stop_after_attempt(settings.max_attempts))
    return policy


def _with_chain(settings: BackendSettings) -> BackendSettings:
    """Leave botocore's chain as it is, where it reads the environment we read."""
    said = settings.environ
    whole = isinstance(said, Environ) and said.is_of_the_process
    return replace(settings, environ=None) if whole else settings


def checked_observers(given: Any) -> tuple[Observer, ...]:
    """Give the observers, if that is what they are.

    Raises:
        ConfigError: When it is no list of them, or one cannot be called.
    """
    if not isinstance(given, Iterable) or not all(map(callable, found := list(given))):
        raise ConfigError("observers: give a list of things that can be called")
    return tuple(found)


def _pairs(split: Any) -> list[tuple[Any, Any]]:
    if isinstance(split, str):
        parsed = parse_split(split, source="split")
        return [(w.name, "backup" if w.backup else w.value) for w in parsed]
    if isinstance(split, Mapping):
        return list(split.items())
    raise ConfigError("split: give a mapping of backends to weights, or text")


def _name(given: BackendLike) -> str:
    return given if isinstance(given, str) else str(getattr(given, "name", given))


def _make(
    given: BackendLike, environ: Mapping[str, str] | None, idle: Container[str]
) -> Backend:
    if isinstance(given, str):
        found = read_backend(given, hidden(environ))
        return make_backend(_with_chain(replace(found, idle=given in idle)))
    if not isinstance(given, Backend):
        kind = type(given).__name__
        raise ConfigError(f"split: a {kind} is neither a name nor a backend")
    return given


def make_defaults(
    from_: Address | str | None, reply_to: Iterable[Address | str] | Address | str
) -> dict[str, Any]:
    """Give the fields that messages get when they name none, checked once."""
    fields: dict[str, Any] = {}
    if from_ is not None:
        fields["from_"] = from_
    if reply_to:
        fields["reply_to"] = reply_to
    try:
        probe = Message(to="probe@example.com", text="probe", **fields)
    except MessageError as error:
        raise ConfigError(
            [f"default for every message: {problem}" for problem in error.problems]
        ) from None
    return {name: getattr(probe, name) for name in fields}
