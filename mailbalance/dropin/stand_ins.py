"""Backends that act for one call: the caller's own client for SES, and a "no" for others.

What lives here: ``CallersClient``, ``OnlySes``, and which entries of a mailer are SES's.
What must not: asking (``own_client``), judging (``verdicts``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from mailbalance.backend import Receipt
from mailbalance.backends._ses_limits import LIMITS
from mailbalance.backends.memory import MemoryBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend
from mailbalance.dropin.own_client import AskError, OwnClient
from mailbalance.dropin.verdicts import of_exception, of_reply
from mailbalance.errors import DeliveryError

if TYPE_CHECKING:
    from mailbalance.backend import Backend, Limits
    from mailbalance.dropin.replies import Reply
    from mailbalance.mailer import Mailer
    from mailbalance.message import Envelope, Message


def is_ses(backend: Backend) -> bool:
    """Say whether a backend is one of SES's, or stands for one in a test."""
    if isinstance(backend, MemoryBackend):
        return backend.name == "ses" or backend.name.startswith("ses-")
    return is_replaced(backend)


def is_replaced(backend: Backend) -> bool:
    """Say whether the caller's own client sends in this backend's place.

    A memory backend stays: what a test catches must not leave.
    """
    return isinstance(backend, (SesBackend, SesSmtpBackend))


def uses_ses(mailer: Mailer) -> bool:
    """Say whether SES has a share of a mailer's messages, or backs it up."""
    return any(
        is_ses(entry.backend) and (entry.backup or entry.weight > 0)
        for entry in mailer.dispatcher.entries
    )


class CallersClient:
    """The caller's own client in place of one SES backend, for one message.

    Args:
        name: The backend's name in the split.
        own: The call.
        envelope: Everybody the call is for.

    Attributes:
        reply: SES's last reply.
        failed: What came instead of a reply, the last time.
    """

    __slots__ = ("_own", "_recipients", "failed", "judged", "name", "reply")

    limits: Limits = LIMITS

    def __init__(self, name: str, own: OwnClient, envelope: Envelope) -> None:
        self.name = name
        self.reply: Reply | None = None
        self.failed: AskError | None = None
        self.judged: DeliveryError | None = None
        self._own = own
        self._recipients = len(envelope.recipients)

    @property
    def account(self) -> str:
        """SES in the client's region, whoever's keys the client has."""
        return f"ses/{self._own.client.meta.region_name}"

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Refuse only what the call is not: a send to some of its recipients."""
        if len(envelope.recipients) == self._recipients:
            return None
        return "to, cc, bcc: the caller's SES call is for all of its recipients"

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Tell whose request it would be."""
        return f"the caller's own client, to {self._own.url}"

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Ask the client once; its own ``Config`` says how long it waits."""
        self.reply, self.failed, self.judged = None, None, None
        try:
            self.reply = self._own.ask_within()
        except AskError as error:
            self.failed = error
            self._refuse(of_exception(error, self.name), error.cause)
        judged = of_reply(self.reply, message, envelope, self.name)
        if isinstance(judged, DeliveryError):
            self._refuse(judged)
        return Receipt(
            "accepted",
            self.name,
            provider_ids=(judged,),
            message_id=message.stamp().message_id,
            accepted=envelope.recipients,
        )

    def _refuse(self, error: DeliveryError, cause: Exception | None = None) -> NoReturn:
        self.judged = error
        self._own.limit(error)
        raise error from cause

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Do as ``send`` does, in a thread: botocore blocks."""
        return await asyncio.to_thread(self.send, message, envelope, timeout=timeout)

    def close(self) -> None:
        """Leave the client open; it is the caller's."""

    async def aclose(self) -> None:
        """Leave the client open; it is the caller's."""


class OnlySes:
    """Stands in for a backend that cannot carry the message, and says why."""

    def __init__(self, backend: Backend, reason: str) -> None:
        self.name = backend.name
        self.account = backend.account
        self.limits = backend.limits
        self._reason = reason

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Say why."""
        return self._reason

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Say why."""
        return self._reason

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> NoReturn:
        """Never called: the router leaves out what refuses."""
        raise AssertionError(self._reason)

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> NoReturn:
        """Never called: the router leaves out what refuses."""
        raise AssertionError(self._reason)

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""
