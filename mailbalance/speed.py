"""The parts that the ``speed`` extra makes faster: JSON and base64, the same either way.

What lives here: the one place that looks for orjson and pybase64. What must not: anything
that is there with them and not without.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]
try:
    import pybase64
except ImportError:
    pybase64 = None  # type: ignore[assignment]


def base64(content: bytes) -> bytes:
    """Encode in one line."""
    if pybase64 is not None:
        return pybase64.b64encode(content)
    return binascii.b2a_base64(content, newline=False)


def dumps(value: Any, default: Callable[[Any], str]) -> bytes:
    """Give a value as compact JSON in UTF-8.

    Args:
        value: What ``json`` takes; no NaN, which JSON has no word for.
        default: Gives a text for what it does not take.

    Raises:
        TypeError: When ``default`` does.
        ValueError: When a text holds half of a surrogate pair.
    """
    if orjson is not None:
        try:
            return orjson.dumps(value, default=default)
        except orjson.JSONEncodeError:
            pass  # an integer of more than 64 bits; or json has the same against it
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=default)
    return text.encode()
