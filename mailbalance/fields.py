"""The types of a Message's fields: how each is brought into form, and what it refuses.

What lives here: one checked type for each kind of field. What must not: rules about how
fields fit together; ``mailbalance.message`` has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator

from mailbalance.address import Address
from mailbalance.attachment import Attachment
from mailbalance.frozen import FrozenDict
from mailbalance.later import Later
from mailbalance.value import FaultsError, Text

if TYPE_CHECKING:
    from mailbalance.mime import heading
    from mailbalance.rules import characters, header_rules
else:
    heading = Later("mailbalance.mime.heading", globals())
    characters = Later("mailbalance.rules.characters", globals())
    header_rules = Later("mailbalance.rules.header_rules", globals())

#: Characters. Source: Mailtrap's API, field "category" (reference read 2026-11).
_LONGEST_CATEGORY = 255


def _one_or_many(value: Any) -> Any:
    if type(value) is tuple:
        return value
    if value is None:
        return ()
    if isinstance(value, (str, Address, Mapping)):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) else value


def _many_files(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError("is text; give Attachment objects, or pathlib.Path objects")  # noqa: TRY004
    if isinstance(value, (Attachment, Mapping)) or hasattr(value, "__fspath__"):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) else value


def _line(value: str) -> str:
    if value.isprintable():
        return value
    if (fault := characters.fault_in_line(value, tab=True)) is not None:
        raise ValueError(fault)
    return value


def _body(value: str) -> str:
    if not value.isascii() and (fault := characters.fault_in_body(value)) is not None:
        raise ValueError(fault)
    return value


def _category(value: str) -> str:
    if not value:
        raise ValueError("is empty; leave it out or give a value")
    if (fault := characters.fault_in_line(value)) is not None:
        raise ValueError(fault)
    if len(value) > _LONGEST_CATEGORY:
        raise ValueError(f"has more than {_LONGEST_CATEGORY} characters; shorten it")
    return value


def _message_id(value: str) -> str:
    full = value if value.startswith("<") else f"<{value}>"
    if not header_rules.is_message_id(full):
        raise ValueError(
            "must look like <unique.part@example.com>: printable ASCII without spaces"
        )
    return full


def _headers(value: Any) -> FrozenDict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping of names to values")  # noqa: TRY004
    faults: list[tuple[str, str]] = []
    seen: set[str] = set()
    for at, (name, text) in enumerate(value.items()):
        if not isinstance(name, str) or not isinstance(text, str):
            faults.append((f"[{at}]", "must be text (str), name and value"))
            continue
        fault = heading.header_fault(name, text)
        if fault is None and name.lower() in seen:
            fault = "is given twice, in upper and lower case; keep one"
        if fault is not None:
            faults.append((_place(name, at), fault))
        seen.add(name.lower())
    if faults:
        raise FaultsError(faults)
    return FrozenDict(value)


def _place(name: str, at: int) -> str:
    return f"['{name}']" if re.fullmatch(r"[\w-]{1,76}", name, re.ASCII) else f"[{at}]"


def _metadata(value: Any) -> FrozenDict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping of names to values")  # noqa: TRY004
    faults: list[tuple[str, str]] = []
    result: dict[str, str] = {}
    for at, (name, item) in enumerate(value.items()):
        fault = _fault_in_pair(name, item)
        if fault is not None:
            faults.append(
                (_place(name, at) if isinstance(name, str) else f"[{at}]", fault)
            )
        else:
            result[name] = _as_text(item)
    if faults:
        raise FaultsError(faults)
    return FrozenDict(result)


def _fault_in_pair(name: Any, item: Any) -> str | None:
    if not isinstance(name, str) or not name:
        return "has no name; give each value a name that is text"
    if fault := characters.fault_in_line(name):
        return f"has a name that {fault}"
    if isinstance(item, str):
        return characters.fault_in_line(item)
    if isinstance(item, (bool, int, float)):
        return None
    return "must be text, a number or True/False; convert it"


def _as_text(item: str | float) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item)


AddressTuple = Annotated[tuple[Address, ...], BeforeValidator(_one_or_many)]
AttachmentTuple = Annotated[tuple[Attachment, ...], BeforeValidator(_many_files)]
Line = Annotated[Text, AfterValidator(_line)]
Body = Annotated[Text, AfterValidator(_body)]
Category = Annotated[Text, AfterValidator(_category)]
MessageId = Annotated[Text, AfterValidator(_message_id)]
Headers = Annotated[
    Mapping[str, str],
    PlainValidator(_headers, json_schema_input_type=dict[str, str]),
    PlainSerializer(dict, return_type=dict[str, str]),
]
Metadata = Annotated[
    Mapping[str, str],
    PlainValidator(_metadata, json_schema_input_type=dict[str, str | float | bool]),
    PlainSerializer(dict, return_type=dict[str, str]),
]
