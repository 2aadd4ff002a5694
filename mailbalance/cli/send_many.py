"""``mailbalance send-many``: a file of messages.

What lives here: the command and its dry run. What must not: reading rows (``rows``), the
results file (``journal``), sending (``many_run``), how it ended (``many_summary``).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from mailbalance.cli import compose as c
from mailbalance.cli.journal import Journal
from mailbalance.cli.many_run import Run, UnwrittenError, survey
from mailbalance.cli.many_summary import summarise
from mailbalance.cli.output import Code, Json, Output
from mailbalance.cli.results_file import InUseError
from mailbalance.cli.rows import read_rows
from mailbalance.errors import MailError


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
    refused or is unknown is not sent again. Ctrl-C waits for what is under way.

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
    place = results or Path(f"{file}.results.jsonl")
    try:
        code = _send(out, file, place, defaults, in_doubt, concurrency)
    except InUseError as error:
        raise out.fail(str(error), Code.TEMPORARY) from None
    if code:
        raise typer.Exit(code)


def _send(
    out: Output,
    file: Path,
    place: Path,
    defaults: dict[str, Any],
    in_doubt: bool,
    concurrency: int,
) -> int:
    """Send what is left, and give the exit code."""
    rows = read_rows(file)
    journal = Journal(place)
    if journal.warning:
        out.warn(journal.warning)
    known = survey(rows, journal)
    run = Run(out, journal, defaults, in_doubt=in_doubt, known=known)
    stopped = None
    try:
        if known.rows:
            with out.reporting(), contextlib.suppress(UnwrittenError):
                run.send(read_rows(file), concurrency)
    except SystemExit as end:
        stopped = int(end.code or 0)
    finally:
        journal.close()
    return summarise(out, journal, known.rows, run.wrong, stopped)


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
