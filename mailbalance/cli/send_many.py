"""``mailbalance send-many``: a file of messages.

What lives here: the command, its progress and its summary. What must not: reading rows
(``rows``) or the results file (``journal``).
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from mailbalance.cli import compose as c
from mailbalance.cli.journal import AGAIN, Journal
from mailbalance.cli.output import Code, Json, Output
from mailbalance.cli.rows import Row, read_rows
from mailbalance.errors import MailError, MessageError
from mailbalance.events import Accepted, GaveUp
from mailbalance.mailer import Mailer

if TYPE_CHECKING:
    from mailbalance.events import Event
    from mailbalance.message import Message


def send_many(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Messages: FILE.jsonl or FILE.csv.")
    ],
    *,
    results: Annotated[
        Path | None,
        typer.Option(help="Where results are written; default FILE.results.jsonl."),
    ] = None,
    from_: c.From = None,
    subject: c.Subject = None,
    text: c.PlainText = None,
    html: c.Html = None,
    category: c.Category = None,
    in_doubt: Annotated[
        bool,
        typer.Option("--in-doubt", help="Send again what a killed run left in doubt."),
    ] = False,
    concurrency: Annotated[
        int, typer.Option(min=1, max=256, help="How many send at once.")
    ] = 16,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every message; send nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Send every message of a file by the split in MAILBALANCE_SPLIT.

    A .jsonl file has one JSON object in each line, with the fields of a message; a .csv
    file has them as columns, such as to, subject, text and metadata.order. The options
    fill in what a row lacks.

    Run it again with the same files, and it goes on where it stopped: what was accepted,
    refused or is unknown is not sent again.

    \b
    Examples:
      mailbalance send-many invitations.csv --from me@example.com --subject Party
      mailbalance send-many bills.jsonl --dry-run
    """  # noqa: D301 - a real backspace tells click not to wrap the lines after it
    out = Output(json=json)
    defaults = c.given_fields(
        from_=from_, subject=subject, text=text, html=html, category=category
    )
    if dry_run:
        _check(out, file, defaults)
        return
    journal = Journal(results or file.with_name(f"{file.name}.results.jsonl"))
    sending = _Sending(out, journal, defaults, in_doubt=in_doubt)
    try:
        with out.reporting():
            sending.run(file, concurrency)
    finally:
        journal.close(sending.vague)
    _summarise(out, journal)


class _Sending:
    """One run over a file.

    Attributes:
        vague: Lines whose message shares its key or its Message-ID with another: only
            their results tell them apart.
    """

    def __init__(
        self, out: Output, journal: Journal, defaults: dict[str, Any], *, in_doubt: bool
    ) -> None:
        self._out = out
        self._journal = journal
        self._defaults = defaults
        self._again = AGAIN | ({"in_doubt"} if in_doubt else set())
        self._given: deque[int] = deque()
        self._lines: dict[str, int] = {}
        self._names: set[str] = set()
        self.vague: set[int] = set()

    def run(self, file: Path, concurrency: int) -> None:
        """Send what is left to send."""
        rows = sum(1 for _ in read_rows(file))  # whole, before the first is sent
        with (
            Mailer.from_env(observers=[self._note]) as mailer,
            _progress(self._out, rows) as advance,
            contextlib.closing(
                mailer.send_many(
                    self._messages(read_rows(file), advance),
                    concurrency=concurrency,
                    progress=lambda _: advance(),
                )
            ) as results,
        ):
            for result in results:
                told = result.receipt or result.error
                if told is not None:
                    self._journal.end(self._given.popleft(), told)

    def _messages(self, rows: Iterator[Row], advance: Any) -> Iterator[Message]:
        for row in rows:
            earlier = self._journal.earlier(row)
            if earlier is not None and earlier not in self._again:
                self._journal.counts[f"{earlier} before"] += 1
                advance()
                continue
            self._journal.begin(row)
            try:
                message = row.message(self._defaults)
            except MessageError as error:
                self._journal.end(row.line, error)
                advance()
                continue
            self._given.append(row.line)
            self._note_line(message, row.line)
            yield message

    def _note_line(self, message: Message, line: int) -> None:
        """Keep the line by which events of the message are noted, if they tell it."""
        name = message.stamp().message_id
        if self._is_new(message):
            self._lines[name] = line
        else:
            twin = self._lines.pop(name, line)
            self.vague |= {line, twin}

    def _is_new(self, message: Message) -> bool:
        """Whether neither its key nor its Message-ID stood in an earlier row."""
        names = {f"key {message.key}"} if message.key is not None else set()
        if message.message_id is not None:
            names.add(message.message_id)
        new = names.isdisjoint(self._names)
        self._names |= names
        return new

    def _note(self, event: Event) -> None:
        """Write an end down the moment it is known, also for a run that is stopped."""
        if isinstance(event, Accepted):
            self._end(event.receipt.message_id, event.receipt)
        elif isinstance(event, GaveUp):
            self._end(event.message_id, event.error)

    def _end(self, message_id: str, told: Any) -> None:
        line = self._lines.pop(message_id, None)
        if line is not None:
            self._journal.end(line, told)


@contextlib.contextmanager
def _progress(out: Output, total: int) -> Iterator[Any]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = out.console.is_terminal
    with Progress(*columns, console=out.console, disable=not shown) as bar:
        task = bar.add_task("sending", total=total)
        yield lambda: bar.advance(task)


def _check(out: Output, file: Path, defaults: dict[str, Any]) -> None:
    """Read every row, and say what is wrong."""
    wrong: list[dict[str, Any]] = []
    rows = 0
    for row in read_rows(file):
        rows += 1
        try:
            row.message(defaults)
        except MailError as error:
            wrong.append({"line": row.line, "text": str(error)})
            out.say(f"line {row.line}: {error}", "red")
    code = Code.USAGE if wrong else Code.OK
    out.give({"ok": not wrong, "exit_code": code, "messages": rows, "wrong": wrong})
    out.say(f"{rows} messages, {len(wrong)} of them wrong. Nothing was sent.")
    if code:
        raise typer.Exit(code)


def _summarise(out: Output, journal: Journal) -> None:
    counts = dict(journal.counts)
    code = _code(counts)
    out.give({"ok": code is Code.OK, "exit_code": code, "counts": counts})
    for what, number in sorted(counts.items()):
        out.say(f"{number:>7} {what.replace('_', ' ')}", _STYLES.get(what, ""))
    if counts.get("unknown") or counts.get("in_doubt before"):
        out.tell(
            "What is unknown or in doubt may have been accepted, and is not sent again by "
            "itself: look it up at the provider first."
        )
    if counts.get("not_accepted"):
        out.tell("Run the command again to send what was not accepted.")
    if code:
        raise typer.Exit(code)


_STYLES = {"accepted": "green", "unknown": "yellow", "refused": "red", "wrong": "red"}


def _code(counts: dict[str, int]) -> Code:
    """Give the exit code of a run: the worst that needs somebody to act."""
    if any(counts.get(name) for name in ("unknown", "in_doubt before")):
        return Code.REFUSED
    bad = sum(counts.get(n, 0) for n in ("refused", "wrong", "partial"))
    later = counts.get("not_accepted", 0)
    if later and not (bad or counts.get("accepted")):
        return Code.TEMPORARY
    return Code.PARTLY if bad or later else Code.OK
