"""What a reply remembers of our side, without looking different.

What lives here: ``Metadata``, the ``ResponseMetadata`` of every answer we give, and the
functions that read it back. What must not: making replies (``replies``).

It is a ``dict`` like botocore's own: it prints, compares and turns into JSON as one. What
it knows besides goes wherever the reply goes: through ``copy``, ``deepcopy`` and
``pickle``, and into the ``response`` of a ``ClientError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from mailbalance.backend import Receipt
from mailbalance.errors import DeliveryError

#: What became of one message.
Ending: TypeAlias = Receipt | DeliveryError


class Metadata(dict[str, Any]):
    """``ResponseMetadata`` that knows what became of each message of its call."""

    __slots__ = ("endings",)

    def __init__(self, fields: Mapping[str, Any], endings: tuple[Ending, ...]) -> None:
        dict.__init__(self, fields)
        self.endings = endings

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.endings)


def receipts(response: Mapping[str, Any]) -> tuple[Ending, ...]:
    """Give what became of each message of a reply, in the order of the call.

    Args:
        response: What a sending call of an attached client returned.

    Returns:
        A ``Receipt`` for each message that was accepted, and the ``DeliveryError`` for each
        entry of a bulk call that was not.

    Raises:
        ValueError: When the reply is not of such a call, or only a copy of its fields.
    """
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, Metadata):
        raise ValueError(  # noqa: TRY004 - as wrong as a plain client's reply
            "this is no reply of a client that mailbalance is attached to; pass what "
            "send_email() or another sending call returned"
        )
    return metadata.endings


def receipt(response: Mapping[str, Any]) -> Receipt:
    """Give the receipt behind a reply: which backend carried it, after which attempts.

    Args:
        response: What a sending call of an attached client returned.

    Raises:
        DeliveryError: When it is of a bulk call whose only entry was not accepted.
        ValueError: When the reply is of no such call, or of a bulk call with several
            entries: ask ``receipts`` then.
    """
    found = receipts(response)
    if len(found) != 1:
        raise ValueError(
            f"this reply is about {len(found)} messages; receipts() gives them all"
        )
    if isinstance(found[0], DeliveryError):
        raise found[0]
    return found[0]


def delivery_error(error: BaseException) -> DeliveryError | None:
    """Give our error, attempts included, behind an exception of a sending call.

    Args:
        error: A ``ClientError`` or ``BotoCoreError`` that an attached client raised.

    Returns:
        The error, or ``None`` when nothing was attempted or it is not one of ours.
    """
    if isinstance(error, DeliveryError):
        return error
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    endings = metadata.endings if isinstance(metadata, Metadata) else (error.__cause__,)
    return next((each for each in endings if isinstance(each, DeliveryError)), None)
