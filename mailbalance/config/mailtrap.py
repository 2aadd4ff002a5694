"""Mailtrap's own variables, which fill what a DSN leaves open.

What lives here: the token under its two names, the stream, the Mailtrap Sandbox and the
SMTP port. What must not: variables of ours; ``settings`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import SecretStr

from mailbalance.config.backend import BackendSettings, variable
from mailbalance.config.variables import Problems, flag, whole
from mailbalance.errors import ConfigError
from mailbalance.frozen import FrozenDict
from mailbalance.secret import hushed


@hushed
def with_mailtrap_variables(
    settings: BackendSettings, environ: Mapping[str, str]
) -> BackendSettings:
    """Fill what the DSN leaves open from Mailtrap's own variables."""
    problems = Problems()
    options = dict(settings.options)
    smtp = settings.kind == "mailtrap+smtp"
    if environ.get("MAILTRAP_STREAM"):
        options.setdefault("stream", environ["MAILTRAP_STREAM"])
    secret, port = settings.secret, settings.port
    if flag(environ, "MAILTRAP_USE_SANDBOX", problems):
        problems += _divert(settings, options, environ)
    if secret is None:
        secret = _token(environ, problems)
    if smtp and port is None and environ.get("MAILTRAP_SMTP_PORT"):
        found = whole(environ, "MAILTRAP_SMTP_PORT", problems)
        port = found or 0
        if port > 65535:
            problems.append("MAILTRAP_SMTP_PORT must be at most 65535")
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


def _token(environ: Mapping[str, str], problems: Problems) -> SecretStr | None:
    token, key = environ.get("MAILTRAP_API_TOKEN"), environ.get("MAILTRAP_API_KEY")
    if token and key and token != key:
        problems.append(
            "MAILTRAP_API_TOKEN and MAILTRAP_API_KEY are both set and differ; "
            "unset the one that is out of date"
        )
    found = token or key
    return SecretStr(found) if found else None
