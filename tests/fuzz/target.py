"""What a fuzz target is.

What lives here: the value ``Target``, and its broken twin. What must not: one target.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Saboteur:
    """A small mistake, put into the library to see that a target notices it.

    Attributes:
        place: ``module:name`` or ``module:Class.name`` of what is replaced.
        broken: Gives the broken one, from the sound one.
        shown: An input that the target must fail on while it is in place.
    """

    place: str
    broken: Callable[[Any], Any]
    shown: bytes

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Put the mistake in, and take it out again."""
        module, _, path = self.place.partition(":")
        *owners, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        sound = owner.__dict__[name]
        setattr(owner, name, self.broken(sound))
        try:
            yield
        finally:
            setattr(owner, name, sound)


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that must hold for any bytes.

    Attributes:
        name: How it is called on the command line.
        check: Raises when it does not hold; any exception counts.
        seeds: Inputs to begin with.
        found: Inputs that once failed; every run begins with them too.
        saboteur: What shows that the target can fail.
        longest: Bytes of the largest input worth trying.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    saboteur: Saboteur
    found: tuple[bytes, ...] = ()
    longest: int = 600
