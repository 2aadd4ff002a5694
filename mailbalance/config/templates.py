"""Which Mailtrap template stands for which SES template.

What lives here: reading the file that ``MAILBALANCE_TEMPLATES`` names: a JSON or TOML
object of SES template names, or ARNs, to Mailtrap's UUIDs. What must not: using it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailbalance.errors import ConfigError
from mailbalance.frozen import FrozenDict
from mailbalance.later import Later

if TYPE_CHECKING:
    import tomllib
else:  # few have such a file, and it takes long to load
    tomllib = Later("tomllib", globals())

VARIABLE = "MAILBALANCE_TEMPLATES"

_FORM = 'write it as {"SES name": "Mailtrap UUID"}, or in TOML as name = "UUID"'


def read_templates(environ: Mapping[str, str]) -> FrozenDict[str, str]:
    """Read the file, if one is named.

    Raises:
        ConfigError: With every mistake in it, each naming the file and the key.
    """
    path = environ.get(VARIABLE, "").strip()
    if not path:
        return FrozenDict()
    found = _object(path)
    problems = [
        f"{VARIABLE}: {path}: {key!r} {fault}"
        for key, value in found.items()
        if (fault := _fault(key, value)) is not None
    ]
    if problems:
        raise ConfigError(problems)
    return FrozenDict({key: str(uuid.UUID(value)) for key, value in found.items()})


def _object(path: str) -> dict[str, Any]:
    source = f"{VARIABLE}: {path}"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{source}: cannot be read: {reason}") from None
    except ValueError:
        raise ConfigError(f"{source}: is not text in UTF-8") from None
    try:
        found = _toml(text) if path.endswith(".toml") else _json(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: {error}; {_FORM}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{source}: holds no object; {_FORM}")
    return found


def _toml(text: str) -> Any:
    return tomllib.loads(text)


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(map(repr, twice))} stands there twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def _fault(key: str, value: Any) -> str | None:
    if not key.strip():
        return "is no name of an SES template"
    if not isinstance(value, str):
        return f"is a {type(value).__name__}; {_FORM}"
    try:
        uuid.UUID(value)
    except ValueError:
        return "is no UUID; Mailtrap shows one for each template"
    return None
