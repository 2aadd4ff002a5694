"""A call that sends one message: route it, send it, answer in the caller's form.

What lives here: the way of one message through the mailer. What must not: bulk calls
(``bulk``), hooks (``hooks``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailbalance.dropin.outcomes import of_faults, of_other, of_ses
from mailbalance.dropin.own_client import AskError
from mailbalance.dropin.replies import message_id, reply, with_endings
from mailbalance.dropin.stand_ins import CallersClient, OnlySes, is_replaced, is_ses
from mailbalance.dropin.verdicts import of_exception
from mailbalance.dropin.words import WORDS
from mailbalance.errors import DeliveryError, MessageError
from mailbalance.message import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailbalance.backend import Backend
    from mailbalance.dropin.calls import Part
    from mailbalance.dropin.own_client import OwnClient
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer

logger = logging.getLogger("mailbalance")


def send_one(mailer: Mailer, part: Part, own: OwnClient) -> Reply:
    """Send the message of a call through the mailer.

    Raises:
        MessageError: When it names no sender or no recipient; nothing was sent.
        UnknownSendError: When it may or may not have been accepted.
        Exception: What botocore would have raised, or has.
    """
    envelope = part.envelope or Envelope.of(part.message)
    stand_ins = stand_ins_for(mailer, part, own, envelope)
    try:
        delivery = mailer.sender.routed(part.message, envelope, stand_ins)
    except MessageError as error:
        return of_faults(error, own.service, own.url, code=WORDS[own.service].refused)
    try:
        sleep = patience(mailer, own, delivery.permit.route.order)
        receipt = mailer.sender.finish(delivery, sleep=sleep)
    except DeliveryError as error:
        return _failed(error, stand_ins, own)
    carrier = stand_ins.get(receipt.backend)
    if isinstance(carrier, CallersClient) and carrier.reply is not None:
        return with_endings(carrier.reply, (receipt,))
    tell_left_out(part, receipt.backend)
    body = {"MessageId": message_id(receipt)}
    return reply(own.service, own.url, body, (receipt,), backend=receipt.backend)


def patience(
    mailer: Mailer, own: OwnClient, order: Iterable[Backend]
) -> Callable[[float], None] | None:
    """Give how to wait for a caller who has said how often SES may be asked for a call.

    A plain client of theirs asks at once, and then waits up to 1, 2, 4 ... seconds. Where
    no other backend is waited for, neither do we wait longer.
    """
    if own.most is None or not all(isinstance(each, CallersClient) for each in order):
        return None

    def sleep(seconds: float) -> None:
        if own.asked:
            mailer.timing.sleep(min(seconds, 2.0 ** (own.asked - 1)))

    return sleep


def tell_left_out(part: Part, backend: str) -> None:
    """Write to the log what a message went without because SES did not carry it."""
    for place in part.left_out:
        logger.info("%s has no place for %s; it was left out", backend, place)


def send_unread(own: OwnClient) -> Reply:
    """Let the caller's client alone send what cannot be read, once.

    Raises:
        UnknownSendError: When it may or may not have been accepted.
        Exception: What botocore has raised.
    """
    try:
        return own.ask()
    except AskError as failed:
        return of_ses(of_exception(failed, "ses"), None, failed)


def stand_ins_for(
    mailer: Mailer, part: Part, own: OwnClient, envelope: Envelope
) -> dict[str, Backend]:
    """Put the caller's client in SES's place, and a refusal where only SES will do."""
    found: dict[str, Backend] = {}
    for entry in mailer.dispatcher.entries:
        if is_replaced(entry.backend):
            found[entry.name] = CallersClient(entry.name, own, envelope)
        elif part.only_ses and not is_ses(entry.backend):
            found[entry.name] = OnlySes(entry.backend, part.only_ses)
    return found


def _failed(
    error: DeliveryError, stand_ins: dict[str, Backend], own: OwnClient
) -> Reply:
    asked = stand_ins.get(error.backend)
    if isinstance(asked, CallersClient) and asked.judged is error:
        answer = of_ses(error, asked.reply, asked.failed)
        return with_endings(answer, (error,))
    return of_other(error, own.service, own.url)
