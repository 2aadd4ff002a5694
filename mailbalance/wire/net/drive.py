"""The steps that a protocol asks for, and the two drivers that take them.

A protocol is a generator: it yields what to do next and is sent what came of it, or has an
``OSError`` thrown in. Its last yield is its result. So it holds every judgement and no I/O,
a test can drive it by hand, and threads and event loops share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mailbalance.secret import bare

if TYPE_CHECKING:
    from collections.abc import Generator

    from mailbalance.wire.net.asyncio_stream import AsyncioStream
    from mailbalance.wire.net.socket_stream import SocketStream

#: Bytes to write, in pieces that nobody needs to join. Views, since they hold secrets and
#: a view's ``repr`` shows none of its bytes in a traceback.
Pieces: TypeAlias = "tuple[memoryview, ...]"

T = TypeVar("T")


# Like ``NamedTuple``, but made without a call of Python's: each message makes some.


class Write(tuple["list[memoryview]", float, float]):
    """Hand these over until then, waiting so long at most for any progress.

    Answered with ``None`` once the kernel has every byte, or, as soon as the server says
    anything, with that; ``b""`` when it closed. The driver takes off the list what it has
    handed over, so that the rest of it can be written on.
    """

    __slots__ = ()


class Commit(tuple["Pieces", float]):
    """Hand over the end of the request, whatever the server says; answered with ``None``.

    The *call* that does so is the commit point of a request that sends mail.
    """

    __slots__ = ()

    @property
    def pieces(self) -> Pieces:
        """What is to be handed over."""
        return self[0]


class Read(tuple[float, bool]):
    """Wait for bytes until then; answered with ``b""`` when the server closed.

    The second member says whether to go on when the task is cancelled: mail that was
    handed over cannot be recalled, only its outcome lost.
    """

    __slots__ = ()


Step: TypeAlias = Write | Commit | Read

if TYPE_CHECKING:
    Answer: TypeAlias = bytes | None
    Steps: TypeAlias = Generator[Any, Answer, None]


def drive(stream: SocketStream, steps: Steps) -> Any:
    """Run a protocol to its end on a blocking stream; return its last yield.

    Raises:
        DeliveryError: As the protocol judged.
    """
    step = next(steps)
    while True:
        answer = None
        try:
            kind = type(step)
            if kind is Read:
                answer = stream.read(step[0])
            elif kind is Commit:
                stream.finish(*step)
            elif kind is Write:
                answer = stream.write(*step)
            else:
                steps.close()  # dropped, it would swallow what a signal handler raises
                return step
        except OSError as error:
            step = steps.throw(bare(error))
        else:
            step = steps.send(answer)


async def adrive(stream: AsyncioStream, steps: Steps) -> Any:
    """Async version of ``drive``.

    Raises:
        DeliveryError: As the protocol judged.
        asyncio.CancelledError: When cancelled in a step that does not outlive it.
    """
    step = next(steps)
    while True:
        answer = None
        try:
            kind = type(step)
            if kind is Read:
                answer = await stream.read(*step)
            elif kind is Commit:
                stream.finish(step[0])
            elif kind is Write:
                answer = await stream.write(*step)
            else:
                steps.close()  # dropped, it would swallow what a signal handler raises
                return step
        except OSError as error:
            step = steps.throw(bare(error))
        else:
            step = steps.send(answer)
