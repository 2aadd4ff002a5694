"""An immutable mapping, for values that must not change after they were checked.

What lives here: ``FrozenDict`` and nothing else. ``types.MappingProxyType`` would do but
for pickling and hashing, which values that cross process borders need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)


class FrozenDict(Mapping[K, V_co], Generic[K, V_co]):
    """A mapping that cannot be changed; equal to any mapping with the same items."""

    __slots__ = ("_items",)

    def __init__(
        self, items: Mapping[K, V_co] | Iterable[tuple[K, V_co]] = (), /
    ) -> None:
        object.__setattr__(self, "_items", dict(items))

    def __getitem__(self, key: K) -> V_co:
        value: V_co = self._items[key]  # type: ignore[attr-defined]
        return value

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a FrozenDict cannot be changed")

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return repr(self._items)  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self._items),)  # type: ignore[attr-defined]
