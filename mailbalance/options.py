"""What only one provider knows: options of SES and of Mailtrap.

What lives here: two closed sets of options. What must not: how they reach a request;
that is each backend's own mapping.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    PlainSerializer,
    PlainValidator,
    Strict,
    model_validator,
)

from mailbalance.address import check_email
from mailbalance.frozen import FrozenDict
from mailbalance.later import Later
from mailbalance.value import FaultsError, Text, Value

if TYPE_CHECKING:
    from mailbalance.rules import characters
else:
    characters = Later("mailbalance.rules.characters", globals())

#: How deep template data may nest; a loop in it would never end.
_DEEPEST = 50


def _check_option(value: str) -> str:
    if not value:
        raise ValueError("is empty; leave it out or give a value")
    if (fault := characters.fault_in_line(value)) is not None:
        raise ValueError(fault)
    return value


def freeze_json(value: Any) -> Any:
    """Give template data as frozen JSON values: mappings, tuples and scalars.

    Raises:
        ValueError: When something in it has no form in JSON.
    """
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping of names to JSON values")  # noqa: TRY004
    faults: list[tuple[str, str]] = []
    frozen = _freeze(value, "", 0, faults)
    if faults:
        raise FaultsError(faults)
    return frozen


def _freeze(value: Any, place: str, depth: int, faults: list[tuple[str, str]]) -> Any:
    if depth > _DEEPEST:
        faults.append((place[:80], f"nests more than {_DEEPEST} deep; flatten it"))
        return None
    if isinstance(value, Mapping):
        pairs = enumerate(value.items())
        return FrozenDict(
            {
                _key(key, place, faults): _freeze(
                    item, f"{place}{_step(key, at)}", depth + 1, faults
                )
                for at, (key, item) in pairs
            }
        )
    if isinstance(value, (list, tuple)):
        return tuple(
            _freeze(item, f"{place}[{at}]", depth + 1, faults)
            for at, item in enumerate(value)
        )
    if (fault := _fault_in_scalar(value)) is not None:
        faults.append((place, fault))
    return value


def _key(key: Any, place: str, faults: list[tuple[str, str]]) -> Any:
    if not isinstance(key, str) or characters.fault_in_body(key):
        faults.append((place, "has a name that is not text (str)"))
    return key


def _step(key: Any, at: int) -> str:
    plain = isinstance(key, str) and key.isascii() and key.isidentifier()
    return f".{key}" if plain else f"[{at}]"


def _fault_in_scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return characters.fault_in_body(value)
    if value is None or isinstance(value, (bool, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    return f"is a {type(value).__name__}, which JSON cannot hold; convert it"


def thaw(value: Any) -> Any:
    """Give frozen JSON values as what ``json.dumps`` takes: dicts, lists and scalars."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return value


Option = Annotated[Text, AfterValidator(_check_option)]
Flag = Annotated[bool, Strict()]
TemplateData = Annotated[
    Mapping[str, Any],
    PlainValidator(freeze_json, json_schema_input_type=dict[str, Any]),
    PlainSerializer(thaw, return_type=dict[str, Any]),
]


class SesOptions(Value):
    """What only SES knows.

    Attributes:
        configuration_set: Name of a configuration set.
        contact_list: Name of a contact list, for list management.
        topic: Topic of that list.
        tenant: Name of a tenant.
        endpoint_id: Id of a multi-region endpoint.
        from_arn: Identity ARN for sending authorization of From.
        feedback_address: Where bounces and complaints are forwarded.
        feedback_arn: Identity ARN of the feedback address.
        source_arn: Identity ARN of the envelope sender (SMTP and raw messages).
        return_path_arn: Identity ARN of the return path (SMTP and raw messages).
        template_name: Name of a stored template.
        template_arn: ARN of a stored template.
        template_data: Values for the template.
        open_tracking: Overrides the configuration set.
        click_tracking: Overrides the configuration set.
    """

    configuration_set: Option | None = None
    contact_list: Option | None = None
    topic: Option | None = None
    tenant: Option | None = None
    endpoint_id: Option | None = None
    from_arn: Option | None = None
    feedback_address: Annotated[Text, AfterValidator(check_email)] | None = None
    feedback_arn: Option | None = None
    source_arn: Option | None = None
    return_path_arn: Option | None = None
    template_name: Option | None = None
    template_arn: Option | None = None
    template_data: TemplateData = FrozenDict()
    open_tracking: Flag | None = None
    click_tracking: Flag | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.topic is not None and self.contact_list is None:
            raise FaultsError([(".topic", "needs contact_list as well")])
        if self.template_name is not None and self.template_arn is not None:
            raise FaultsError([(".template_name", "give it or template_arn, not both")])
        if self.template_data and not (self.template_name or self.template_arn):
            raise FaultsError(
                [(".template_data", "needs template_name or template_arn as well")]
            )
        return self


class MailtrapOptions(Value):
    """What only Mailtrap knows.

    Attributes:
        template_uuid: Id of a stored template.
        template_variables: Values for the template.
    """

    template_uuid: Option | None = None
    template_variables: TemplateData = FrozenDict()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.template_variables and self.template_uuid is None:
            raise FaultsError([(".template_variables", "needs template_uuid as well")])
        return self
