"""What a dialogue asks of its driver, and the words for what can break.

What lives here: the steps and ``BrokenError``. What must not: the dialogue itself, or its
pumping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from mailbalance.wire.http.exchange import HttpResponse

if TYPE_CHECKING:
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
    """Hand over the end of the request, whatever the server says; answered with ``None``.

    This is the commit point of a request that sends mail.
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


def broken(error: Exception, what: str) -> BrokenError:
    """Give a failure its name: ``what`` is Connect, Write or Read."""
    slow = isinstance(error, TimeoutError)
    words = (f"{what}Timeout", "TimeoutException") if slow else (f"{what}Error",)
    made = BrokenError(str(error), *words)
    made.__cause__ = error
    return made
