"""The environment variables that matter, each with its meaning.

What lives here: that list, telling secrets from the rest, and finding names that were
mistyped. What must not: reading a value's sense; that is ``mailbalance.config``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mailbalance.config import BUILT_IN, variable

_OPEN = {
    "MAILBALANCE_SPLIT": "which backends, and their weights",
    "MAILBALANCE_FROM": "author of messages that name none",
    "MAILBALANCE_REPLY_TO": "where answers to them go",
    "MAILBALANCE_TIMEOUT": "seconds for one send, every try included",
    "MAILBALANCE_MAX_ATTEMPTS": "tries for one message at most",
    "MAILBALANCE_UNKNOWN": "after a lost reply: raise, or retry (may deliver twice)",
    "MAILBALANCE_PROCESSES": "processes that share the backends' rates and connections",
    "MAILBALANCE_TEMPLATES": "file: Mailtrap's UUID of each SES template with a twin",
    "MAILTRAP_STREAM": "Mailtrap's stream for messages that name none",
    "MAILTRAP_USE_SANDBOX": "1 sends to the Mailtrap Sandbox instead",
    "MAILTRAP_SANDBOX_ID": "which Mailtrap Sandbox",
    "MAILTRAP_INBOX_ID": "which Mailtrap Sandbox (older name)",
    "MAILTRAP_SMTP_PORT": "587, 2525, 25 (STARTTLS) or 465 (TLS at once)",
    "AWS_REGION": "SES's region",
    "AWS_DEFAULT_REGION": "SES's region; goes before AWS_REGION",
    "AWS_PROFILE": "profile of the AWS configuration files",
    "AWS_CA_BUNDLE": "certificates to trust for SES",
    "REQUESTS_CA_BUNDLE": "certificates to trust for every backend",
}
#: Not all are secrets; a user name or a proxy's address is nobody else's business either.
_MASKED = {
    "MAILTRAP_API_TOKEN": "Mailtrap's token",
    "MAILTRAP_API_KEY": "Mailtrap's token (other name)",
    "AWS_ACCESS_KEY_ID": "AWS key",
    "AWS_SECRET_ACCESS_KEY": "AWS key, its secret part",
    "AWS_SESSION_TOKEN": "AWS key, its session part",
    "AWS_ENDPOINT_URL": "replaces the address of every AWS service",
    "AWS_ENDPOINT_URL_SESV2": "replaces SES's address",
    "SES_SMTP_USERNAME": "user name for SES by SMTP",
    "SES_SMTP_PASSWORD": "password for SES by SMTP",
    "HTTPS_PROXY": "proxy for both providers' APIs",
    "NO_PROXY": "hosts that are reached without it",
}
_URL = re.compile(r"MAILBALANCE_([A-Z0-9_]+)_URL")

#: Names that begin so are ours, or read by us alone.
_PREFIXES = ("MAILBALANCE_", "MAILTRAP_", "SES_SMTP_")

#: How alike the rest of two names must be to take one for a slip of the other, 0 to 1:
#: FORM and FROM are 0.75, PASS and PASSWORD 0.67, POSTMARK_URL and MAILTRAP_URL 0.58.
_ALIKE = 0.65


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that is set.

    Attributes:
        name: Its name.
        value: What it holds; ``None`` for what is not shown.
        meaning: What it is for.
    """

    name: str
    value: str | None
    meaning: str


def variables_set(environ: Mapping[str, str]) -> tuple[Variable, ...]:
    """Give every variable that is set and means something here."""
    found = [
        Variable(name, environ[name], meaning)
        for name, meaning in _OPEN.items()
        if environ.get(name)
    ]
    found += [
        Variable(name, None, f"how backend {_backend(url[1])} is reached")
        for name in sorted(environ)
        if (url := _URL.fullmatch(name)) and environ[name]
    ]
    found += [
        Variable(name, None, meaning)
        for name, meaning in _MASKED.items()
        if environ.get(name)
    ]
    return tuple(found)


def doubts(environ: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Give one sentence for each variable that looks mistyped or has no effect.

    Args:
        environ: The environment.
        names: The names of the backends in the split.
    """
    used = {variable(name) for name in names}
    known = [*_OPEN, *_MASKED, *sorted(used)]
    found = []
    for name in sorted(environ):
        if name in known or not name.startswith(_PREFIXES):
            continue
        near = _nearest(name, known)
        url = _URL.fullmatch(name)
        backend = _backend(url[1]) if url else ""
        mistyped = near is not None and not environ.get(near)
        if mistyped and backend not in BUILT_IN:
            found.append(f"{name} is not read; did you mean {near}?")
        elif backend:
            found.append(f"{name} has no effect: {backend} is not in the split")
        else:
            found.append(f"{name} is not read; mailbalance has no such variable")
    return found


def _nearest(name: str, known: list[str]) -> str | None:
    """Give the known name with the same prefix that is most like this one."""
    prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
    rests = [other.removeprefix(prefix) for other in known if other.startswith(prefix)]
    rest = name.removeprefix(prefix)
    near = difflib.get_close_matches(rest, rests, n=1, cutoff=_ALIKE)
    return prefix + near[0] if near else None


def _backend(name: str) -> str:
    return name.lower().replace("_", "-")
