"""A bulk call as SES sees it: each entry a message of its own.

What lives here: the entries in the form of SendEmail, and the statuses of the reply. What
must not: the checks of a message (``ses_rules``), HTTP.

Sources: botocore's model of sesv2 (1.44, 2026-11), SendBulkEmail; SES developer guide,
"Service quotas" (2026-11).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbalance.sandbox.ses_rules import Problem
from mailbalance.sandbox.store import Arrival

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]

MOST_ENTRIES = 50

_STATUS = {
    "MessageRejected": "MESSAGE_REJECTED",
    "BadRequestException": "INVALID_PARAMETER",
}


def problem(request: Json) -> Problem | None:
    """What is wrong with the call as a whole, or ``None``."""
    if not 1 <= len(request["BulkEmailEntries"]) <= MOST_ENTRIES:
        return Problem(f"BulkEmailEntries must have from 1 to {MOST_ENTRIES} entries.")
    if "ListManagementOptions" in request:
        return Problem("ListManagementOptions is not known in SendBulkEmail.")
    if not (request["DefaultContent"] or {}).get("Template"):
        return Problem("DefaultContent must have a Template.")
    return None


def entries(request: Json) -> Iterator[Json]:
    """Give each entry as SendEmail would take it, with what the call says for all."""
    shared = {
        name: value
        for name, value in request.items()
        if name not in {"BulkEmailEntries", "DefaultContent", "DefaultEmailTags"}
    }
    for entry in request["BulkEmailEntries"]:
        yield shared | {
            "Destination": entry["Destination"],
            "Content": {"Template": _template(request, entry)},
            "EmailTags": _merged(
                request.get("DefaultEmailTags"), entry.get("ReplacementTags")
            ),
        }


def reply(judged: Sequence[Arrival | Problem]) -> Json:
    """Give the status of each entry, in their order."""
    return {"BulkEmailEntryResults": [_result(each) for each in judged]}


def _result(judged: Arrival | Problem) -> Mapping[str, str]:
    if isinstance(judged, Problem):
        status = _STATUS.get(judged.code, "FAILED")
        return {"Status": status, "Error": judged.text}
    return {"Status": "SUCCESS", "MessageId": judged.provider_ids[0]}


def _template(request: Json, entry: Json) -> Json:
    template = request["DefaultContent"]["Template"]
    own = (entry.get("ReplacementEmailContent") or {}).get("ReplacementTemplate") or {}
    made: Json = template | {
        "TemplateData": _data(
            template.get("TemplateData"), own.get("ReplacementTemplateData")
        )
    }
    headers = _merged(template.get("Headers"), entry.get("ReplacementHeaders"))
    return made | ({"Headers": headers} if headers else {})


def _data(default: str | None, own: str | None) -> str:
    """Replace the defaults by an entry's own values; what is no JSON is told later."""
    try:
        return json.dumps(json.loads(default or "{}") | json.loads(own or "{}"))
    except (ValueError, TypeError, RecursionError):
        return own or default or ""


def _merged(default: list[Json] | None, own: list[Json] | None) -> list[Json]:
    """Let an entry's named values stand in for those of the call."""
    named = {each["Name"]: each for each in (*(default or ()), *(own or ()))}
    return list(named.values())
