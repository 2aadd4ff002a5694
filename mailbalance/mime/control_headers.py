"""Instructions to a provider that stand in a raw message's header.

What lives here: reading ``X-SES-*`` and ``X-MT-*`` into options, metadata and category,
since such a message may leave by the other provider, who would pass them on to readers.
What must not: writing them; each SMTP backend does.

Source: SES developer guide, "Sending raw email" and "Using the SES SMTP interface";
Mailtrap API reference, SMTP headers (read 2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailbalance.rules.characters import fault_in_line

_SES = {
    "x-ses-configuration-set": "configuration_set",
    "x-ses-source-arn": "source_arn",
    "x-ses-from-arn": "from_arn",
    "x-ses-return-path-arn": "return_path_arn",
    "x-ses-tenant": "tenant",
}

#: Characters. Source: Mailtrap's API, field "category".
_LONGEST_CATEGORY = 255


@dataclass(slots=True)
class Controls:
    """What the control headers say.

    Attributes:
        ses: Options of SES.
        metadata: From SES's message tags and Mailtrap's custom variables.
        category: Mailtrap's category.
        unread: Names of control headers that could not be understood.
    """

    ses: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    category: str | None = None
    unread: list[str] = field(default_factory=list)


def is_control(name: str) -> bool:
    """Whether a header, in lower case, is an instruction to a provider."""
    return name.startswith(("x-ses-", "x-mt-"))


def read(headers: Iterable[tuple[str, str]]) -> Controls:
    """Read all control headers among decoded headers; never raises."""
    found = Controls()
    for name, value in headers:
        if is_control(name) and not (_fits(value) and _take(found, name, value)):
            found.unread.append(name)
    return found


def _fits(value: str) -> bool:
    return bool(value) and fault_in_line(value) is None


def _take(found: Controls, name: str, value: str) -> bool:
    if name in _SES:
        found.ses.setdefault(_SES[name], value)
        return True
    if name == "x-ses-message-tags":
        return _tags(found, value)
    if name == "x-ses-list-management-options":
        return _list_management(found, value)
    if name == "x-mt-category" and len(value) <= _LONGEST_CATEGORY:
        found.category = found.category or value
        return True
    return name == "x-mt-custom-variables" and _variables(found, value)


def _tags(found: Controls, value: str) -> bool:
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(key.strip() and equals for key, equals, _ in pairs):
        return False
    found.metadata |= {key.strip(): item.strip() for key, _, item in pairs}
    return True


def _list_management(found: Controls, value: str) -> bool:
    contact_list, _, rest = value.partition(";")
    name = contact_list.strip().strip("{}")
    if not name:
        return False
    found.ses["contact_list"] = name
    key, _, topic = rest.strip().partition("=")
    if key.strip().lower() == "topic" and topic.strip(" {}"):
        found.ses["topic"] = topic.strip(" {}")
    return True


def _variables(found: Controls, value: str) -> bool:
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return False
    if not isinstance(items, dict):
        return False
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in items.items()}
    if not all(k and _safe(k) and _safe(v) for k, v in texts.items()):
        return False
    found.metadata |= texts
    return True


def _safe(value: str) -> bool:
    return fault_in_line(value) is None
