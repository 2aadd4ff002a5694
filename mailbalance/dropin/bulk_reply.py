"""The reply to a bulk call, put together from what became of each entry.

What lives here: its shape, and when the call fails as a whole. What must not: sending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mailbalance.backend import Receipt
from mailbalance.dropin.lanes import BulkSide, Lane, entry_for
from mailbalance.dropin.outcomes import of_other, of_ses
from mailbalance.dropin.replies import message_id, reply, with_endings
from mailbalance.dropin.words import WORDS
from mailbalance.errors import DeliveryError, RejectedError

if TYPE_CHECKING:
    from mailbalance.dropin.metadata import Ending
    from mailbalance.dropin.own_client import OwnClient
    from mailbalance.dropin.replies import Reply


def bulk_reply(lanes: Sequence[Lane], side: BulkSide, own: OwnClient) -> Reply:
    """Answer for every entry in its order.

    The call fails as a whole only when that cannot mislead: nothing of it was accepted,
    and the reason is one that a plain client, too, would have raised instead of a reply.
    """
    endings = tuple(lane.ending for lane in lanes if lane.ending is not None)
    failure = _failure(lanes, endings)
    if failure is not None:
        lane, error = failure
        if lane.whole:
            return with_endings(of_ses(error, side.reply, side.failed), endings)
        return with_endings(of_other(error, own.service, own.url), endings)
    results = [_result(lane, own.service) for lane in lanes]
    body = {WORDS[own.service].results: results}
    if side.reply is not None and side.reply[0].status_code < 300:
        http, parsed = side.reply
        return with_endings((http, {**parsed, **body}), endings)
    return reply(own.service, own.url, body, endings)


def _failure(
    lanes: Sequence[Lane], endings: tuple[Ending, ...]
) -> tuple[Lane, DeliveryError] | None:
    """Give the entry whose error is that of the whole call, if there is one."""
    errors = [each for each in endings if isinstance(each, DeliveryError)]
    if len(errors) < len(endings) or any(_judged_alone(lane) for lane in lanes):
        return None
    unknown = [error.outcome == "unknown" for error in errors]
    if any(unknown) and not all(unknown):
        return None
    kinds = {type(error) for error in errors}
    if len(kinds) > 1 or (kinds == {RejectedError} and errors[0].attempts):
        whole = [pair for pair in zip(lanes, errors, strict=True) if pair[0].whole]
        return whole[0] if len(whole) == len(lanes) else None
    return lanes[0], errors[0]


def _judged_alone(lane: Lane) -> bool:
    """Say whether SES, or its rules, had a word on just this entry."""
    return lane.entry is not None


def _result(lane: Lane, service: str) -> Mapping[str, Any]:
    if lane.entry is not None:
        return lane.entry
    if isinstance(lane.ending, Receipt):
        success = WORDS[service].success
        return {"Status": success, "MessageId": message_id(lane.ending)}
    if lane.ending is None:  # pragma: no cover - the reply is made when all are over
        raise AssertionError("an entry of a bulk call has no ending")
    return entry_for(lane.ending, service, from_ses=lane.whole)
