"""One mail transaction: MAIL, RCPT, DATA, the message, the dot.

What lives here: the generator that holds the dialogue and every judgement in it. What must
not: a socket, an event loop, or the opening of a connection.

How to read it: ``run()`` yields what to do next (``Write``, ``Ask``, ``Read``, ``Glance``)
and is sent what came of it (for the last three a ``Reply``), or has a ``BrokenError``
thrown in.
Last it yields ``Accepted``, or raises a ``DeliveryError``. Two drivers pump it:
``blocking`` on sockets, ``looped_pump`` on asyncio.

The commit point is the write of the final dot. It goes out alone, after every byte of the
message was handed over, so that a failure up to there is proof that the server never saw
the message's end and must drop it (RFC 5321 section 4.1.1.10). The driver then aborts the
connection, so that nothing still buffered is sent after all. After the commit point only a
clear reply decides (RFC 1047).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mailbalance.errors import DeliveryError, TransientError, UnknownOutcomeError
from mailbalance.frozen import FrozenDict
from mailbalance.secret import bare
from mailbalance.wire.net.deadline import EARLY_REPLY
from mailbalance.wire.smtp.body import chunks
from mailbalance.wire.smtp.commands import DATA, envelope_commands
from mailbalance.wire.smtp.steps import (
    GLANCE,
    Accepted,
    Ask,
    BrokenError,
    Commit,
    Read,
    Write,
)
from mailbalance.wire.smtp.verdict import judge, judge_refused, refusal_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from mailbalance.wire.net.deadline import Deadline
    from mailbalance.wire.smtp.commands import Command, Features, Mail
    from mailbalance.wire.smtp.replies import Reply
    from mailbalance.wire.smtp.steps import Step, Steps
    from mailbalance.wire.smtp.verdict import Rule

#: The end of the message (RFC 5321 section 4.1.1.4); the line end before it is the
#: message's own.
DOT = b".\r\n"

#: Most commands in one write: their replies must fit the buffers on the way back, or both
#: sides would wait for each other (RFC 2920 section 3.1).
GROUP = 100


class Transaction:
    """The dialogue about one message on one open connection.

    Args:
        mail: What to send.
        features: What the server offers.
        deadline: When the attempt ends.
        rules: What the provider's replies mean.
        reset: Whether an earlier transaction was left unfinished on this connection.
        said: The text of the last reply to a message on this connection, in a list of one.

    Attributes:
        committed: Whether the final dot was handed over.
        stale: Whether the first thing heard was that the server had ended the session.
        unfinished: Whether the next user of the connection must reset it first.
    """

    def __init__(
        self,
        mail: Mail,
        features: Features,
        deadline: Deadline,
        *,
        rules: tuple[Rule, ...] = (),
        reset: bool = False,
        said: list[str] | None = None,
    ) -> None:
        self.committed = False
        self.stale = False
        self.unfinished = reset
        self._mail = mail
        self._features = features
        self._deadline = deadline
        self._rules = rules
        self._phase = "mail"
        self._ended = False
        self._dotted = False
        self._sound = True
        self._heard = 0
        self._awaited = 0
        self._refused: dict[str, Reply] = {}
        self._farewell: Reply | None = None
        self._said = [""] if said is None else said

    @property
    def keep(self) -> bool:
        """Whether the connection may be used again: every command had a clear reply."""
        # Replies still on their way would answer the next message's commands.
        return self._ended and self._sound and not self._awaited

    def run(self) -> Steps:
        """Yield the steps, and ``Accepted`` last.

        Raises:
            DeliveryError: When it was not accepted, or may not have been.
        """
        try:
            yield from self._dialogue()
        except BrokenError as broken:
            self._sound = False
            self.stale = broken.kind == "closed" and not self._heard
            # Its frames hold what the server said, which may be an echo of the login.
            raise (yield from self._after(broken)) from bare(broken)
        except DeliveryError:
            self._ended = True
            raise

    def _dialogue(self) -> Steps:
        commands = envelope_commands(self._mail, self._features, reset=self.unfinished)
        self._must_have_time()
        size = GROUP if self._features.pipelining else 1
        for start in range(0, len(commands), size):
            yield from self._group(commands[start : start + size])
        yield from self._message()
        reply = yield from self._commit()
        self.unfinished = False
        if not reply.positive:
            raise self._judged(reply)
        if reply.text == self._said[0]:
            self._must_be_news(reply)
        self._said[0] = reply.text
        self._ended = True
        yield self._accepted(reply)

    # The envelope

    def _group(self, group: list[Command]) -> Steps:
        """Send commands ahead, then judge their replies in order."""
        self._phase = group[0].phase
        if self._phase == "data" and not self._anybody:
            raise judge_refused(self._refused, self._rules)
        said = b"".join([command.line for command in group])
        step: Step = Ask(said, self._deadline.wait())
        awaited = len(group)
        for command in group:
            if awaited < len(group):
                self._phase = command.phase
                step = Read(self._deadline.wait())
            reply = self._hear((yield step))
            awaited = self._awaited = awaited - 1
            if command is DATA and reply.code == 354 and not self._anybody:
                yield from self._end_empty_message()
            self._take(command, reply)

    def _take(self, command: Command, reply: Reply) -> None:
        """Judge the reply to one command of the envelope."""
        phase = command.phase
        if phase == "data":
            if not self._anybody:
                raise judge_refused(self._refused, self._rules)
            if reply.code != 354:
                raise self._judged(reply)
        elif phase == "rcpt" and reply.code >= 400:
            self._refused[command.recipient] = reply
            if reply.code == 421:  # it is about to close (RFC 5321 section 3.8)
                self._sound, self._farewell = False, self._farewell or reply
        elif not reply.positive:
            raise self._judged(reply)
        self.unfinished = True

    def _end_empty_message(self) -> Steps:
        """End the message for nobody that a DATA sent ahead has begun.

        Its reply is read and means nothing (RFC 2920 section 3.1).
        """
        try:
            self._hear((yield Ask(DOT, self._deadline.wait())))
        except BrokenError:
            self._sound = False

    @property
    def _anybody(self) -> bool:
        return len(self._refused) < len(self._mail.recipients)

    # The message

    def _message(self) -> Steps:
        self._phase = "body"
        self._must_have_time()
        for piece in self._mail.wire:
            for chunk in chunks(piece):
                yield Write(chunk, self._deadline.wait())
        early = yield GLANCE
        if early is not None:
            self._sound = False
            raise self._judged(early)

    def _commit(self) -> Generator[Step, Reply | None, Reply]:
        self._must_have_time()
        self._phase = "dot"
        self.committed = True
        yield Commit(DOT, self._deadline.left())
        self._dotted = True
        return self._hear((yield Read(self._deadline.left())))

    def _must_be_news(self, reply: Reply) -> None:
        """Refuse the reply to the message before once more: ids are never given twice.

        Raises:
            UnknownOutcomeError: When there is an id in it.
        """
        ids = self._mail.ids
        if ids is not None and any(map(_is_id, ids(reply.text))):
            raise self._unknown(
                "the reply has the id of the message before it, so it may be no reply to "
                "this one"
            )

    def _accepted(self, reply: Reply) -> Accepted:
        if not self._refused:
            return Accepted(reply, self._mail.recipients)
        return Accepted(
            reply,
            tuple(each for each in self._mail.recipients if each not in self._refused),
            FrozenDict(
                {a: refusal_of(r, self._rules) for a, r in self._refused.items()}
            ),
        )

    # Judgement

    def _judged(self, reply: Reply) -> DeliveryError:
        """Judge a reply that is not the success that was due."""
        if self._phase == "rset" or (self._heard <= 1 and _ends_session(reply)):
            self._sound, self.stale = False, not self.committed
        self._sound = self._sound and reply.code >= 400 and reply.code != 421
        if self.committed and reply.code < 400:
            return self._unknown(f"the reply to the message was {reply}")
        return judge(reply, self._phase, self._rules)

    def _after(
        self, broken: BrokenError
    ) -> Generator[Step, Reply | None, DeliveryError]:
        """Judge a broken connection, after reading what the server may have said."""
        if self._farewell is not None and not self.committed:
            return judge_refused(self._refused, self._rules, last=self._farewell)
        reply = None
        if broken.kind == "closed" and (self.committed or not self._awaited):
            reply = yield from self._last_words()
        if reply is not None and reply.code >= 400:
            return self._judged(reply)
        if self.committed:
            why = f"no clear reply to the message: {broken}"
            return self._unknown(why, self._likely(broken))
        return TransientError(str(broken), phase=self._phase)

    def _last_words(self) -> Generator[Step, Reply | None, Reply | None]:
        try:
            return (yield Read(min(EARLY_REPLY, self._deadline.left())))
        except BrokenError:
            return None

    def _likely(
        self, broken: BrokenError
    ) -> Literal["accepted", "not_accepted"] | None:
        """Say which way a broken end points.

        A reply that began has said by its first digit which way it would go (RFC 5321
        section 4.2.1), and a dot that could hardly be written has hardly been read.
        """
        if broken.begun:
            return "accepted" if broken.begun == "2" else "not_accepted"
        unwritten = not self._dotted and broken.kind == "closed"
        return "not_accepted" if unwritten else None

    def _unknown(
        self, detail: str, likely: Literal["accepted", "not_accepted"] | None = None
    ) -> UnknownOutcomeError:
        self._sound = False
        return UnknownOutcomeError(detail, phase=self._phase, likely=likely)

    def _must_have_time(self) -> None:
        """Fail as not accepted rather than make an unknown outcome for want of time."""
        if self._deadline.before_commit() <= 0:
            self._sound = self._sound and self._phase == "mail"
            raise TransientError(
                "not enough time left to commit safely",
                phase=self._phase,
                code="deadline",
            )

    def _hear(self, reply: Reply | None) -> Reply:
        """Take note of the answer to a ``Read``."""
        assert reply is not None  # noqa: S101 - a driver answers a Read with a Reply
        self._heard += 1
        return reply


def _is_id(text: str) -> bool:
    """Tell an id from a word: no provider's id is short, or of letters only."""
    return len(text) > 3 and any(map(str.isdigit, text))


def _ends_session(reply: Reply) -> bool:
    """Tell whether a reply says that the server has ended an idle session.

    421 by RFC 5321 section 3.8; ``451 4.4.2`` is how SES says it today.
    """
    return reply.code == 421 or (reply.code == 451 and reply.text.startswith("4.4.2"))
