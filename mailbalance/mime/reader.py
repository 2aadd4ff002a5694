"""Stub, being built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a message says."""

    fields: dict[str, Any]
    raw: bytes | None
    unrepresented: tuple[str, ...]


def parse(source: Any) -> Parsed:
    """Take apart."""
    raise NotImplementedError
