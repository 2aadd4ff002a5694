"""One run of ``send-many``: rows in, ends written down, and a signal in between.

What lives here: giving the rows that are left to a mailer, and noting what its events and
results say. What must not: what the journal's lines are (``journal``), words about the end
(``many_summary``).
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from mailbalance.cli.journal import AGAIN, Entry
from mailbalance.delivery.shutdown import GRACE, stop_on
from mailbalance.errors import ClosedError, MessageError
from mailbalance.events import Accepted, AttemptStarted, GaveUp
from mailbalance.mailer import Mailer

if TYPE_CHECKING:
    from mailbalance.backend import Receipt
    from mailbalance.cli.journal import Journal
    from mailbalance.cli.output import Output
    from mailbalance.cli.rows import Row
    from mailbalance.delivery.shutdown import Stopping
    from mailbalance.errors import MailError
    from mailbalance.events import Event
    from mailbalance.message import Message

#: Seconds between two looks for a signal.
_LOOK = 0.05


class UnwrittenError(BaseException):
    """A row's beginning cannot be written down, so that it must not be tried.

    What observers raise goes no further when it is an ``Exception``; this ends the try that
    is about to begin.
    """


@dataclass(frozen=True, slots=True)
class Survey:
    """What is to be known of a file before its first row is sent.

    Attributes:
        rows: How many there are.
        shared: Keys and Message-IDs that several rows have: events cannot tell those apart.
    """

    rows: int
    shared: frozenset[str]


def survey(rows: Iterable[Row], journal: Journal) -> Survey:
    """Read a whole file.

    Raises:
        typer.BadParameter: When it cannot be read, or was changed since it was sent.
    """
    count, seen, shared = 0, set[str](), set[str]()
    for row in rows:
        count += 1
        journal.earlier(row)
        shared |= row.names & seen
        seen |= row.names
    return Survey(count, frozenset(shared))


class Run:
    """One run over a file.

    Args:
        out: For people.
        journal: Where ends are written down.
        defaults: Fields for rows that lack them.
        in_doubt: Whether to send again what an earlier run left in doubt.
        known: The survey of the file.

    Attributes:
        wrong: Each row that made no message: its line and why.
    """

    def __init__(
        self,
        out: Output,
        journal: Journal,
        defaults: Mapping[str, Any],
        *,
        in_doubt: bool,
        known: Survey,
    ) -> None:
        self.wrong: list[tuple[int, str]] = []
        self._out = out
        self._journal = journal
        self._defaults = defaults
        self._again = AGAIN | ({"in_doubt"} if in_doubt else set())
        self._known = known
        self._given: deque[int] = deque()
        self._lines: dict[str, int] = {}

    def send(self, rows: Iterable[Row], concurrency: int) -> None:
        """Send what is left to send.

        Raises:
            SystemExit: When a signal came; what was under way has ended, or had its time.
            UnwrittenError: When the results cannot be written.
        """
        with (
            Mailer.from_env(observers=[self._note]) as mailer,
            _until_signal(mailer) as stop,
            _progress(self._out, self._known.rows) as advance,
        ):
            self._journal.create()
            results = mailer.send_many(
                self._messages(mailer, rows, advance),
                concurrency=concurrency,
                progress=lambda _: advance(),
            )
            try:
                with contextlib.closing(results):
                    for result in results:
                        self._end(self._given.popleft(), result.receipt or result.error)
            except ClosedError:
                if not stop.requested:
                    raise

    def _messages(
        self, mailer: Mailer, rows: Iterable[Row], advance: Any
    ) -> Iterator[Message]:
        for row in rows:
            if self._journal.failure is not None:
                raise UnwrittenError
            earlier = self._journal.earlier(row)
            if earlier is not None and earlier not in self._again:
                self._journal.counts[f"{earlier} before"] += 1
                advance()
                continue
            message = self._message(mailer, row)
            if message is None:
                advance()
                continue
            self._given.append(row.line)
            yield message

    def _message(self, mailer: Mailer, row: Row) -> Message | None:
        """Make a row's message and prepare for its events; ``None`` when it is wrong."""
        try:
            # With this mailer's author: the Message-ID has the author's domain.
            message = mailer.take(row.message(self._defaults))
        except MessageError as error:
            self._journal.give(Entry(row.line, row.digest))
            self._end(row.line, error)
            return None
        stamp = message.stamp()
        entry = Entry(row.line, row.digest, stamp.message_id, stamp.id)
        self._journal.give(entry)
        if row.names & self._known.shared:
            self._begin(row.line)
        else:
            self._lines[stamp.message_id] = row.line
        return message

    def _note(self, event: Event) -> None:
        """Write down what is known the moment it is, also for a run that is stopped."""
        if isinstance(event, AttemptStarted):
            line = self._lines.get(event.message_id)
            if line is not None:
                self._begin(line)
        elif isinstance(event, Accepted):
            self._note_end(event.receipt.message_id, event.receipt)
        elif isinstance(event, GaveUp):
            self._note_end(event.message_id, event.error)

    def _note_end(self, message_id: str, told: Receipt | MailError) -> None:
        line = self._lines.pop(message_id, None)
        if line is not None:
            self._end(line, told)

    def _begin(self, line: int) -> None:
        try:
            self._journal.begin(line)
        except OSError as error:
            raise UnwrittenError from error

    def _end(self, line: int, told: Receipt | MailError | None) -> None:
        if told is None or isinstance(told, ClosedError):
            self._journal.leave(line)
            return
        if isinstance(told, MessageError):
            self.wrong.append((line, "; ".join(told.problems)))
        self._journal.end(line, told)


@contextlib.contextmanager
def _until_signal(mailer: Mailer) -> Iterator[Stopping]:
    """End the process on Ctrl-C and SIGTERM, once what is under way has ended.

    What a background job ignores stays ignored.
    """
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        numbers.append(signal.SIGINT)
    previous = {each: signal.signal(each, _leave) for each in numbers}
    over = threading.Event()
    with stop_on(mailer, *numbers) as stop:
        threading.Thread(target=_tell, args=(stop, over), daemon=True).start()
        try:
            yield stop
        finally:
            over.set()
    for number, handler in previous.items():
        signal.signal(number, handler)


def _leave(number: int, _: object) -> None:
    """End the process, and let nothing cut that short."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _tell(stop: Stopping, over: threading.Event) -> None:
    """Say what is waited for, as soon as a signal has come."""
    while not over.wait(_LOOK):
        if stop.signal is not None:
            # Not by a console of its own, which would write into the progress bar.
            sys.stderr.write(
                f"{stop.signal.name}: no more messages are begun; waiting for those "
                f"under way, at most {GRACE:g} s.\n"
            )
            sys.stderr.flush()
            return


@contextlib.contextmanager
def _progress(out: Output, total: int) -> Iterator[Any]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = out.console.is_terminal
    with Progress(*columns, console=out.console, disable=not shown) as bar:
        task = bar.add_task("sending", total=total)
        yield lambda: bar.advance(task)
