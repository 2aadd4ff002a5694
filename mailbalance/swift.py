"""Frozen dataclasses that are made as fast as others.

What lives here: ``swift``. What must not: anything about mail.

``dataclass(frozen=True)`` sets each field by ``object.__setattr__``, looked up and called
anew, which takes longer than all the rest of making an instance. Every message on its way
is told in ten such values.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")

#: Gives an object another class of the same layout, whatever its own class forbids.
_become = object.__dict__["__class__"].__set__


def swift(cls: type[T]) -> type[T]:
    """Let a frozen dataclass with slots set its fields without a call for each.

    Meanwhile the instance, which nobody else has yet, is of a subclass that allows it.
    Everything but the speed stays as ``dataclass`` made it.

    Raises:
        TypeError: For a field that is more than a value given or a plain default.
    """
    kind: Any = cls
    found: tuple[Field[Any], ...] = fields(kind)
    names = {f"_{each.name}": each.default for each in found}
    names |= {"_become": _become, "_frozen": cls, "_open": _opened(cls)}
    names["_slow"] = kind.__init__
    given = "".join(f", {each.name}" for each in found)
    steps = [f"self.{each.name} = {each.name}" for each in found]
    if hasattr(cls, "__post_init__"):
        steps.append("self.__post_init__()")
    # One of a subclass may have another layout.
    other = f"if self.__class__ is not _frozen: return _slow(self{given})"
    body = "\n    ".join(
        [other, "_become(self, _open)", *steps, "self.__class__ = _frozen"]
    )
    head = f"def __init__(self, {', '.join(map(_parameter, found))}):"
    exec(f"{head}\n    {body}", names)  # noqa: S102 - as dataclass makes its own
    made: Any = names["__init__"]
    for name in ("__qualname__", "__module__", "__annotations__"):
        setattr(made, name, getattr(kind.__init__, name))
    kind.__init__ = made
    return cls


def _opened(cls: type[Any]) -> type[Any]:
    # With only one of the two, Python would look in the class for either at each use.
    free = {name: getattr(object, name) for name in ("__setattr__", "__delattr__")}
    return type(cls.__name__, (cls,), {"__slots__": (), **free})


def _parameter(field: Field[Any]) -> str:
    if not field.init or field.kw_only or field.default_factory is not MISSING:
        raise TypeError(f"{field.name}: more than a value or a plain default")
    return field.name + ("" if field.default is MISSING else f"=_{field.name}")
