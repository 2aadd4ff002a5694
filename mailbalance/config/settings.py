"""The whole configuration, from one mapping of environment variables.

What lives here: which variables there are, what they may hold, and how Mailtrap's own
variables fill what a DSN leaves open. What must not: ``os.environ``; the mapping is passed
in, and what is passed in is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import SecretStr

from mailbalance.config.backend import BackendSettings
from mailbalance.config.dsn import parse_dsn, variable
from mailbalance.config.weights import Weight, parse_split
from mailbalance.errors import ConfigError
from mailbalance.frozen import FrozenDict

#: Backends that need no DSN, with their kind.
BUILT_IN = {
    "ses": "ses+api",
    "ses-smtp": "ses+smtp",
    "mailtrap": "mailtrap+api",
    "mailtrap-smtp": "mailtrap+smtp",
    "memory": "memory",
    "console": "console",
}

_CHOICES = """\
MAILBALANCE_SPLIT is not set, so there is nowhere to send to. Set one of:
  MAILBALANCE_SPLIT=ses=60,mailtrap=40   both providers by API, 60 % and 40 %
  MAILBALANCE_SPLIT=mailtrap=100         Mailtrap alone (with MAILTRAP_API_TOKEN)
  MAILBALANCE_SPLIT=console=100          print messages, send nothing"""

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment says.

    Attributes:
        split: Names and weights.
        backends: The settings of each backend of the split, in its order.
        from_: Default sender, or ``None``.
        reply_to: Default reply addresses, as written, or ``None``.
        timeout: Seconds for one send, or ``None`` for the policy's default.
        max_attempts: Tries for one message, or ``None`` for the policy's default.
        unknown: What to do when an outcome is unknown.
    """

    split: tuple[Weight, ...]
    backends: tuple[BackendSettings, ...]
    from_: str | None = None
    reply_to: str | None = None
    timeout: float | None = None
    max_attempts: int | None = None
    unknown: Literal["raise", "retry"] = "raise"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read all settings.

    Raises:
        ConfigError: With every problem found, each naming its variable and the fix.
    """
    if not environ.get("MAILBALANCE_SPLIT", "").strip():
        raise ConfigError(_CHOICES)
    problems: list[str] = []
    split: tuple[Weight, ...] = ()
    try:
        split = parse_split(environ["MAILBALANCE_SPLIT"])
    except ConfigError as error:
        problems += error.problems
    backends = []
    for weight in split:
        try:
            backends.append(read_backend(weight.name, environ))
        except ConfigError as error:
            problems += error.problems
    timeout = _positive(environ, "MAILBALANCE_TIMEOUT", problems)
    max_attempts = _positive(environ, "MAILBALANCE_MAX_ATTEMPTS", problems, whole=True)
    unknown = environ.get("MAILBALANCE_UNKNOWN") or "raise"
    if unknown not in ("raise", "retry"):
        problems.append("MAILBALANCE_UNKNOWN must be raise or retry")
    if problems:
        raise ConfigError(problems)
    return Settings(
        split=split,
        backends=tuple(backends),
        from_=environ.get("MAILBALANCE_FROM") or None,
        reply_to=environ.get("MAILBALANCE_REPLY_TO") or None,
        timeout=timeout,
        max_attempts=None if max_attempts is None else int(max_attempts),
        unknown="retry" if unknown == "retry" else "raise",
    )


def read_backend(name: str, environ: Mapping[str, str]) -> BackendSettings:
    """Read the settings of one backend: its DSN if there is one, else what its name says.

    Raises:
        ConfigError: For an unknown name without a DSN, or a bad DSN or variable.
    """
    dsn = environ.get(variable(name))
    if dsn:
        settings = parse_dsn(dsn, name=name)
    elif name in BUILT_IN:
        settings = BackendSettings(name=name, kind=BUILT_IN[name])
    else:
        raise ConfigError(
            f"unknown backend {name!r} in the split: the built-in ones are "
            f"{', '.join(BUILT_IN)}; for any other name set {variable(name)}"
        )
    settings = replace(settings, environ=environ)
    if settings.kind.startswith("mailtrap"):
        return _with_mailtrap_variables(settings, environ)
    return settings


def _with_mailtrap_variables(
    settings: BackendSettings, environ: Mapping[str, str]
) -> BackendSettings:
    """Fill what the DSN leaves open from Mailtrap's own variables."""
    problems: list[str] = []
    options = dict(settings.options)
    smtp = settings.kind == "mailtrap+smtp"
    if environ.get("MAILTRAP_STREAM"):
        options.setdefault("stream", environ["MAILTRAP_STREAM"])
    secret, port = settings.secret, settings.port
    if _flag(environ, "MAILTRAP_USE_SANDBOX", problems):
        problems += _divert(settings, options, environ)
    if secret is None:
        secret = _token(environ, problems)
    if smtp and port is None and environ.get("MAILTRAP_SMTP_PORT"):
        found = _positive(environ, "MAILTRAP_SMTP_PORT", problems, whole=True)
        port = int(found) if found is not None and found < 65536 else None
    if secret is None and not problems:
        problems.append(
            f"{settings.name}: no token; set MAILTRAP_API_TOKEN, or give it in "
            f"{variable(settings.name)}={settings.kind}://TOKEN@default"
        )
    if problems:
        raise ConfigError(problems)
    return replace(settings, secret=secret, port=port, options=FrozenDict(options))


def _divert(
    settings: BackendSettings, options: dict[str, str], environ: Mapping[str, str]
) -> list[str]:
    """Point a Mailtrap backend at the Mailtrap Sandbox; give the problems."""
    if settings.kind == "mailtrap+smtp":
        options.setdefault("sandbox", "1")
        if settings.user and settings.secret:
            return []
        return [
            f"{settings.name}: MAILTRAP_USE_SANDBOX is set, and the Mailtrap Sandbox has "
            f"its own SMTP user and password; set {variable(settings.name)}="
            "mailtrap+smtp://USER:PASSWORD@default?sandbox=1"
        ]
    sandbox = environ.get("MAILTRAP_SANDBOX_ID") or environ.get("MAILTRAP_INBOX_ID")
    if sandbox:
        options.setdefault("sandbox_id", sandbox)
    if options.get("sandbox_id"):
        return []
    return [
        "MAILTRAP_USE_SANDBOX is set, but not which Mailtrap Sandbox; "
        "set MAILTRAP_SANDBOX_ID too"
    ]


def _token(environ: Mapping[str, str], problems: list[str]) -> SecretStr | None:
    token, key = environ.get("MAILTRAP_API_TOKEN"), environ.get("MAILTRAP_API_KEY")
    if token and key and token != key:
        problems.append(
            "MAILTRAP_API_TOKEN and MAILTRAP_API_KEY are both set and differ; "
            "unset the one that is out of date"
        )
    found = token or key
    return SecretStr(found) if found else None


def _flag(environ: Mapping[str, str], name: str, problems: list[str]) -> bool:
    value = environ.get(name, "").strip().lower()
    if value not in _TRUE | _FALSE:
        problems.append(f"{name} must be 1 or 0")
    return value in _TRUE


def _positive(
    environ: Mapping[str, str], name: str, problems: list[str], *, whole: bool = False
) -> float | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(int(text) if whole else float(text))
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        problems.append(
            f"{name} must be a {'whole number' if whole else 'number'} above 0"
        )
        return None
    return value
