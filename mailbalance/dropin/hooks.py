"""The two hooks of an attached client: remember a call's parameters, and answer the call.

What lives here: ``Hooks``, which knows its client and its mailer and tells sending calls
from all others. What must not: registering (``attaching``), sending (``single``, ``bulk``).

The parameters travel in the call's own ``context``, a dictionary that botocore passes to
every hook of that call: nothing is shared between threads.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mailbalance.backends._ses_errors import HTTP_STATUS
from mailbalance.dropin import local_answers
from mailbalance.dropin.bulk import send_many
from mailbalance.dropin.calls import OPERATIONS, fault_of, read_call
from mailbalance.dropin.errors import NotConfiguredError
from mailbalance.dropin.mailers import mailer_for_clients
from mailbalance.dropin.outcomes import of_faults
from mailbalance.dropin.own_client import OwnClient
from mailbalance.dropin.replies import refusal
from mailbalance.dropin.single import send_one, send_unread
from mailbalance.dropin.stand_ins import uses_ses
from mailbalance.dropin.stubs import stub_of
from mailbalance.dropin.templates import templates_for
from mailbalance.dropin.words import BULK
from mailbalance.errors import ConfigError, MessageError
from mailbalance.fork_lock import ForkLock

if TYPE_CHECKING:
    from mailbalance.dropin.calls import Part, SesFault
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer

logger = logging.getLogger("mailbalance")

_PARAMS = "mailbalance_params"

_ANSWERED = OPERATIONS | local_answers.OPERATIONS

#: What reading raises when botocore has not looked at the types
#: (``Config(parameter_validation=False)``).
_WRONG_TYPES = (TypeError, AttributeError, KeyError, ValueError)

#: Held by a thread that is the first to use a client after a fork.
_forked = ForkLock()


class Hooks:
    """Answers the sending calls of one client through a mailer.

    Args:
        client: The client; not kept alive by this.
        mailer: Who sends; ``None`` for the default mailer at the time of each call.
        strict: Whether what SES's server is known to refuse is kept off other providers.
    """

    def __init__(self, client: Any, mailer: Mailer | None, *, strict: bool) -> None:
        self._client = weakref.ref(client)
        self._service = str(client.meta.service_model.service_name)
        self._mailer = mailer
        self._strict = strict
        self._process = os.getpid()

    def remember(
        self, params: Mapping[str, Any], context: dict[str, Any], **_: Any
    ) -> None:
        """Keep a call's parameters: the object itself, so that later edits show."""
        context[_PARAMS] = params

    def answer(
        self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> Reply | None:
        """Answer a call in place of AWS, or give ``None`` to let it go there."""
        client = self._client()
        if self._process != os.getpid():
            self._start_over(client)
        called = self._service, model.name
        if called not in _ANSWERED or stub_of(client):
            return None
        own = OwnClient(client, model, params, context.get(_PARAMS, {}))
        try:
            if own.is_answered():
                return own.plain()
            if called in OPERATIONS:
                return self._send(own)
        except Exception as error:
            _tell_failure(own, error, context)
            raise
        return self._local(own)

    def _start_over(self, client: Any) -> None:
        """Leave the connections of the process that forked this one to that process.

        Two processes on one connection read each other's replies.
        """
        with _forked.held():
            if self._process != os.getpid():
                client.close()  # only what waits in the pool; it opens others
                self._process = os.getpid()

    def _local(self, own: OwnClient) -> Reply | None:
        try:
            mailer = self._chosen()
        except NotConfiguredError:
            return None  # the next send says so
        return local_answers.answer(mailer, self._service, own.url)

    def _chosen(self) -> Mailer:
        return self._mailer or mailer_for_clients()

    def _send(self, own: OwnClient) -> Reply:
        mailer, operation = self._chosen(), own.model.name
        by_ses = uses_ses(mailer)
        try:
            fault = self._fault(own)
            if fault is not None and not by_ses:
                status = HTTP_STATUS.get(fault.code, 400)
                return refusal(
                    self._service, own.url, fault.code, fault.message, status=status
                )
            call = read_call(
                self._service, operation, own.params, templates=_templates(mailer)
            )
        except (MessageError, *_WRONG_TYPES) as error:
            return self._send_unread(own, error, by_ses=by_ses)
        parts = self._for_ses_alone(call.parts, fault) if by_ses else call.parts
        if operation in BULK:
            if by_ses and not all(map(_has_ends, parts)):
                return send_unread(own)
            return send_many(mailer, parts, own, strict=self._strict)
        try:
            return send_one(mailer, parts[0], own)
        except MessageError as error:
            return self._send_unread(own, error, by_ses=by_ses)

    def _fault(self, own: OwnClient) -> SesFault | None:
        if not self._strict:
            return None
        return fault_of(self._service, own.model.name, own.params)

    def _for_ses_alone(
        self, parts: tuple[Part, ...], fault: SesFault | None
    ) -> tuple[Part, ...]:
        """Keep off the other side what SES is known to refuse, so that SES says it."""
        if not self._strict or (
            fault is None and not any(part.fault for part in parts)
        ):
            return parts
        return tuple(_for_ses_alone(part, fault or part.fault) for part in parts)

    def _send_unread(self, own: OwnClient, error: Exception, *, by_ses: bool) -> Reply:
        """Leave a call that is no message for others to SES, which alone can judge it."""
        if by_ses:
            return send_unread(own)
        if not isinstance(error, MessageError):
            kind = type(error).__name__
            error = MessageError(f"a parameter has a type that cannot be read ({kind})")
        return of_faults(error, self._service, own.url)


def _for_ses_alone(part: Part, fault: SesFault | None) -> Part:
    if fault is None:
        return part
    reason = f"SES is known to refuse it: {fault.reason}"
    logger.info("a message stays on SES: %s", reason)
    return replace(part, only_ses=part.only_ses or reason, fault=None)


def _has_ends(part: Part) -> bool:
    """Whether somebody sends it, and somebody is to get it."""
    message = part.message
    if part.envelope is not None:
        return True
    return message.from_ is not None and bool(message.to or message.cc or message.bcc)


def _templates(mailer: Mailer) -> Mapping[str, str]:
    try:
        return templates_for(mailer)
    except ConfigError as error:
        raise NotConfiguredError(error.problems) from None


def _tell_failure(own: OwnClient, error: Exception, context: dict[str, Any]) -> None:
    """Emit what botocore emits when a call ends in an exception instead of a reply."""
    service_id = own.model.service_model.service_id.hyphenize()
    own.client.meta.events.emit(
        f"after-call-error.{service_id}.{own.model.name}",
        exception=error,
        context=context,
    )
