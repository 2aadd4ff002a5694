"""DSNs: one line that says how to reach a backend.

What lives here: the grammar ``scheme://user:secret@host:port?option=value``, with reserved
characters percent-encoded (RFC 3986 section 2.1) and ``default`` for the provider's own
host. What must not: what an option means; the backend knows.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from mailbalance.config.backend import BackendSettings, variable
from mailbalance.errors import ConfigError
from mailbalance.frozen import FrozenDict
from mailbalance.secret import Secret, hushed

#: Each scheme with the kind of backend it makes and the options it implies.
SCHEMES: dict[str, tuple[str, dict[str, str]]] = {
    "ses+api": ("ses+api", {}),
    "ses+smtp": ("ses+smtp", {}),
    "mailtrap+api": ("mailtrap+api", {}),
    "mailtrap+bulk": ("mailtrap+api", {"stream": "bulk"}),
    "mailtrap+sandbox": ("mailtrap+api", {}),
    "mailtrap+smtp": ("mailtrap+smtp", {}),
    "memory": ("memory", {}),
    "console": ("console", {}),
}

#: Other spellings of an option that people know from elsewhere.
_SPELLINGS = {"inboxId": "sandbox_id", "inbox_id": "sandbox_id"}

#: Options that are never shown.
_SECRET = frozenset({"session_token"})

_ENCODE = (
    "percent-encode reserved characters in it: / is %2F, ? is %3F, @ is %40, : is %3A"
)


@hushed
def parse_dsn(dsn: str, *, name: str, source: str | None = None) -> BackendSettings:
    """Read a DSN.

    Args:
        dsn: For example ``mailtrap+smtp://TOKEN@default?port=2525``.
        name: The name of the backend it configures.
        source: What to call it in an error; default: the variable of that name.

    Raises:
        ConfigError: Names the part that is wrong, never its value.
    """
    source = source or variable(name)
    scheme = dsn.strip().partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise ConfigError(f"{source}: unknown scheme; they are {', '.join(SCHEMES)}")
    try:
        url = urlsplit(dsn.strip())
        port = url.port
    except ValueError:
        raise ConfigError(f"{source}: this is no URL; {_ENCODE}") from None
    if "@" in url.query and "@" not in url.netloc:
        raise ConfigError(f"{source}: there is an @ after the ? only; {_ENCODE}")
    kind, implied = SCHEMES[scheme]
    options = implied | _options(url, source)
    problems = _problems(url, options, scheme, source)
    if "port" in options:
        port, problem = _port(options.pop("port"), port, source)
        problems += problem
    if problems:
        raise ConfigError(problems)
    user, secret = _credentials(url, kind)
    host = url.hostname if url.hostname != "default" else None
    return BackendSettings(
        name=name,
        kind=kind,
        host=host,
        port=port,
        user=user,
        secret=SecretStr(secret) if secret else None,
        options=FrozenDict(options),
    )


def _options(url: SplitResult, source: str) -> dict[str, str]:
    # Not parse_qsl: it reads + as a blank, and AWS session tokens are full of +.
    pairs = [item.partition("=") for item in url.query.split("&") if item]
    options = {
        _SPELLINGS.get(unquote(key), unquote(key)): unquote(value).strip(" ")
        for key, _, value in pairs
    }
    options |= {key: Secret(options[key]) for key in _SECRET & options.keys()}
    if len(options) < len(pairs):
        raise ConfigError(f"{source}: an option is there twice; give it once")
    return options


def _problems(
    url: SplitResult, options: dict[str, str], scheme: str, source: str
) -> list[str]:
    problems = []
    if url.path not in ("", "/") or url.fragment:
        problems.append(f"{source}: there is something after the host; {_ENCODE}")
    if scheme not in ("memory", "console") and not url.hostname:
        problems.append(f"{source}: no host; write 'default' for the provider's own")
    if re.search(r"[\s%]", url.hostname or ""):
        problems.append(f"{source}: the host has a blank or a % in it; take it out")
    if scheme == "mailtrap+sandbox" and not options.get("sandbox_id"):
        problems.append(f"{source}: mailtrap+sandbox needs ?sandbox_id=")
    if any(
        not value.isprintable() for value in (*options.values(), unquote(url.netloc))
    ):
        problems.append(f"{source}: it has a control character in it; take it out")
    return problems


def _port(text: str, given: int | None, source: str) -> tuple[int | None, list[str]]:
    if given is not None:
        return given, [f"{source}: two ports, host:port and ?port=; give one"]
    if not (re.fullmatch("[0-9]{1,5}", text) and 0 < int(text) < 65536):
        return None, [f"{source}: ?port= is no port; it is a number from 1 to 65535"]
    return int(text), []


def _credentials(url: SplitResult, kind: str) -> tuple[str | None, str | None]:
    """Give user and secret; a Mailtrap token stands alone, before the @."""
    user = unquote(url.username).strip(" ") if url.username else None
    secret = unquote(url.password).strip(" ") if url.password else None
    if kind.startswith("mailtrap") and secret is None:
        return None, user
    return user, secret
