"""Modules that are loaded when something of them is first asked for.

What lives here: ``Later``. What must not: knowledge of any module.

A program that only imports names, or only sends by threads, should pay neither the time
nor the memory of what it does not use. Type checkers must see a plain import, so the form
is::

    if TYPE_CHECKING:
        import asyncio
    else:
        asyncio = Later("asyncio", globals())

It is for functions; a module that used such a name while it is itself loaded could wait
for a thread that waits for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mailbalance.fork_lock import IMPORTING


class Later:
    """Stands for a module until it is used, and then puts the module in its own place.

    From then on the module's users pay nothing, and see whatever it is changed to.

    Args:
        name: The module's full name.
        place: The globals in which it is known by the last part of its name.
    """

    __slots__ = ("_name", "_place")

    def __init__(self, name: str, place: dict[str, Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_place", place)

    def _load(self) -> Any:
        with IMPORTING:
            module = import_module(self._name)
        self._place[self._name.rpartition(".")[2]] = module
        return module

    def __getattr__(self, attribute: str) -> Any:
        """Load the module, and give what was asked for."""
        return getattr(self._load(), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        """Load the module, and change it: tests do, by the name they find here."""
        setattr(self._load(), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        """Load the module, and take something out of it."""
        delattr(self._load(), attribute)

    def __repr__(self) -> str:
        return f"<{self._name}, not loaded here yet>"
