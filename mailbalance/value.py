"""The base of all values that users build: frozen, closed, and clear about mistakes.

What lives here: ``Value``, ``FaultsError`` and the wording of pydantic's errors. What must
not: any rule about mail.

A ``ValidationError`` never leaves this package: it becomes a ``MessageError`` that holds
every problem, one sentence each, naming the field and the fix but never the value, which
may be a secret or somebody's mail.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    ValidationError,
    ValidationInfo,
)

from mailbalance.errors import MessageError
from mailbalance.fork_lock import IMPORTING
from mailbalance.later import Later

if TYPE_CHECKING:
    import difflib
else:
    difflib = Later("difflib", globals())

#: A string that must be one already; pydantic would decode bytes otherwise.
Text = Annotated[str, Strict()]


def _to_bytes(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str) and info.mode == "json":
        try:
            return b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                "is not base64, which bytes are written as in JSON"
            ) from None
    return value


#: Bytes; base64 in JSON.
Bytes = Annotated[bytes, Strict(), BeforeValidator(_to_bytes)]

#: pydantic's error types in our words; the rest keep pydantic's, which show no input.
_WORDS = {
    "missing": "is missing; give it",
    "string_type": "must be text (str)",
    "string_unicode": "holds half of a surrogate pair; decode the text properly",
    "bytes_type": "must be bytes",
    "bool_type": "must be True or False",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping of its fields",
    "model_attributes_type": "must be a mapping of its fields",
    "tuple_type": "must be a list",
    "timezone_aware": "has no time zone; give one, such as datetime.now(timezone.utc)",
}


#: Classes of which one was made. pydantic's core sets up parts of itself with the first,
#: and a child that is forked amid that would wait for its parent's thread for ever.
_MADE: set[type] = set()


class FaultsError(ValueError):
    """Several faults in one field, each with the place inside the field.

    Args:
        found: Pairs of a place (``"['X-A']"``, or ``""``) and a sentence.
    """

    def __init__(self, found: Iterable[tuple[str, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{place}: {text}" for place, text in self.found))


class Value(BaseModel):
    """A frozen model whose construction raises ``MessageError`` and nothing else."""

    model_config = ConfigDict(
        frozen=True,
        # What checks the fields is made at the first use, not at the import.
        defer_build=True,
        extra="forbid",
        hide_input_in_errors=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )

    def __init__(self, /, **data: Any) -> None:
        try:
            if type(self) in _MADE:
                self.__pydantic_validator__.validate_python(data, self_instance=self)
                return
            with IMPORTING:
                self.__pydantic_validator__.validate_python(data, self_instance=self)
            _MADE.add(type(self))
        except ValidationError as error:
            _refuse(error, type(self))

    # Without this flag pydantic would run __init__ for nested values too, and a nested
    # fault would lose the name of the field it is in.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    if not TYPE_CHECKING:  # type checkers know from frozen=True

        def __setattr__(self, name: str, value: object) -> None:
            raise _frozen(self, name)

        def __delattr__(self, name: str) -> None:
            raise _frozen(self, name)

    @classmethod
    def model_rebuild(
        cls, *, _parent_namespace_depth: int = 2, **options: Any
    ) -> bool | None:
        """Make what checks the fields, if it was not made yet; once for all threads.

        A thread that comes to it a little later must not find it half made; and a fork
        must wait, for the child would for ever.
        """
        depth = _parent_namespace_depth + (_parent_namespace_depth > 0)  # this frame
        with IMPORTING:
            return super().model_rebuild(_parent_namespace_depth=depth, **options)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Build from a mapping or instance.

        Raises:
            MessageError: With every problem found.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            _refuse(error, cls)

    @classmethod
    def model_validate_json(
        cls, json_data: str | bytes | bytearray, **options: Any
    ) -> Self:
        """Build from what ``model_dump_json`` wrote.

        Raises:
            MessageError: With every problem found.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            _refuse(error, cls)

    @classmethod
    def model_validate_strings(cls, obj: Any, **options: Any) -> Self:
        """Build from a mapping of strings.

        Raises:
            MessageError: With every problem found.
        """
        try:
            return super().model_validate_strings(obj, **options)
        except ValidationError as error:
            _refuse(error, cls)

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """Copy, with changes that are checked as construction checks them.

        Args:
            update: Fields to replace.
            deep: Makes no difference: values are frozen to the bottom.

        Raises:
            MessageError: When the changed value would be wrong.
        """
        if not update:
            return super().model_copy(deep=deep)
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**fields, **update})


def _frozen(value: Value, name: str) -> AttributeError:
    kind = type(value).__name__
    return AttributeError(
        f"{name}: a {kind} cannot be changed; "
        "make a new one with model_copy(update={...})"
    )


def _refuse(error: ValidationError, model: type[BaseModel]) -> NoReturn:
    raise MessageError(sentences(error, model)) from None


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Put each of pydantic's findings into one sentence without the value."""
    return [
        sentence
        for found in error.errors(include_url=False, include_input=False)
        for sentence in _sentences(found, model)
    ]


def _sentences(found: Any, model: type[BaseModel]) -> list[str]:
    loc = found["loc"]
    # Who wrote to=["ana"] has never heard of a field called email.
    place = _place(loc[:-1] if len(loc) > 1 and loc[-1] == "email" else loc)
    kind = found["type"]
    if kind == "value_error":
        cause = found["ctx"]["error"]
        inner = cause.found if isinstance(cause, FaultsError) else [("", str(cause))]
        return [_join(f"{place}{where}".lstrip("."), text) for where, text in inner]
    if kind == "extra_forbidden":
        return [_unknown(loc, model)]
    text = _WORDS.get(kind) or found["msg"].replace("Input should be", "must be", 1)
    return [_join(place, text)]


def _join(place: str, text: str) -> str:
    return f"{place}: {text}" if place else text


def _place(loc: Sequence[str | int]) -> str:
    parts: list[str] = []
    for step in loc:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step.isidentifier() and step.isascii():
            parts.append(f".{step}" if parts else step)
        else:
            parts.append("[?]")
    return "".join(parts)


def _unknown(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    owner = model
    for step in loc[:-1]:
        field = owner.model_fields.get(str(step))
        if field is not None and isinstance(field.annotation, type):
            owner = field.annotation
    known = list(getattr(owner, "model_fields", ()))
    close = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.6)
    fix = f"did you mean {close[0]}?" if close else f"the fields are {', '.join(known)}"
    return f"{_place(loc)}: no such field; {fix}"
