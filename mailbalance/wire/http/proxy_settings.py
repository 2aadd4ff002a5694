"""Which proxy a request goes through, as boto3 would decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mailbalance.secret import Secret, hidden

if TYPE_CHECKING:
    from collections.abc import Mapping


def proxy_for(url: str, environ: Mapping[str, str] | None) -> str | None:
    """Return the URL of the proxy for ``url``, or ``None`` for a direct connection.

    Only TLS goes through proxies: plaintext is for loopback, and must stay there.

    Args:
        url: Where the request goes.
        environ: The environment to read, or ``None`` for that of the process.

    Source: botocore ``utils.get_environ_proxies`` (the standard library's rules: lower
    case wins, ``NO_PROXY`` matches domain suffixes, ``ALL_PROXY`` is not read).
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        return None
    found = _settings(hidden(environ))
    proxy = found.get("https")
    if not proxy or _bypassed(parts.netloc.rpartition("@")[2], found.get("no", "")):
        return None
    if "://" in proxy:
        return Secret(proxy)  # it may hold a password
    return Secret(f"http:{proxy}" if proxy.startswith("//") else f"http://{proxy}")


def is_socks(proxy: str) -> bool:
    """Report whether a proxy speaks SOCKS, of any version."""
    return proxy.partition(":")[0].lower().startswith("socks")


def login(proxy: str) -> tuple[str, ...]:
    """Return what must never be shown of a proxy: what it wants to let us through."""
    parts = urlsplit(proxy)
    if not parts.password:
        return ()
    user, password = unquote(parts.username or ""), unquote(parts.password)
    return (f"{user}:{password}", password, parts.password)


def is_usable(proxy: str) -> bool:
    """Report whether this is the URL of a proxy; one with a bare ``/`` or ``@`` is none."""
    try:
        parts = urlsplit(proxy)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in {"http", "https", "socks5", "socks5h"}
    return known and bool(parts.hostname) and port != 0 and "@" not in parts.path


def _bypassed(netloc: str, rule: str) -> bool:
    """Report whether ``NO_PROXY`` names the host, with or without its port."""
    if rule.strip() == "*":
        return True
    names = {netloc.lower(), netloc.lower().rpartition(":")[0] or netloc.lower()}
    wanted = (entry.strip().lower().lstrip(".") for entry in rule.split(","))
    return any(
        name == entry or name.endswith(f".{entry}")
        for entry in wanted
        if entry
        for name in names
    )


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return each ``..._proxy`` variable by its scheme; lower case wins, empty unsets."""
    found: dict[str, str] = {}
    for lower in (False, True):
        for name, value in environ.items():
            scheme, found_at, rest = name.lower().partition("_proxy")
            if not found_at or rest or (name.lower() == name) is not lower:
                continue
            if value:
                found[scheme] = value if scheme == "no" else Secret(value)
            else:
                found.pop(scheme, None)
    return found
