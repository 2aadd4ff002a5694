"""MIME parameters: ``name=value`` of RFC 2045, with the charsets of RFC 2231.

What lives here: writing one parameter, reading a header with parameters. What must not:
what a parameter means.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[ !#-\[\]-~]+")
_ATTRIBUTE_CHARS = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_PERCENT = [chr(b) if b in _ATTRIBUTE_CHARS else f"%{b:02X}" for b in range(256)]


def write(name: str, value: str) -> str:
    """Give ``name="value"``, or ``name*=utf-8''value`` when the value is not plain ASCII.

    One of the two and never both: every current mail reader knows RFC 2231, and two names
    for one file are a way to disguise it. Quotes, backslashes and what looks like an
    encoded word go the second way too, since readers undo them differently.
    """
    if _PLAIN.fullmatch(value) and "=?" not in value and value == value.strip():
        return f'{name}="{value}"'
    return f"{name}*=utf-8''" + "".join(_PERCENT[b] for b in value.encode())
