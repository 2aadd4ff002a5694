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
    """A call for several messages was refused as such: each must go alone.

    Nothing was accepted. One of them may be wrong, or none may go with others.

    Args:
        why: What the provider said.
        for_good: Whether the next call would be refused like this one.
    """

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


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
            DeliveryError: What came of every one of them.
            ApartError: Nothing did, and each must go alone.
        """
        ...

    async def asend_batch(
        self, mails: Sequence[Mail], *, timeout: float
    ) -> Sequence[Answer]:
        """Do as ``send_batch`` does, without blocking the event loop."""
        ...
