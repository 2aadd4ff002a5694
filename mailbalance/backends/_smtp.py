"""What every SMTP backend does the same way: rendered message in, receipt out.

What lives here: the join of message, MIME and wire, and the checks of SMTP itself. What
must not: a provider's host, header, limit or reply; each provider's file has those.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn

from mailbalance import mime
from mailbalance.backend import Receipt
from mailbalance.batch import Load
from mailbalance.errors import DeliveryError
from mailbalance.wire.net.deadline import Deadline
from mailbalance.wire.smtp import Mail, fits, path

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from mailbalance.backend import Answer, Limits, Rate
    from mailbalance.batch import Mail as BatchMail
    from mailbalance.message import Envelope, Message
    from mailbalance.wire.smtp import Accepted, Server, SmtpWire
    from mailbalance.wire.smtp.chain import End


class SmtpBackend(ABC):
    """One way to send by SMTP.

    Attributes:
        name: Its name in the split.
        limits: What the provider carries, and how fast this process may send.
        learns: SMTP tells no limits.
    """

    limits: Limits
    learns = False

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def account(self) -> str:
        """What quotas belong to."""

    # What each provider's file says

    @abstractmethod
    def where(self, message: Message) -> Server:
        """Tell where this message goes, without credentials if they are not known yet."""

    @abstractmethod
    def wire(
        self, message: Message | None, deadline: Deadline | None = None
    ) -> SmtpWire:
        """Return the wire for this message, or for a probe.

        It may wait for credentials, which belongs to opening the connection.
        """

    async def awire(self, message: Message | None, deadline: Deadline) -> SmtpWire:
        """Async version of ``wire``."""
        return self.wire(message, deadline)

    @abstractmethod
    def control_headers(self, message: Message) -> list[tuple[str, str]]:
        """Give the provider's own headers for this message."""

    @abstractmethod
    def ids(self, reply: str) -> tuple[str, ...]:
        """Read the provider's ids off the reply to the message."""

    @abstractmethod
    def unable(self, message: Message) -> str | None:
        """Say what of this message has no form here, or ``None``."""

    def refined(
        self, error: DeliveryError, message: Message, envelope: Envelope
    ) -> DeliveryError:
        """Return what a refusal means for this message: a reply may mean two things."""
        return error

    @abstractmethod
    def wires(self) -> Iterable[SmtpWire]:
        """Give every wire that was opened."""

    def sender(self, message: Message, envelope: Envelope) -> str:
        """Give the address that bounces go to."""
        return envelope.sender

    # What they all do

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Say why this backend cannot carry the message, or ``None`` when it can."""
        if message.has_template():
            return "ses, mailtrap: stored templates cannot be used over SMTP"
        count = len(envelope.recipients)
        if count > self.limits.recipients:
            return f"to, cc, bcc: {count} recipients, over {self.limits.recipients:,}"
        if message.may_exceed(self.limits.size):
            return (
                f"attachments: the message may reach {message.size():,} bytes, "
                f"over {self.limits.size:,}"
            )
        if not _all_ascii(message, envelope):
            return "to, from_: a part before the @ is not ASCII"
        if '"' in "".join(envelope.recipients) + envelope.sender and not all(
            map(fits, (envelope.sender, *envelope.recipients))
        ):
            return "to, from_: a quoted part before the @ holds what commands cannot"
        if message.raw is not None and b"\0" in message.raw:
            return "raw: it has NUL bytes, which no SMTP server takes; encode that part"
        return mime.fault_in_header(message) or self.unable(message)

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Show the dialogue it would hold, with no secret in it and nothing sent."""
        server, mail = self.where(message), self._mail(message, envelope)
        said = [
            f"# {self.name}: {server.where}, tls={server.security}",
            "AUTH PLAIN ****",
            f"MAIL FROM:{path(mail.sender) if mail.sender else '<>'}",
            *(f"RCPT TO:{path(each)}" for each in mail.recipients),
            "DATA",
            b"".join(mail.wire)
            .decode("utf-8", "backslashreplace")
            .replace("\r\n", "\n")
            + ".",
        ]
        return "\n".join(said)

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Make one attempt for the recipients of ``envelope``.

        Raises:
            DeliveryError: When it was not accepted, or may not have been.
        """
        deadline = Deadline(timeout)
        mail, wire = self._mail(message, envelope), self.wire(message, deadline)
        try:
            accepted = wire.send(mail, timeout=deadline)
        except DeliveryError as error:
            self._raise(error, message, envelope)
        return self._receipt(message, accepted)

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Do as ``send`` does, without blocking the event loop."""
        deadline = Deadline(timeout)
        mail = self._mail(message, envelope)
        wire = await self.awire(message, deadline)
        try:
            accepted = await wire.asend(mail, timeout=deadline)
        except DeliveryError as error:
            self._raise(error, message, envelope)
        return self._receipt(message, accepted)

    def probe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Say NOOP on an open connection, or open one; see ``Probing.probe``."""
        deadline = Deadline(timeout, commits=False)
        self.wire(None, deadline).probe(timeout=deadline)
        return ()

    async def aprobe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Say NOOP on an open connection, or open one; see ``Probing.aprobe``."""
        deadline = Deadline(timeout, commits=False)
        wire = await self.awire(None, deadline)
        await wire.aprobe(timeout=deadline)
        return ()

    def connections(self) -> tuple[int, int]:
        """Give how many connections are in use and how many rest, over all its wires."""
        found = [wire.occupancy() for wire in self.wires()]
        return sum(busy for busy, _ in found), sum(idle for _, idle in found)

    #: Messages that follow each other on one connection: enough that waiting for replies
    #: is shared, few enough that several connections have work.
    load = Load(messages=25, size=20 * 1024 * 1024)

    def lane(self, message: Message) -> Hashable | None:
        """Let messages to one server go together."""
        return (message.stream,)  # a lane of their own for those that name none

    def send_batch(self, mails: Sequence[BatchMail], *, timeout: float) -> list[Answer]:
        """Make one attempt for each message, one after another on one connection."""
        deadline = Deadline(timeout)
        wire = self.wire(mails[0][0], deadline)
        found = wire.send_all([self._mail(*each) for each in mails], timeout=deadline)
        return self._answers(mails, found)

    async def asend_batch(
        self, mails: Sequence[BatchMail], *, timeout: float
    ) -> list[Answer]:
        """Do as ``send_batch`` does, without blocking the event loop."""
        deadline = Deadline(timeout)
        wire = await self.awire(mails[0][0], deadline)
        found = await wire.asend_all(
            [self._mail(*each) for each in mails], timeout=deadline
        )
        return self._answers(mails, found)

    def _answers(self, mails: Sequence[BatchMail], found: list[End]) -> list[Answer]:
        return [
            self.refined(end, message, envelope)
            if isinstance(end, DeliveryError)
            else self._receipt(message, end)
            for (message, envelope), end in zip(mails, found, strict=True)
        ]

    def _raise(
        self, error: DeliveryError, message: Message, envelope: Envelope
    ) -> NoReturn:
        refined = self.refined(error, message, envelope)
        if refined is error:
            raise error
        raise refined from error

    def close(self) -> None:
        """Close what ``send`` opened."""
        for wire in self.wires():
            wire.close()

    async def aclose(self) -> None:
        """Close what ``asend`` opened in the running event loop."""
        for wire in self.wires():
            await wire.aclose()

    def _mail(self, message: Message, envelope: Envelope) -> Mail:
        content = mime.prepend(mime.pieces(message), self.control_headers(message))
        return Mail(
            self.sender(message, envelope),
            envelope.recipients,
            content,
            clean=message.raw is None,
            ids=self.ids,
        )

    def _receipt(self, message: Message, accepted: Accepted) -> Receipt:
        return Receipt(
            outcome="partial" if accepted.refused else "accepted",
            backend=self.name,
            provider_ids=self.ids(accepted.reply.text),
            message_id=message.stamp().message_id,
            accepted=accepted.recipients,
            refused=accepted.refused,
        )


def _all_ascii(message: Message, envelope: Envelope) -> bool:
    shown = [*message.to, *message.cc, *message.reply_to]
    if message.from_ is not None:
        shown.append(message.from_)
    written = [each.email for each in shown]
    return "".join((envelope.sender, *envelope.recipients, *written)).isascii()
