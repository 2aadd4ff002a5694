"""What a dialogue asks of its driver, and the words for what can break.

What lives here: the steps and ``BrokenError``. What must not: the dialogue itself, or its
pumping.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from mailbalance.wire.http.exchange import HttpResponse
from mailbalance.wire.unasked import UnaskedError, is_under_way

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

#: Bytes to write, in pieces that nobody needs to join. Views, since they hold secrets and
#: a view's ``repr`` shows none of its bytes in a traceback.
Pieces: TypeAlias = "tuple[memoryview, ...]"


# Like ``NamedTuple``, but made without a call of Python's: each message makes some.


class Write(tuple["list[memoryview]", float, float]):
    """Hand these over, all but the request's end.

    In so many seconds at most, of which at most so many may bring no progress. Answered
    with ``None`` once the kernel has every byte, or, as soon as the server says anything,
    with that; ``b""`` when it closed. The driver takes off the list what it has handed
    over, so that the rest of it can be written on.
    """

    __slots__ = ()


class Finish(tuple["Pieces", float]):
    """Hand over the end of the request; answered with ``None``.

    This is the commit point of a request that sends mail. If the server has said something
    just before, nothing is handed over, and the answer is that; ``b""`` when it closed.
    """

    __slots__ = ()

    @property
    def pieces(self) -> Pieces:
        """What is to be handed over."""
        return self[0]


class Read(float):
    """Wait at most so many seconds for more of the reply; ``b""`` when it closed."""

    __slots__ = ()


Step: TypeAlias = Write | Finish | Read | HttpResponse

if TYPE_CHECKING:
    Steps = Generator[Step, bytes | None, None]


class BrokenError(Exception):
    """An exchange broke; what broke it is its cause.

    Attributes:
        words: Names in the table of ``faults``, as a foreign class and its bases have.
    """

    def __init__(self, detail: str, *words: str) -> None:
        super().__init__(detail)
        self.words = words


#: How a final reply begins, with the digit that tells its kind.
_FINAL = re.compile(rb"HTTP/1\.\d ([2-5])")

#: What a server says that gave an idle connection up (RFC 9110 section 15.5.9).
_GIVEN_UP = re.compile(rb"HTTP/1\.\d (?:408|1)")


def must_be_an_answer(
    data: bytes | bytearray, sock: socket.socket, *, parted: bool, left: int = 0
) -> None:
    """Refuse to take for an answer what came before the request can have arrived.

    Args:
        data: The first bytes that came after the commit point.
        sock: The connection.
        parted: Whether the request went in several writes: the server may then refuse it
            before it has the last.
        left: Bytes that not even the kernel has yet.

    Raises:
        UnaskedError: When they are no answer to the request.
    """
    if not data or not (left or is_under_way(sock)) or _GIVEN_UP.match(data):
        return
    found = _FINAL.match(data)
    if not parted or (found is not None and found[1] == b"2"):
        raise UnaskedError(bytes(data[:64]))


def broken(error: Exception, what: str) -> BrokenError:
    """Give a failure its name: ``what`` is Connect, Write or Read."""
    slow = isinstance(error, TimeoutError)
    words = (f"{what}Timeout", "TimeoutException") if slow else (f"{what}Error",)
    made = BrokenError(str(error), *words)
    made.__cause__ = error
    return made
