"""A call's parameters to its messages.

What lives here: which reader each operation needs. What must not: the reading itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailbalance.dropin.calls import addresses, content
from mailbalance.dropin.calls.call import Call
from mailbalance.dropin.calls.draft import Draft


def read_call(
    service: str,
    operation: str,
    params: Mapping[str, Any],
    *,
    templates: Mapping[str, str],
) -> Call:
    """Read a call of a sending operation.

    Args:
        service: ``"ses"`` or ``"sesv2"``.
        operation: As botocore names it: ``"SendEmail"``.
        params: The caller's parameters, which botocore's own validation has passed.
        templates: Names of SES templates with the ids of their Mailtrap twins.

    Raises:
        MessageError: When it names no sender or no recipient; with the parameter.
    """
    draft = Draft()
    addresses.read_one(
        draft, "from_", params.get("FromEmailAddress"), "FromEmailAddress"
    )
    addresses.read_destination(draft, params.get("Destination"), "Destination")
    replies = params.get("ReplyToAddresses") or ()
    addresses.read_into(draft, "reply_to", replies, "ReplyToAddresses")
    simple = params["Content"].get("Simple") or {}
    content.read_simple(draft, simple, "Content.Simple")
    return Call(service, operation, params, (draft.part(),))
