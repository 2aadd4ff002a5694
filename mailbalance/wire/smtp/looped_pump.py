"""The pump that runs a dialogue on an asyncio transport, and the small talk beside mail.

What lives here: what drives a transaction or a chain on, with the rule of cancellation: it
cuts the connection before the commit point and is ignored after it, because a message that
was handed over cannot be called back, only its outcome lost. What must not: any judgement
of a reply, any pooling.

The dialogue goes on within the callback that brings a reply, and its task wakes when all
is over: four replies to a message would wake it four times for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal, Protocol, cast

from mailbalance.wire.smtp.steps import Accepted, Ask, BrokenError, Commit, Read, Write

if TYPE_CHECKING:
    from mailbalance.wire.smtp.chain import Chain
    from mailbalance.wire.smtp.looped import TransportLine
    from mailbalance.wire.smtp.replies import Reply
    from mailbalance.wire.smtp.steps import Step, Steps
    from mailbalance.wire.smtp.transaction import Transaction


_HEAR = Read(0.0)


class Dialogue(Protocol):
    """What can be pumped."""

    @property
    def committed(self) -> bool:
        """Whether a message was handed over and its reply is still to come."""
        ...

    def run(self) -> Steps:
        """Yield the steps."""
        ...


async def pump(line: TransportLine, transaction: Transaction) -> Accepted:
    """Run a transaction to its end.

    Raises:
        DeliveryError: As the transaction judged.
        asyncio.CancelledError: When cancelled before the commit point.
    """
    return cast("Accepted", await _Pump(line, transaction).run())


async def pump_all(line: TransportLine, chain: Chain) -> None:
    """Run a chain until it has no more steps; what came of it is in its ``ends``.

    Raises:
        asyncio.CancelledError: When cancelled, as soon as no message is committed.
    """
    await _Pump(line, chain).run()


async def answers(line: TransportLine, limit: float) -> bool:
    """Say NOOP, and tell whether the server answers as it should."""
    try:
        return (await _ask(line, b"NOOP\r\n", limit)).code == 250 and line.empty
    except BrokenError:
        return False


async def part(line: TransportLine, limit: float) -> None:
    """Say QUIT, wait for the answer, and close, whatever comes."""
    try:
        with contextlib.suppress(BrokenError):
            await _ask(line, b"QUIT\r\n", limit)
    finally:  # also when whoever closes is cancelled
        line.close()


async def _ask(line: TransportLine, command: bytes, limit: float) -> Reply:
    question = _Question(command, limit)
    await _Pump(line, question).run()
    return cast("Reply", question.answer)


class _Question:
    """A command outside of any transaction."""

    committed = False
    answer: Reply | None = None

    def __init__(self, command: bytes, limit: float) -> None:
        self._command = command
        self._limit = limit

    def run(self) -> Steps:
        self.answer = yield Ask(self._command, self._limit)


class _Pump:
    """One dialogue being run."""

    __slots__ = (
        "_dialogue", "_ended", "_fresh", "_late", "_line", "_outlived", "_step",
        "_steps", "_taken", "_turns", "_waiter",
    )  # fmt: skip

    def __init__(self, line: TransportLine, dialogue: Dialogue) -> None:
        self._line = line
        self._dialogue = dialogue
        self._steps = dialogue.run()
        self._step: Step | None = None  # before the first
        self._fresh = True  # whether nothing was done about the step yet
        self._late = False  # whether its time is over
        self._taken = 0  # steps so far
        self._turns = 0  # of the loop, until a glance has seen what there is
        self._ended = False
        self._outlived = False  # whether a cancellation came that was not followed
        self._waiter: asyncio.Future[None] | None = None

    async def run(self) -> Accepted | None:
        line = self._line
        line.listener = self._hear
        try:
            while not self._goes_to_its_end():
                waiter = self._waiter = line.loop.create_future()
                try:
                    await waiter
                except asyncio.CancelledError:
                    if not self._outlives(waiter):
                        raise
        finally:
            line.listener = None
        return self._step if isinstance(self._step, Accepted) else None

    def _outlives(self, waiter: asyncio.Future[None]) -> bool:
        """Say whether a cancellation is not followed.

        Raises:
            DeliveryError: What the dialogue came to in the same moment.
        """
        broken = None if waiter.cancelled() or not waiter.done() else waiter.exception()
        if not (self._ended or self._dialogue.committed):
            return False
        _outlive_cancellation()
        if broken is not None:
            raise broken
        self._outlived = True
        return True

    def _hear(self, late: bool) -> None:
        """Go on after something has happened on the line, or its time is over."""
        if not (late and self._look()):
            self._go_on(late)

    def _look(self) -> bool:
        """Say whether the line has something that the loop has not seen yet.

        A process that was suspended past its deadline finds the alarm and the reply at
        once, and asyncio rings first: time is over only two turns later.
        """
        if self._line.quiet:
            return False
        loop = self._line.loop
        loop.call_soon(loop.call_soon, self._looked, self._taken)
        return True

    def _looked(self, taken: int) -> None:
        if taken == self._taken:
            self._go_on(late=True)

    def _go_on(self, late: bool) -> None:
        self._late = self._late or late
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        self._waiter = None  # what happens meanwhile is seen without being told
        try:
            ended = self._goes_to_its_end()
        except asyncio.CancelledError:
            waiter.cancel()
        except BaseException as error:
            waiter.set_exception(error)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise  # as it would leave a task
        else:
            if ended:
                waiter.set_result(None)
            else:
                self._waiter = waiter

    def _goes_to_its_end(self) -> bool:
        """Do what the dialogue asks for, until it has to wait or is over.

        Raises:
            DeliveryError: As the dialogue judged.
            asyncio.CancelledError: When one was outlived, and nothing is committed now.
        """
        try:
            while not (self._ended or isinstance(self._step, Accepted)):
                try:
                    answer = self._do()
                except BrokenError as broken:
                    step = self._steps.throw(broken)
                else:
                    if answer is False:
                        return False
                    step = self._steps.send(answer)
                self._step, self._fresh, self._late = step, True, False
                self._taken += 1
                if self._outlived and not self._dialogue.committed:
                    raise asyncio.CancelledError
        except StopIteration:
            pass
        self._ended = True
        return True

    def _do(self) -> Reply | Literal[False] | None:
        """Do the step, or go on with it; ``False`` when it has to wait.

        Raises:
            BrokenError: When that failed, or took too long.
        """
        step, fresh = self._step, self._fresh
        self._fresh = False
        if isinstance(step, Read):
            return self._read(step.limit if fresh else None)
        if isinstance(step, Write):
            wrote = self._write(step, fresh)
            if wrote is False or not isinstance(step, Ask):
                return wrote
            self._step = _HEAR  # what is left to do, with the limit that is set here
            return self._read(step.limit)
        return None if step is None else self._glance(fresh)

    def _read(self, limit: float | None) -> Reply | Literal[False]:
        line = self._line
        try:
            reply = line.reply()
            if reply is None:
                line.must_be_open()
                self._wait(limit)
        except BrokenError as broken:
            broken.begun = line.begun
            raise
        return reply or False

    def _write(self, step: Write, fresh: bool) -> Literal[False] | None:
        line = self._line
        if fresh:
            line.hand_over(step.data)
            line.handed = type(step) is Commit
        else:
            line.must_be_open()
        if not line.paused or self._dialogue.committed:
            return None
        self._wait(step.limit if fresh else None)
        return False

    def _glance(self, fresh: bool) -> Reply | Literal[False] | None:
        line = self._line
        if fresh and not line.settled:
            # In the first turn the loop learns what the socket has, in the second its
            # callbacks have told us.
            self._turns = 2
            line.loop.call_soon(self._turn)
        if self._turns:
            return False
        reply = line.reply()
        if reply is None:
            line.must_be_open()
        return reply

    def _turn(self) -> None:
        self._turns -= 1
        if self._turns:
            self._line.loop.call_soon(self._turn)
        else:
            self._hear(late=False)

    def _wait(self, limit: float | None) -> None:
        """Wait for so many seconds from now, or on.

        Raises:
            BrokenError: When it has waited long enough.
        """
        if limit is not None:
            self._late = limit <= 0 and not self._look()
            if limit > 0:
                self._line.alarm.set(self._line.loop.time() + limit)
        if self._late:
            raise BrokenError("the server did not answer in time", "timeout")


def _outlive_cancellation() -> None:
    """Tell the task that its cancellation was taken note of and not followed."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
