"""What a backend offers that can take several messages in one go.

What lives here: the ``Batching`` protocol and its values. What must not: which messages
travel together in fact; that is ``bulk``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from mailbalance.backend import Answer
    from mailbalance.message import Envelope, Message

#: A message and who it goes to.
Mail: TypeAlias = "tuple[Message, Envelope]"


class ApartError(Exception):
    """The provider takes no calls for several messages from us: each must go alone.

    Nothing was accepted, and nothing is said of any message.
    """


@dataclass(frozen=True, slots=True)
class Load:
    """How much goes in one go.

    Attributes:
        messages: Most messages.
        size: Most bytes, as ``Message.size`` counts them.
    """

    messages: int
    size: int


@runtime_checkable
class Batching(Protocol):
    """A backend that can take several messages in one go.

    Optional: without it, ``send_many`` sends one by one, several at a time.

    Attributes:
        load: How much it takes.
    """

    load: Load

    def lane(self, message: Message) -> Hashable | None:
        """Name what messages must have in common to go together; ``None`` to go alone."""
        ...

    def send_batch(self, mails: Sequence[Mail], *, timeout: float) -> Sequence[Answer]:
        """Make one attempt for each message, in as few calls as it takes.

        Returns:
            What came of each, in the order of ``mails``.

        Raises:
            DeliveryError: What came of every one of them. ``RejectedError`` of several is
                no verdict on any, since one of them may be why: each then goes alone.
            ApartError: Nothing came of any, and each must go alone.
        """
        ...

    async def asend_batch(
        self, mails: Sequence[Mail], *, timeout: float
    ) -> Sequence[Answer]:
        """Do as ``send_batch`` does, without blocking the event loop."""
        ...
