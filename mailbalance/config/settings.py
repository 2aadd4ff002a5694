"""The whole configuration, from one mapping of environment variables.

What lives here: which variables there are. What must not: ``os.environ``; the mapping is
passed in, and what is passed in is all there is.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mailbalance.address import Address
from mailbalance.config.backend import BackendSettings, variable
from mailbalance.config.dsn import parse_dsn
from mailbalance.config.mailtrap import with_mailtrap_variables
from mailbalance.config.templates import read_templates
from mailbalance.config.variables import Problems, addresses, positive, sender, whole
from mailbalance.config.weights import Weight, parse_split, split_names
from mailbalance.errors import ConfigError
from mailbalance.frozen import FrozenDict
from mailbalance.later import Later
from mailbalance.secret import hidden, hushed

if TYPE_CHECKING:
    import difflib
else:
    difflib = Later("difflib", globals())

#: Backends that need no DSN, with their kind.
BUILT_IN = {
    "ses": "ses+api",
    "ses-smtp": "ses+smtp",
    "mailtrap": "mailtrap+api",
    "mailtrap-smtp": "mailtrap+smtp",
    "memory": "memory",
    "console": "console",
}

#: How many processes share the limits of every backend.
PROCESSES = "MAILBALANCE_PROCESSES"

_CHOICES = """\
MAILBALANCE_SPLIT is not set, so there is nowhere to send to. Set one of:
  MAILBALANCE_SPLIT=ses=60,mailtrap=40   both providers by API, 60 % and 40 %
  MAILBALANCE_SPLIT=mailtrap=100         Mailtrap alone (with MAILTRAP_API_TOKEN)
  MAILBALANCE_SPLIT=console=100          print messages, send nothing"""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment says.

    Attributes:
        split: Names and weights.
        backends: The settings of each backend of the split, in its order.
        from_: Default sender, or ``None``.
        reply_to: Default reply addresses.
        timeout: Seconds for one send, or ``None`` for the policy's default.
        max_attempts: Tries for one message, or ``None`` for the policy's default.
        unknown: What to do when an outcome is unknown.
        templates: Names of SES templates with the ids of their Mailtrap twins.
    """

    split: tuple[Weight, ...]
    backends: tuple[BackendSettings, ...]
    from_: Address | None = None
    reply_to: tuple[Address, ...] = ()
    timeout: float | None = None
    max_attempts: int | None = None
    unknown: Literal["raise", "retry"] = "raise"
    templates: Mapping[str, str] = FrozenDict()


@hushed
def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read all settings.

    Raises:
        ConfigError: With every problem found, each naming its variable and the fix.
    """
    environ = hidden(environ)
    written = environ.get("MAILBALANCE_SPLIT", "").strip()
    if not written:
        raise ConfigError(_CHOICES)
    problems = Problems()
    nothing: tuple[Weight, ...] = ()
    split = problems.of(parse_split, written, default=nothing)
    idle = {weight.name for weight in split if weight.idle}
    settings = Settings(
        split=split,
        backends=tuple(_backends(split_names(written), idle, environ, problems)),
        from_=sender(environ, "MAILBALANCE_FROM", problems),
        reply_to=addresses(environ, "MAILBALANCE_REPLY_TO", problems),
        timeout=positive(environ, "MAILBALANCE_TIMEOUT", problems),
        max_attempts=whole(environ, "MAILBALANCE_MAX_ATTEMPTS", problems),
        unknown=_unknown(environ, problems),
        templates=problems.of(read_templates, environ, default=FrozenDict()),
    )
    if problems:
        raise ConfigError(problems)
    return settings


def _backends(
    names: Iterable[str],
    idle: Container[str],
    environ: Mapping[str, str],
    problems: Problems,
) -> Iterator[BackendSettings]:
    for name in names:
        try:
            yield replace(read_backend(name, environ), idle=name in idle)
        except ConfigError as error:
            problems += error.problems


def _unknown(
    environ: Mapping[str, str], problems: Problems
) -> Literal["raise", "retry"]:
    given = environ.get("MAILBALANCE_UNKNOWN") or "raise"
    if given not in ("raise", "retry"):
        problems.append("MAILBALANCE_UNKNOWN must be raise or retry")
    return "retry" if given == "retry" else "raise"


def _shared(settings: BackendSettings, environ: Mapping[str, str]) -> BackendSettings:
    """Let the backend know how many processes there are, unless its DSN says it."""
    problems = Problems()
    count = whole(environ, PROCESSES, problems)
    if problems:
        raise ConfigError(problems)
    options = {"processes": str(count)} if count is not None else {}
    return replace(settings, options=FrozenDict(options | dict(settings.options)))


@hushed
def read_backend(name: str, environ: Mapping[str, str]) -> BackendSettings:
    """Read the settings of one backend: its DSN if there is one, else what its name says.

    Raises:
        ConfigError: For an unknown name without a DSN, or a bad DSN or variable.
    """
    environ = hidden(environ)
    dsn = environ.get(variable(name))
    if dsn:
        settings = parse_dsn(dsn, name=name)
    elif name in BUILT_IN:
        settings = BackendSettings(name=name, kind=BUILT_IN[name])
    else:
        near = difflib.get_close_matches(name, BUILT_IN, n=1)
        meant = f"did you mean {near[0]}? The" if near else "the"
        raise ConfigError(
            f"unknown backend {name!r} in the split: {meant} built-in ones are "
            f"{', '.join(BUILT_IN)}; for any other name set {variable(name)}"
        )
    settings = replace(_shared(settings, environ), environ=environ)
    if settings.kind.startswith("mailtrap"):
        return with_mailtrap_variables(settings, environ)
    return settings
