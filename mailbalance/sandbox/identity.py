"""What tells one message from another across retries and backends.

What lives here: finding that mark cheaply, at the moment a message is accepted. What must
not: a full parse; that is ``reading``.

In this order: the custom variable or tag ``demo_id``, the header ``X-Demo-Id``, the
header ``Message-ID``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mailbalance.sandbox.reading import mime_variables

#: By API a message may come with bare LF, as much of Python writes it; SES takes it.
_END = re.compile(r"\r?\n")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")


def identify(
    variables: Mapping[str, Any] | None, headers: Iterable[tuple[str, str]] = ()
) -> str | None:
    """The mark of a message, or ``None`` if it carries none."""
    if variables and variables.get("demo_id"):
        return str(variables["demo_id"])
    lowered = {name.lower(): value for name, value in headers}
    return lowered.get("x-demo-id") or lowered.get("message-id")


def mime_fields(raw: bytes) -> list[tuple[str, str]]:
    """The header fields of a MIME message, unfolded and undecoded."""
    head = _EMPTY_LINE.split(raw, maxsplit=1)[0].decode("latin-1")
    lines = (line.partition(":") for line in _END.split(_FOLD.sub("", head)))
    return [(name.strip(), value.strip()) for name, _, value in lines]


def identify_mime(
    fields: list[tuple[str, str]], variables: Mapping[str, Any] | None = None
) -> str | None:
    """The mark of a MIME message; ``variables`` replace those of its headers."""
    lowered = {name.lower(): value for name, value in fields}
    return identify(variables or mime_variables(lowered), fields)
