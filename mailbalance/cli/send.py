"""``mailbalance send``: one message, now.

What lives here: the command, its receipt in two lines, and the dry run. What must not:
reading what was typed; that is ``compose``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailbalance.cli import compose as c
from mailbalance.cli.output import Code, Json, Output
from mailbalance.cli.route import check_via, facts_of_route, say_route
from mailbalance.mailer import Mailer

if TYPE_CHECKING:
    from mailbalance.backend import Receipt
    from mailbalance.message import Message


def send(
    *,
    to: c.To = None,
    cc: c.Cc = None,
    bcc: c.Bcc = None,
    from_: c.From = None,
    reply_to: c.ReplyTo = None,
    subject: c.Subject = None,
    text: c.PlainText = None,
    html: c.Html = None,
    attach: c.Attach = None,
    category: c.Category = None,
    metadata: c.Metadata = None,
    header: c.Header = None,
    eml: c.Eml = None,
    via: c.Via = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the exact requests; send nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Send one message by the split in MAILBALANCE_SPLIT.

    Without --text, --html and --eml the text is read from standard input.

    \b
    Examples:
      mailbalance send --to ana@example.com --subject Hello --text "It works."
      uptime | mailbalance send --to ops@example.com --subject Uptime
      mailbalance send --to ana@example.com --html @mail.html --attach bill.pdf --dry-run

    Exit code 1 also stands for "nobody can know whether it was accepted", since 75 would
    invite a second try, and with it a second copy.
    """  # noqa: D301 - a real backspace tells click not to wrap the lines after it
    out = Output(json=json)
    with out.reporting(), Mailer.from_env() as mailer:
        check_via(mailer, via)
        composed = c.compose(
            eml, to=to, cc=cc, bcc=bcc, from_=from_, reply_to=reply_to, subject=subject,
            text=text, html=html, attachments=attach, category=category,
            metadata=metadata, headers=header,
        )  # fmt: skip
        message = mailer.take(composed)
        if dry_run:
            _show_requests(out, mailer, message, via)
        else:
            _send(out, mailer, message, via)


def _send(out: Output, mailer: Mailer, message: Message, via: str | None) -> None:
    with out.reporting(message.stamp().message_id), _kept_for_json(out):
        receipt = mailer.send(message, via=via)
    code = Code.OK if receipt.outcome == "accepted" else Code.PARTLY
    out.give({"ok": code is Code.OK, "exit_code": code, **_facts(receipt)})
    _say_receipt(out, receipt)
    if code:
        raise typer.Exit(code)


def _kept_for_json(out: Output) -> contextlib.AbstractContextManager[object]:
    """Keep the console backend off standard output where JSON is to stand."""
    if out.json:
        return contextlib.redirect_stdout(sys.stderr)
    return contextlib.nullcontext()


def _facts(receipt: Receipt) -> dict[str, Any]:
    facts = {f.name: getattr(receipt, f.name) for f in dataclasses.fields(receipt)}
    return facts | {
        "refused": {address: str(reply) for address, reply in receipt.refused.items()},
        "attempts": [dataclasses.asdict(attempt) for attempt in receipt.attempts],
    }


def _say_receipt(out: Output, receipt: Receipt) -> None:
    took = sum(attempt.duration for attempt in receipt.attempts)
    count = len(receipt.accepted)
    out.say(
        f"{receipt.outcome} by {receipt.backend} for {count} "
        f"recipient{'s' * (count != 1)} in {took:.2f} s{_detour(receipt)}",
        "green" if receipt.outcome == "accepted" else "yellow",
    )
    ids = ", ".join(receipt.provider_ids) or "none given"
    out.say(f"Message-ID {receipt.message_id}, provider's id: {ids}")
    for address, reply in receipt.refused.items():
        out.say(f"refused {address}: {reply}", "yellow")
    if receipt.possible_duplicate:
        out.say("It may arrive twice: the outcome of an earlier try is unknown.")


def _detour(receipt: Receipt) -> str:
    """Say what was tried before, when the first try was not the last."""
    before = receipt.attempts[:-1]
    if not before:
        return ""
    tried = ", ".join(f"{a.backend} {a.outcome.replace('_', ' ')}" for a in before)
    return f" (before that: {tried})"


def _show_requests(
    out: Output, mailer: Mailer, message: Message, via: str | None
) -> None:
    route = mailer.route(message, via=via)
    requests = mailer.preview(message)
    shown = {name: text for name, text in requests.items() if via in (None, name)}
    out.give(
        {"ok": True, "exit_code": Code.OK, "dry_run": True, "sent": False}
        | {"route": facts_of_route(mailer, route), "requests": shown}
    )
    if out.json:
        return
    say_route(out, mailer, route)
    for name, text in shown.items():
        out.say()
        out.say(f"--- {name} ---", "bold")
        out.say(text)
    out.say()
    out.say("Dry run: nothing was sent.", "bold")
