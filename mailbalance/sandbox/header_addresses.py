"""Addresses out of headers, as lenient readers see them.

What lives here: the standard library's reader, made to survive what overflows its stack.
What must not: judging an address; the doors do that.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import getaddresses, parseaddr


def address_in(text: str) -> str:
    """The first address in a header's value, or ``""``."""
    try:
        return parseaddr(text)[1]
    except RecursionError:  # comments within comments, a thousand deep
        return ""


def mailboxes_in(values: Iterable[str]) -> list[tuple[str, str]]:
    """The names and addresses in the values of a header; none if there are too many."""
    try:
        return [(name, address) for name, address in getaddresses(values) if address]
    except RecursionError:
        return []
