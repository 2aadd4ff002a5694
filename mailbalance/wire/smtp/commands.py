"""The commands of one mail transaction, as bytes.

What lives here: the values ``Mail`` and ``Features``, and the envelope's commands with the
checks that must hold before the first of them. What must not: replies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mailbalance.errors import RejectedError, UnsuitableError
from mailbalance.wire.smtp.body import canonical, stuffed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What may stand between the angle brackets. RFC 5321's grammar has no control character
#: there; a space (legal in a quoted local part) is refused with them, and so are angle
#: brackets, because lenient servers end the path at the first.
_PATH = re.compile(r"[!-;=?-~]+")

#: SIZE's parameter (RFC 1870 section 4).
_SIZE = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Features:
    """What a server said it can do, after TLS and AUTH.

    Attributes:
        size: Bytes of the largest message it takes (RFC 1870); 0 when it did not say.
        pipelining: Whether commands may be sent ahead (RFC 2920).
        eight_bit: Whether bytes above 127 may be sent (RFC 6152).
        sized: Whether MAIL may say the message's size.
    """

    size: int = 0
    pipelining: bool = False
    eight_bit: bool = False
    sized: bool = False

    @classmethod
    def of(cls, extensions: Mapping[str, str]) -> Features:
        """Read them from EHLO's keywords, in lower case, with their parameters."""
        size = extensions.get("size", "").strip()
        return cls(
            size=int(size) if _SIZE.fullmatch(size) else 0,
            pipelining="pipelining" in extensions,
            eight_bit="8bitmime" in extensions,
            sized="size" in extensions,
        )


@dataclass(frozen=True, slots=True)
class Mail:
    """One message with its envelope.

    Attributes:
        sender: Address to bounce to; empty for the null path.
        recipients: Addresses to deliver to; at least one.
        content: The message, with any line ends. In pieces, each of them but the last
            ends a line; they are sent as they are and never joined.
        clean: Whether the content is known to be 7-bit, without NUL, and to end every
            line and piece with CRLF, as our own MIME does. It is then not looked through.
        ids: Reads the provider's ids of a message off the text of the reply to it.
        pieces: The content with CRLF line ends.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes | tuple[bytes, ...] = field(repr=False)
    clean: bool = False
    ids: Callable[[str], tuple[str, ...]] | None = field(
        default=None, repr=False, compare=False
    )
    pieces: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        given = self.content
        pieces = (given,) if isinstance(given, bytes) else given
        if not self.clean:
            pieces = tuple(map(canonical, pieces))
        object.__setattr__(self, "pieces", pieces)

    @property
    def wire(self) -> tuple[bytes, ...]:
        """The message as DATA carries it, but for the final dot."""
        return tuple(map(stuffed, self.pieces))

    @property
    def size(self) -> int:
        """Bytes of the message with CRLF line ends."""
        return sum(map(len, self.pieces))

    @property
    def is_ascii(self) -> bool:
        """Whether it can be sent without 8BITMIME."""
        return self.clean or all(map(bytes.isascii, self.pieces))


class Command(NamedTuple):
    """One command.

    Attributes:
        phase: What its reply is judged as.
        line: Its bytes, line end included.
        recipient: For RCPT: whom it is about.
    """

    phase: str
    line: bytes
    recipient: str = ""


RESET, DATA = Command("rset", b"RSET\r\n"), Command("data", b"DATA\r\n")


def envelope_commands(
    mail: Mail, features: Features, *, reset: bool = False
) -> list[Command]:
    """Give the commands from MAIL to DATA.

    Args:
        mail: What to send.
        features: What the server offers.
        reset: Whether RSET must go first.

    Raises:
        RejectedError: When an address would break out of its command.
        UnsuitableError: When the message does not fit this server.
    """
    size = mail.size
    _must_fit(mail, size, features)
    options = ""
    if features.sized:
        options += f" SIZE={size}"
    if features.eight_bit and not mail.is_ascii:
        options += " BODY=8BITMIME"
    sender = path(mail.sender) if mail.sender else "<>"
    return [
        *((RESET,) if reset else ()),
        Command("mail", f"MAIL FROM:{sender}{options}\r\n".encode()),
        *[
            Command("rcpt", f"RCPT TO:{path(each)}\r\n".encode(), each)
            for each in mail.recipients
        ],
        DATA,
    ]


def fits(address: str) -> bool:
    """Report whether SMTP commands can carry an address."""
    return _PATH.fullmatch(address) is not None


def path(address: str) -> str:
    """Give an address between angle brackets, checked once more.

    Raises:
        RejectedError: When it could end the command early or begin another.
        UnsuitableError: When it needs SMTPUTF8, which is not used here.
    """
    if not _PATH.fullmatch(address):
        if not address.isascii():
            raise UnsuitableError(
                "an address has non-ASCII characters before the @, "
                "which this way of sending cannot carry",
                phase="mail",
            )
        raise RejectedError(
            "an address has a character that SMTP commands must not carry",
            phase="mail",
        )
    return f"<{address}>"


def _must_fit(mail: Mail, size: int, features: Features) -> None:
    if features.size and size > features.size:
        raise UnsuitableError(
            f"the message has {size:,} bytes and the server takes {features.size:,}",
            phase="mail",
        )
    if not features.eight_bit and not mail.is_ascii:
        raise UnsuitableError(
            "the message has 8-bit bytes and the server does not offer 8BITMIME",
            phase="mail",
        )
    if not mail.clean and any(b"\0" in piece for piece in mail.pieces):
        raise UnsuitableError(
            "the message has NUL bytes, which DATA cannot carry", phase="mail"
        )
