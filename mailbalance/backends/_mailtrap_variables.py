"""Metadata and our own id as Mailtrap's custom variables.

What lives here: what both ways into Mailtrap share. What must not: how the variables travel
(``custom_variables`` by API, the ``X-MT-Custom-Variables`` header by SMTP).

Source: Mailtrap's help page "Custom variables" (2026-08).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbalance.message import Message

#: The variable that carries ``Stamp.id``.
OWN_ID = "mailbalance_id"

#: Bytes of all of them as JSON; over it Mailtrap drops them all in silence.
MOST = 1000


def variables(
    message: Message, size: Callable[[Mapping[str, str]], int]
) -> dict[str, str]:
    """Give the metadata with our own id, which stays out where there is no room for it.

    A key of the same name in the metadata is the caller's own, and counts.

    Args:
        message: Whose.
        size: Counts the bytes as they will travel.
    """
    labelled = {OWN_ID: message.stamp().id}
    if not message.metadata:
        return labelled
    labelled.update(message.metadata)
    return labelled if size(labelled) <= MOST else dict(message.metadata)
