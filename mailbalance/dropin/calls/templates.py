"""Content that a template makes: stored at SES, or written in the call.

What lives here: which Mailtrap template stands for an SES template, and the merging of
template data. What must not: rendering.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailbalance.dropin.calls.draft import Draft

#: Characters of TemplateData. Source: botocore's models of ses and sesv2 (1.44, 2026-11).
LONGEST_DATA = 262_144


@dataclass(frozen=True, slots=True)
class Stored:
    """A template that SES keeps.

    Attributes:
        name: Its name, if given.
        arn: Its ARN, if given; it wins, since it may be another account's template.
        place: The parameter that names it.
    """

    name: str | None
    arn: str | None
    place: str


def read_stored(
    draft: Draft,
    template: Stored,
    data: Mapping[str, Any] | None,
    *,
    templates: Mapping[str, str],
) -> None:
    """Put a stored template into the message, for each side its own.

    Args:
        draft: Gets the options of both providers.
        template: Which one.
        data: Its data, or ``None`` when that could not be read.
        templates: SES names, or ARNs, with the ids of Mailtrap's twins.
    """
    known = template.arn or template.name or ""
    if not known:
        draft.keep(template.place, "it names no template")
        draft.wordless = True
        return
    option = "template_arn" if template.arn else "template_name"
    draft.option(option, known, template.place)
    draft.places["ses"] = draft.places["mailtrap"] = template.place
    if data:
        draft.fields["ses"] = {**draft.fields["ses"], "template_data": data}
    if known in templates:
        twin: dict[str, Any] = {"template_uuid": templates[known]}
        draft.fields["mailtrap"] = twin | ({"template_variables": data} if data else {})
        return
    draft.keep(
        template.place,
        f"the template {known!r} is stored at SES, and MAILBALANCE_TEMPLATES names none "
        "of Mailtrap's for it",
    )


def read_inline(draft: Draft, place: str) -> None:
    """Keep a template that is written in the call on SES, which renders it."""
    draft.keep(place, "SES renders it; rendering here is not there yet")
    draft.wordless = True


def data_of(text: str | None) -> dict[str, Any] | None:
    """Read TemplateData, or give ``None`` when it is no JSON object."""
    if not text:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def read_data(
    draft: Draft, default: tuple[str | None, str], *replaced: tuple[str | None, str]
) -> dict[str, Any] | None:
    """Read template data, with what an entry of a bulk call replaces in it.

    Args:
        draft: Gets the reason, when one is no JSON object.
        default: The data of the whole call, and the parameter it comes from.
        *replaced: The data of the entry, the same way.
    """
    merged: dict[str, Any] = {}
    for text, place in (default, *replaced):
        data = data_of(text)
        if data is None:
            draft.keep(place, "it is no JSON object")
            return None
        merged = merge(merged, data)
    return merged


def merge(default: Mapping[str, Any], replaced: Mapping[str, Any]) -> dict[str, Any]:
    """Replace key by key, within objects too; lists are replaced whole, as SES does."""
    merged = dict(default)
    for key, value in replaced.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = merge(before, value)
        else:
            merged[key] = value
    return merged
