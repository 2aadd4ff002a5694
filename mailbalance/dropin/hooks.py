"""The two hooks of an attached client: remember a call's parameters, and answer the call.

What lives here: ``Hooks``, which knows its client and its mailer and tells sending calls
from all others. What must not: registering (``attaching``), sending (``single``, ``bulk``).

The parameters travel in the call's own ``context``, a dictionary that botocore passes to
every hook of that call: nothing is shared between threads.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mailbalance.backends._ses_errors import HTTP_STATUS
from mailbalance.default import default_mailer
from mailbalance.dropin import local_answers
from mailbalance.dropin.bulk import send_many
from mailbalance.dropin.calls import OPERATIONS, fault_of, read_call
from mailbalance.dropin.outcomes import of_faults
from mailbalance.dropin.own_client import OwnClient
from mailbalance.dropin.replies import refusal
from mailbalance.dropin.single import send_one, send_unread
from mailbalance.dropin.stand_ins import uses_ses
from mailbalance.dropin.templates import templates_for
from mailbalance.dropin.words import BULK
from mailbalance.errors import MessageError

if TYPE_CHECKING:
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer

_PARAMS = "mailbalance_params"


class Hooks:
    """Answers the sending calls of one client through a mailer.

    Args:
        client: The client; not kept alive by this.
        mailer: Who sends; ``None`` for the default mailer at the time of each call.
        strict: Whether to refuse, before the draw, what SES's server would refuse.
    """

    def __init__(self, client: Any, mailer: Mailer | None, *, strict: bool) -> None:
        self._client = weakref.ref(client)
        self._service = str(client.meta.service_model.service_name)
        self._mailer = mailer
        self._strict = strict

    def remember(
        self, params: Mapping[str, Any], context: dict[str, Any], **_: Any
    ) -> None:
        """Keep a call's parameters: the object itself, so that later edits show."""
        context[_PARAMS] = params

    def answer(
        self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> Reply | None:
        """Answer a call in place of AWS, or give ``None`` to let it go there."""
        if (self._service, model.name) in OPERATIONS:
            own = OwnClient(self._client(), model, params, context[_PARAMS])
            try:
                return self._send(own)
            except Exception as error:
                _tell_failure(own, error, context)
                raise
        if (self._service, model.name) in local_answers.OPERATIONS:
            return local_answers.answer(self._chosen(), self._service, params["url"])
        return None

    def _chosen(self) -> Mailer:
        return self._mailer or default_mailer()

    def _send(self, own: OwnClient) -> Reply:
        mailer, operation = self._chosen(), own.model.name
        if self._strict:
            fault = fault_of(self._service, operation, own.params)
            if fault is not None:
                status = HTTP_STATUS.get(fault.code, 400)
                return refusal(
                    self._service, own.url, fault.code, fault.message, status=status
                )
        try:
            call = read_call(
                self._service, operation, own.params, templates=templates_for(mailer)
            )
            if operation in BULK:
                return send_many(mailer, call, own, strict=self._strict)
            return send_one(mailer, call.parts[0], own)
        except MessageError as error:
            # Only SES can say what it makes of a call that is no message for others.
            if uses_ses(mailer):
                return send_unread(own)
            return of_faults(error, self._service, own.url)


def _tell_failure(own: OwnClient, error: Exception, context: dict[str, Any]) -> None:
    """Emit what botocore emits when a call ends in an exception instead of a reply."""
    service_id = own.model.service_model.service_id.hyphenize()
    own.client.meta.events.emit(
        f"after-call-error.{service_id}.{own.model.name}",
        exception=error,
        context=context,
    )
