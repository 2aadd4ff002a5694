"""Mail addresses: the value.

What lives here: ``Address``. What must not: how an address may be written; that is
``rules.address_rules``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from mailbalance.errors import MessageError
from mailbalance.later import Later
from mailbalance.value import Text, Value, sentences

if TYPE_CHECKING:
    from mailbalance.rules import address_rules
else:
    address_rules = Later("mailbalance.rules.address_rules", globals())


def check_email(value: str) -> str:
    """Give an addr-spec in wire form, its domain in A-labels.

    Raises:
        ValueError: With the fault and the fix, without the value.
    """
    return address_rules.check_email(value)


def _name(value: str) -> str:
    return address_rules.check_name(value)


class Address(Value):
    """One mail address with an optional name; build it from keywords or ``parse``.

    Attributes:
        email: The addr-spec as it goes over the wire: an international domain is turned
            into A-labels, the part before the @ stays as given.
        name: The name shown to readers; any Unicode but control characters, without the
            white space around it.
    """

    email: Annotated[Text, AfterValidator(check_email)]
    name: Annotated[Text, AfterValidator(_name)] = ""

    if TYPE_CHECKING:

        def __init__(self, *, email: str, name: str = "") -> None: ...

    @model_validator(mode="wrap")
    @classmethod
    def _from_text(cls, value: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, str):
            return value if type(value) is cls else build(value)
        if cls is Address:
            plain: Self | None = _plain(value)
            if plain is not None:
                return plain
        name, email = address_rules.split(value)
        return build({"email": email, "name": name})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``ana@example.com``, ``Ana <ana@example.com>`` or ``"A, B" <ab@x.com>``.

        Raises:
            MessageError: When it is not exactly one address.
        """
        try:
            return cls.__pydantic_validator__.validate_python(text)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise MessageError(sentences(error, cls)) from None

    @property
    def domain(self) -> str:
        """What stands after the @, in A-labels."""
        return self.email.rpartition("@")[2]

    @property
    def ascii_local(self) -> bool:
        """Whether the part before the @ is ASCII; if not, only SMTPUTF8 can carry it."""
        return self.email.isascii()

    def __str__(self) -> str:
        if not self.name:
            return self.email
        return f"{address_rules.readable(self.name)} <{self.email}>"


# One sender writes to many: From comes again with every message.
@lru_cache(maxsize=64)
def _plain(text: str) -> Any:
    """Give the ``Address`` of a plain text; ``None`` when it needs a closer look."""
    found = address_rules.plain(text)
    return _made(*found) if found else None


def _made(name: str, email: str) -> Address:
    """Do as ``Address.model_construct`` does, in a quarter of its time."""
    made = Address.__new__(Address)
    put = object.__setattr__
    put(made, "__dict__", {"email": email, "name": name})
    put(made, "__pydantic_fields_set__", {"email", "name"})
    put(made, "__pydantic_extra__", None)
    put(made, "__pydantic_private__", None)
    return made
