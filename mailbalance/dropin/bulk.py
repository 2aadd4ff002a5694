"""A bulk call: every entry routed by itself, and one call for all that SES carries.

What lives here: the joint sending of a call's entries. What must not: one entry's way
through its plan (``lanes``), the shape of the reply (``bulk_reply``).

All entries are routed before the first is sent. Those that go elsewhere are sent next,
several at a time; then one bulk call carries those assigned to SES and those that failed
over to it. What SES provably did not accept fails over entry by entry.
"""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mailbalance.dropin.bulk_reply import bulk_reply
from mailbalance.dropin.lanes import BulkSide, Lane
from mailbalance.dropin.single import patience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.dropin.calls import Part
    from mailbalance.dropin.own_client import OwnClient
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer

#: Entries on their way elsewhere at once; Mailtrap allows 10 SMTP connections.
AT_ONCE = 8


def send_many(
    mailer: Mailer, parts: Sequence[Part], own: OwnClient, *, strict: bool
) -> Reply:
    """Send the messages of a bulk call through the mailer.

    Raises:
        UnknownSendError: When nobody can know whether any of them was accepted.
        Exception: What botocore would have raised for the call as a whole, or has.
    """
    side = BulkSide(own, mailer.timing.sleep)
    try:
        return _send_all(mailer, parts, side, strict=strict)
    finally:
        side.over = True


def _send_all(
    mailer: Mailer, parts: Sequence[Part], side: BulkSide, *, strict: bool
) -> Reply:
    own = side.own
    lanes = [
        Lane(mailer, number, part, side, strict=strict)
        for number, part in enumerate(parts)
    ]
    order = [
        b
        for lane in lanes
        if lane.ending is None
        for b in lane.delivery.permit.route.order
    ]
    side.sleep = patience(mailer, own, order) or side.sleep
    while any(lane.ending is None for lane in lanes):
        _drive([lane for lane in lanes if lane.goes_elsewhere])
        waiting = [lane for lane in lanes if lane.ending is None]
        if waiting:
            side.ask(waiting)
    return bulk_reply(lanes, side, own)


def _drive(lanes: list[Lane]) -> None:
    """Bring lanes to their end, or to where SES is next."""
    if len(lanes) <= 1:
        for lane in lanes:
            lane.drive()
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(lanes)), "mailbalance-bulk") as pool:
        # Each in a copy of the caller's context, so that observers know whose mail it is.
        copies = [(contextvars.copy_context(), lane) for lane in lanes]
        for done in [pool.submit(copy.run, lane.drive) for copy, lane in copies]:
            done.result()
