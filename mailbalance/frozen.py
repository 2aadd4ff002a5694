"""An immutable mapping, for values that must not change after they were checked.

What lives here: ``FrozenDict`` and nothing else. ``types.MappingProxyType`` would do but
for pickling and hashing, which values that cross process borders need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A mapping that cannot be changed; equal to any mapping with the same items.

    It is a ``dict``, whose look-ups are Python's own and whose every change is refused.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # for type checkers it is a Mapping wherever it is used

        def _refuse(self, *_: object, **__: object) -> NoReturn:
            raise TypeError("a FrozenDict cannot be changed")

        __setitem__ = __delitem__ = __ior__ = _refuse
        clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)
