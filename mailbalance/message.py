"""What to send: Message, and the names of all that it is made of.

What lives here: the frozen values and the checks that concern a message as a whole. What
must not: provider limits (backends), bytes on the wire (``mailbalance.mime``), I/O beyond
reading the files that are attached.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack

from pydantic import AwareDatetime, model_validator

from mailbalance import fields
from mailbalance.address import Address
from mailbalance.attachment import Attachment
from mailbalance.envelope import Envelope
from mailbalance.errors import MessageError
from mailbalance.frozen import FrozenDict
from mailbalance.later import Later
from mailbalance.options import MailtrapOptions, Option, SesOptions
from mailbalance.stamp import Stamp, stamp_of
from mailbalance.value import Bytes, FaultsError, Text, Value

if TYPE_CHECKING:
    from email.message import Message as StdlibMessage

    from mailbalance import mime
    from mailbalance.mime import reader
else:
    mime = Later("mailbalance.mime", globals())
    reader = Later("mailbalance.mime.reader", globals())

__all__ = ["Address", "Attachment", "Envelope", "Message", "Stamp"]

T = TypeVar("T")

#: One address, or several.
AddressLike = str | Address
Addresses = AddressLike | Iterable[AddressLike]

#: Header fields that are added to a raw message when it lacks them.
_ADDABLE = frozenset(["from_", "to", "cc", "reply_to", "subject", "message_id", "date"])

#: What a raw message says in its body or all over its header: replacing one of these
#: means writing the message anew.
_WRITTEN = frozenset(["text", "html", "headers", "attachments"])


class Fields(TypedDict, total=False):
    """The fields of a message as ``Message(...)`` and ``send(...)`` take them."""

    from_: AddressLike | None
    to: Addresses
    cc: Addresses
    bcc: Addresses
    reply_to: Addresses
    subject: str
    text: str | None
    html: str | None
    headers: Mapping[str, str]
    attachments: Iterable[Attachment | os.PathLike[str]]
    category: str | None
    metadata: Mapping[str, str | int | float | bool]
    stream: Literal["transactional", "bulk"] | None
    key: str | None
    ses: SesOptions | Mapping[str, Any]
    mailtrap: MailtrapOptions | Mapping[str, Any]
    message_id: str | None
    date: datetime | None
    raw: bytes | None
    unrepresented: Iterable[str]


class Message(Value):
    """What to send; immutable, and checked when it is built.

    Addresses may be given as text (``"Ana <ana@example.com>"``), as ``Address``, or as
    lists of them; attachments as ``Attachment`` or as paths.

    Attributes:
        from_: The author; a default may come from ``MAILBALANCE_FROM`` when sending.
        to: Recipients everybody sees.
        cc: Recipients of a copy everybody sees.
        bcc: Recipients nobody sees; never written into a header.
        reply_to: Where answers go.
        subject: One line of any Unicode.
        text: The plain text.
        html: The HTML.
        headers: Extra headers; those the library writes itself are refused.
        attachments: Files.
        category: One label, at most 255 characters.
        metadata: Keys and values that come back in the provider's events.
        stream: Mailtrap's stream; the backend's own if not given.
        key: Names what is to be sent once; two sends with one key give one message.
        ses: What only SES knows.
        mailtrap: What only Mailtrap knows.
        message_id: The Message-ID; made at first use if not given.
        date: The Date, with a time zone; the time of first use if not given.
        raw: The original bytes, when made by ``from_mime`` from bytes.
        unrepresented: What the other fields cannot say of the original.

    Raises:
        MessageError: On construction, with every problem found.
    """

    from_: Address | None = None
    to: fields.AddressTuple = ()
    cc: fields.AddressTuple = ()
    bcc: fields.AddressTuple = ()
    reply_to: fields.AddressTuple = ()
    subject: fields.Line = ""
    text: fields.Body | None = None
    html: fields.Body | None = None
    headers: fields.Headers = FrozenDict()
    attachments: fields.AttachmentTuple = ()
    category: fields.Category | None = None
    metadata: fields.Metadata = FrozenDict()
    stream: Literal["transactional", "bulk"] | None = None
    key: Option | None = None
    ses: SesOptions = SesOptions.model_construct()  # the checks are not there yet
    mailtrap: MailtrapOptions = MailtrapOptions.model_construct()
    message_id: fields.MessageId | None = None
    date: AwareDatetime | None = None
    raw: Bytes | None = None
    unrepresented: tuple[Text, ...] = ()

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[Fields]) -> None: ...

    @model_validator(mode="after")
    def _whole(self) -> Self:
        plain = self.to and (self.text or self.html) and not self.attachments
        if not (plain or self.raw is not None) and (faults := _faults(self)):
            raise FaultsError(("", fault) for fault in faults)
        return self

    def stamp(self) -> Stamp:
        """Give Message-ID and Date, the same on every call and in every thread."""
        found: Stamp | None = self.__dict__.get("_stamp")
        return found or self.once("_stamp", stamp_of)

    def envelope(self) -> Envelope:
        """Give who it goes to and comes from by its headers, read off once.

        Raises:
            MessageError: When From is missing.
        """
        found: Envelope | None = self.__dict__.get("_envelope")
        return found or self.once("_envelope", Envelope.of)

    def size(self) -> int:
        """Give an upper estimate, in bytes, of the rendered message."""
        return self.once("_size", mime.upper_size)

    def may_exceed(self, size: int) -> bool:
        """Whether the rendered message may have more than so many bytes.

        As ``size()`` says, which need not be asked where the limit is far: it counts
        line ends, and that takes longer than all other checks of a usual message.
        """
        most = self.once("_most", mime.rough_size)
        return most > size and self.size() > size

    def has_template(self) -> bool:
        """Whether a provider's stored template makes the content."""
        ses = self.ses
        return bool(
            ses.template_name or ses.template_arn or self.mailtrap.template_uuid
        )

    def once(self, name: str, make: Callable[[Message], T]) -> T:
        """Keep what was made of it first, for every later call with this name.

        Two threads may both make it, and both get the one that was kept first. It stays
        out of comparisons, copies with changes and JSON.
        """
        kept = vars(self)
        found: T | None = kept.get(name)
        return kept.setdefault(name, make(self)) if found is None else found

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """Copy, with changes that are checked as construction checks them.

        A changed copy is a new message with a stamp of its own, unless ``message_id`` and
        ``date`` were given. Of a raw message, header fields it lacks can be added; what it
        says itself can be replaced only when the fields say all of it.

        Raises:
            MessageError: When the changed message would be wrong.
        """
        if update and self.raw is not None and "raw" not in update:
            kept = _raw_after(vars(self), self.raw, self.unrepresented, update)
            update = {**update, "raw": kept}
        return super().model_copy(update=update, deep=deep)

    def __getstate__(self) -> dict[Any, Any]:
        # Of what was kept, only the stamp is worth taking along; the rest is made anew.
        state = super().__getstate__()
        state["__dict__"] = {
            name: value
            for name, value in state["__dict__"].items()
            if name == "_stamp" or not name.startswith("_")
        }
        return state

    @classmethod
    def from_mime(
        cls,
        source: bytes | bytearray | memoryview | str | StdlibMessage,
        **overrides: Any,
    ) -> Self:
        """Take a finished MIME message apart.

        ``raw`` keeps the original bytes, and ``unrepresented`` says, one sentence each,
        what the fields cannot carry of it. A stdlib message object that the fields can
        say in full has no ``raw``: it is written by this library.

        Args:
            source: The message.
            **overrides: Fields to set or replace. To replace what the message says
                itself, the fields must be able to say all of it.

        Raises:
            MessageError: When it is no message, when an author or recipient in its header
                cannot be read, or when the result would be wrong.
        """
        parsed = reader.parse(source)
        if parsed.faults:
            raise MessageError(parsed.faults)
        raw = parsed.raw
        if raw is not None:
            raw = _raw_after(parsed.fields, raw, parsed.unrepresented, overrides)
        found = {**parsed.fields, "raw": raw, "unrepresented": parsed.unrepresented}
        return cls(**{**found, **overrides})


def _raw_after(
    said: Mapping[str, Any],
    raw: bytes,
    unrepresented: tuple[str, ...],
    changes: Mapping[str, Any],
) -> bytes | None:
    """Give the original bytes as long as they stay true under the changes."""
    replaced = [name for name in changes if name in _ADDABLE and said[name]]
    replaced += [name for name in changes if name in _WRITTEN]
    if not replaced:
        return raw
    if unrepresented:
        raise MessageError(
            f"{', '.join(sorted(replaced))}: cannot be replaced, since the message holds "
            f"more than the fields can say ({' '.join(unrepresented)}); change it where it "
            "is made, or give more recipients as bcc"
        )
    return None


def _faults(message: Message) -> list[str]:
    faults = []
    if not (message.to or message.cc or message.bcc):
        faults.append("to: has no recipient, nor have cc and bcc; give at least one")
    if not (message.text or message.html or message.has_template()):
        faults.append(
            "text: is empty, and so is html; give one of them, or a template in ses={...} "
            "or mailtrap={...}"
        )
    if message.attachments:
        ids = [a.content_id for a in message.attachments if a.content_id is not None]
        if len(ids) != len(set(ids)):
            faults.append(
                "attachments: two have the same content_id; give each its own"
            )
    return faults
