"""Whether an answer can be one: what the other side can have had when it came.

What lives here: asking the kernel which bytes have not arrived yet. What must not: any
word of a protocol.

Every segment of TCP acknowledges all that came before it (RFC 9293 section 3.4), so that
by the time an answer can be read, the question it answers has been acknowledged. If some
of it has not, what came was sent earlier: a reply to something else, or to nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

#: Asks for the bytes that are not acknowledged (Linux, tcp(7): SIOCOUTQ).
_ioctl: Any = None
if sys.platform == "linux":
    from fcntl import ioctl as _ioctl
    from termios import TIOCOUTQ as _REQUEST

_NONE = bytes(4)


class UnaskedError(OSError):
    """An answer came before the other side can have had the question.

    Attributes:
        data: How it begins.
    """

    def __init__(self, data: bytes = b"") -> None:
        super().__init__("an answer came before the question can have arrived")
        self.data = data


def is_under_way(sock: socket.socket) -> bool:
    """Report whether bytes handed over have provably not reached the other side yet.

    Where the kernel does not tell, nothing is proved.
    """
    if _ioctl is None:
        return False
    try:
        return bool(_ioctl(sock.fileno(), _REQUEST, _NONE) != _NONE)
    except (OSError, ValueError):
        return False
