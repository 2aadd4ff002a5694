"""The way of one entry of a bulk call, which can wait for others on its way to SES.

What lives here: ``Lane``, which pumps one entry's plan, and ``BulkSide``, which asks SES
once for all lanes that wait for it. What must not: the shape of the reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from mailbalance.backend import Receipt, Try
from mailbalance.dropin.outcomes import code_of
from mailbalance.dropin.own_client import AskError, OwnClient
from mailbalance.dropin.single import stand_ins_for, tell_left_out
from mailbalance.dropin.stand_ins import CallersClient
from mailbalance.dropin.verdicts import (
    of_entry,
    of_error,
    of_exception,
    of_success_without_ids,
)
from mailbalance.dropin.words import WORDS
from mailbalance.errors import DeliveryError, MessageError, RejectedError
from mailbalance.message import Envelope
from mailbalance.routing.admission import Owner

if TYPE_CHECKING:
    from mailbalance.backend import Backend
    from mailbalance.delivery.attempt import Delivery
    from mailbalance.dropin.calls import Part
    from mailbalance.dropin.metadata import Ending
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer


class Lane:
    """One entry on its way.

    Args:
        mailer: Who sends.
        number: Its place in the call.
        part: Its message.
        side: SES.
        strict: Whether its own fault, if it has one, ends it here.

    Attributes:
        ending: What became of it, when it is over.
        entry: What SES said of it last, if SES ended it.
        whole: Whether SES ended it together with the whole call.
    """

    def __init__(
        self, mailer: Mailer, number: int, part: Part, side: BulkSide, *, strict: bool
    ) -> None:
        self.number = number
        self.message = part.message
        self.ending: Ending | None = None
        self.entry: Mapping[str, Any] | None = None
        self.whole = False
        self._mailer = mailer
        self._part = part
        self._step: Try | None = None
        self._delivery: Delivery | None = None
        if strict and part.fault is not None:
            fault = part.fault
            self.ending = RejectedError(fault.message, code=fault.code)
            self.entry = _entry_of(fault.code, fault.message, side.own.service)
            return
        try:
            self.envelope = part.envelope or Envelope.of(part.message)
            stand_ins = stand_ins_for(mailer, part, side.own, self.envelope)
            self._delivery = mailer.sender.routed(
                part.message, self.envelope, stand_ins, owner=side
            )
        except MessageError as error:
            self.ending = RejectedError("; ".join(error.problems))

    @property
    def delivery(self) -> Delivery:
        """What the mailer began for it."""
        return cast("Delivery", self._delivery)

    @property
    def backend(self) -> Backend:
        """Who is asked next."""
        return self._step.backend if self._step else self.delivery.permit.route.order[0]

    @property
    def goes_elsewhere(self) -> bool:
        """Whether another provider than SES is asked next."""
        return self.ending is None and not isinstance(self.backend, CallersClient)

    def start(self) -> Try:
        """Give the next step; the entry's time runs from the first."""
        if self._step is None:
            self._step = self.delivery.start()
        return self._step

    def drive(self) -> None:
        """Go on until it is over, or SES is next."""
        while self.goes_elsewhere:
            self.entry, self.whole = None, False
            step = self.start()
            if step.delay:
                self._mailer.timing.sleep(step.delay)
            self.advance(self.delivery.send(step))

    def advance(self, answer: Ending) -> None:
        """Hand an answer to the plan."""
        try:
            step = self.delivery.advance(answer)
        except DeliveryError as error:
            self._step, self.ending = None, error
            self.delivery.failed(error)
            return
        if isinstance(step, Receipt):
            if not isinstance(self.backend, CallersClient):
                tell_left_out(self._part, step.backend)
            self._step, self.ending = None, step
            self.delivery.accepted(step)
        else:
            self._step = step


class BulkSide(Owner):
    """The caller's own client, asked once for all lanes that wait for it.

    Args:
        own: The call.
        sleep: Waits in a thread.

    Attributes:
        own: The call.
        over: Whether the entries have ended with it.
        reply: SES's last reply.
        failed: What came instead of a reply, the last time.
    """

    def __init__(self, own: OwnClient, sleep: Callable[[float], None]) -> None:
        self.over = False
        self.own = own
        self.sleep = sleep
        self.reply: Reply | None = None
        self.failed: AskError | None = None

    def ask(self, lanes: list[Lane]) -> None:
        """Make one bulk call for these lanes, and hand each its answer."""
        delay = max(lane.start().delay for lane in lanes)
        if delay:
            self.sleep(delay)
        self.reply, self.failed = None, None
        try:
            self.reply = self.own.ask_for(tuple(lane.number for lane in lanes))
        except AskError as error:
            self.failed = error
        entries = self._entries(len(lanes))
        for lane, entry in zip(lanes, entries, strict=True):
            lane.entry, lane.whole = entry, entry is None
            judged = self._judged(lane, entry)
            if isinstance(judged, DeliveryError):
                self.own.limit(judged)
            lane.advance(judged)

    def _entries(self, number: int) -> list[Mapping[str, Any] | None]:
        """Give SES's word on each entry; ``None`` for all when it has none for each."""
        http, parsed = self.reply or (None, {})
        found = parsed.get(WORDS[self.own.service].results) or ()
        if http is None or http.status_code >= 300 or len(found) != number:
            return [None] * number
        return list(found)

    def _judged(self, lane: Lane, entry: Mapping[str, Any] | None) -> Ending:
        name, message, envelope = lane.backend.name, lane.message, lane.envelope
        if self.failed is not None:
            return of_exception(self.failed, name)
        judged: DeliveryError | str
        if entry is not None:
            judged = of_entry(entry, self.own.service, message, envelope, name)
        else:
            http, _ = answer = cast("Reply", self.reply)
            judged = (
                of_error(answer, message, envelope, name)
                if http.status_code >= 300
                else of_success_without_ids(http, name)
            )
        if isinstance(judged, DeliveryError):
            return judged
        return Receipt(
            "accepted",
            name,
            provider_ids=(judged,),
            message_id=message.stamp().message_id,
            accepted=envelope.recipients,
        )


def entry_for(
    error: DeliveryError, service: str, *, from_ses: bool
) -> Mapping[str, Any]:
    """Give the entry of a bulk reply for a message that was not accepted."""
    if error.outcome == "unknown":
        # A word that asks for another try would put a second copy into the mailbox.
        return _entry_of("", f"the outcome is unknown: {error}", service)
    code, text = code_of(error, service)
    if from_ses and error.code in WORDS[service].statuses:
        code, text = error.code, error.detail
    return _entry_of(code, text, service)


def _entry_of(code: str, text: str, service: str) -> Mapping[str, Any]:
    return {"Status": WORDS[service].status(code), "Error": text}
