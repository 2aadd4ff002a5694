"""What a DSN or a constructor says about Mailtrap's API, checked.

What lives here: the options, and what belongs together. What must not: hosts of Mailtrap's
own, sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mailbalance.backends import _pace

if TYPE_CHECKING:
    from mailbalance.config import BackendSettings

#: What a DSN may hold after its question mark.
OPTIONS = frozenset({"stream", "sandbox_id", "tls", "ca", "account"}) | _pace.OPTIONS

Stream = Literal["transactional", "bulk"]


def base_url_of(settings: BackendSettings, scheme: str) -> str | None:
    """Give the base URL that a host and port stand for, or ``None`` without a host."""
    if settings.host is None:
        return None
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = f":{settings.port}" if settings.port is not None else ""
    return f"{scheme}://{host}{port}"


def problems_in(
    name: str, token: str, stream: str, sandbox_id: int | str | None
) -> list[str]:
    """Give what is wrong with the arguments, one sentence each; no value is shown."""
    problems = []
    if not token:
        problems.append(f"{name}: no API token; set MAILTRAP_API_TOKEN")
    elif not (token.isascii() and token.isprintable() and " " not in token):
        problems.append(
            f"{name}: the API token has a space or a strange character in it"
        )
    if stream not in {"transactional", "bulk"}:
        problems.append(f"{name}: stream is transactional or bulk")
    elif stream == "bulk" and sandbox_id:
        problems.append(f"{name}: the Mailtrap Sandbox has no bulk stream")
    if sandbox_id is not None and not _is_id(sandbox_id):
        problems.append(f"{name}: sandbox_id is the number of a Mailtrap Sandbox")
    return problems


def _is_id(sandbox_id: int | str) -> bool:
    text = str(sandbox_id)
    return text.isascii() and text.isdigit() and int(text) > 0
