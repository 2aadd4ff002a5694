"""Several mail transactions in a row on one connection, each judged by itself.

What lives here: ``Chain``, which pumps one ``Transaction`` after another and lets the next
one's envelope travel with the last one's final dot: one write, one round trip for each
message (RFC 2920 section 3.1 lets commands follow the dot). What must not: a socket, or a
judgement; each transaction makes its own.

The commit point of a message stays the write that holds its final dot. What travels with
it are commands of the next message, whose own commit is still to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from mailbalance.errors import DeliveryError
from mailbalance.wire.smtp.steps import Accepted, Ask, BrokenError, Commit, Read, Write
from mailbalance.wire.smtp.transaction import DOT, GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailbalance.wire.smtp.commands import Mail
    from mailbalance.wire.smtp.replies import Reply
    from mailbalance.wire.smtp.steps import Step, Steps
    from mailbalance.wire.smtp.transaction import Transaction

#: Bytes that every way over the Internet carries in one piece (RFC 9293 section 3.7.1).
SEGMENT = 512

#: What became of one message of a chain.
End: TypeAlias = Accepted | DeliveryError


class Chain:
    """The dialogue about several messages on one open connection.

    Args:
        mails: What to send, in this order.
        begin: Makes the transaction of a message; told whether an earlier one was left
            unfinished on this connection.
        pipelining: Whether the server takes commands ahead.
        fresh: Whether the connection carried nothing before.
        reset: Whether the first transaction must reset it.

    Attributes:
        ends: What became of each message, as far as they came. Shorter than ``mails`` when
            the connection could be used no further: the rest may go on another one.
        keep: Whether the connection may be used again.
        unfinished: Whether its next user must reset it first.
    """

    def __init__(
        self,
        mails: Sequence[Mail],
        begin: Callable[[Mail, bool], Transaction],
        *,
        pipelining: bool,
        fresh: bool,
        reset: bool = False,
    ) -> None:
        self.ends: list[End] = []
        self.keep = True
        self.unfinished = reset
        self._mails = mails
        self._begin = begin
        self._pipelining = pipelining
        self._fresh = fresh
        self._now: _Begun | None = None

    @property
    def committed(self) -> bool:
        """Whether a message was handed over and its reply is still to come."""
        return self._now is not None and self._now.transaction.committed

    def run(self) -> Steps:
        """Yield the steps until every message has its end, or the connection has none."""
        following: _Begun | None = None
        for place in range(len(self._mails)):
            here = following or self._start(place)
            self._now, following = here, None
            while here.end is None:
                if self._pipelining and here.is_at_dot:
                    following = self._ahead(place + 1)
                try:
                    answer = yield here.step_with(following)
                except BrokenError as broken:
                    following = None  # it never went, or has nobody to go to
                    here.throw(broken)
                else:
                    here.send(answer)
                    if following is not None and not following.has_gone:
                        following.go_along()
            if not self._goes_on(here, place):
                break
        self._now = None

    def _start(self, place: int) -> _Begun:
        return _Begun(self._begin(self._mails[place], self.unfinished))

    def _ahead(self, place: int) -> _Begun | None:
        """Begin the next message, if its whole envelope can travel ahead."""
        if place == len(self._mails):
            return None
        # MAIL, DATA and the recipients; the dot before them ends what was unfinished.
        if len(self._mails[place].recipients) + 2 > GROUP:
            return None
        begun = _Begun(self._begin(self._mails[place], False))
        return begun if begun.end is None else None

    def _goes_on(self, here: _Begun, place: int) -> bool:
        """Take note of an end; tell whether the next message may begin."""
        transaction = here.transaction
        self.keep = transaction.keep
        self.unfinished = transaction.unfinished
        if transaction.stale and not (self._fresh and place == 0):
            return False  # it was never heard: another connection will take it
        if here.end is not None:
            self.ends.append(here.end)
        return self.keep


class _Begun:
    """A transaction under way.

    Attributes:
        transaction: The transaction.
        end: What it came to, once it has.
        has_gone: Whether anything of it was handed over.
    """

    __slots__ = ("_step", "_steps", "end", "has_gone", "transaction")

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.end: End | None = None
        self.has_gone = False
        self._steps = transaction.run()
        self._step: Step | None = None
        self._take(lambda: next(self._steps))

    @property
    def is_at_dot(self) -> bool:
        """Whether it is about to hand its final dot over."""
        step = self._step
        return (
            isinstance(step, Write) and step.data is DOT and self.transaction.committed
        )

    def step_with(self, following: _Begun | None) -> Step:
        """Give its step; with that of the next transaction, if that goes along."""
        step = self._step
        assert step is not None  # noqa: S101 - it has not ended
        if following is None or following.has_gone:
            return step
        ahead = following._step
        assert isinstance(step, Write)  # noqa: S101 - the write of the dot
        assert isinstance(ahead, Ask)  # noqa: S101 - a transaction begins with one
        data = b"".join((step.data, ahead.data))
        # In one segment, or the end may arrive and be answered before the rest of it.
        kind = Commit if len(data) <= SEGMENT else Write
        return kind(data, step.limit)

    def go_along(self) -> None:
        """Take note that its first question was handed over; the answer is to come."""
        asked = self._step
        assert isinstance(asked, Ask)  # noqa: S101 - as above
        self.has_gone = True
        self._step = Read(asked.limit)

    def send(self, answer: Reply | None) -> None:
        """Tell what came of its step."""
        self.has_gone = True
        self._take(lambda: self._steps.send(answer))

    def throw(self, broken: BrokenError) -> None:
        """Tell that the connection broke."""
        self.has_gone = True
        self._take(lambda: self._steps.throw(broken))

    def _take(self, advance: Callable[[], Step]) -> None:
        try:
            step = advance()
        except DeliveryError as error:
            self.end = error
        else:
            self._step = step
            if isinstance(step, Accepted):
                self.end = step
