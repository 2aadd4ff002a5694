"""``mailbalance check``: what was understood of the configuration, and what is missing.

What lives here: the command and its words. What must not: the network; nothing is looked
up or connected to, so a key that the provider would refuse is not noticed here.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from mailbalance.cli.output import Code, Json, Output, printable
from mailbalance.cli.understanding import Understood, understand

if TYPE_CHECKING:
    from mailbalance.cli.understanding import Door


def check(*, json: Json = False) -> None:
    """Show what was understood of the configuration.

    Also says what is missing, with the line to add.

    Secrets are never shown, only that they are set. No network is used.

    \b
    Examples:
      mailbalance check
      mailbalance check --json | jq .problems
    """  # noqa: D301 - a real backspace tells click not to wrap the lines after it
    out = Output(json=json)
    found = understand(os.environ)
    code = Code.CONFIGURATION if found.problems else Code.OK
    out.give({"ok": not code, "exit_code": code, **dataclasses.asdict(found)})
    if not json:
        _say(out, found)
    if code:
        raise typer.Exit(code)


def _say(out: Output, found: Understood) -> None:
    if found.variables:
        out.say("Variables read", "bold")
        out.show(_lines((v.name, v.value or "set", v.meaning) for v in found.variables))
    for backend in found.backends:
        share = "backup" if backend.share is None else f"{backend.share:.2%}"
        out.say(f"\n{backend.name}, {share}", "bold")
        out.show(_lines(_backend(backend)))
    out.say()
    for warning in found.warnings:
        out.say(f"note: {warning}", "yellow")
    for problem in found.problems:
        out.say(f"problem: {problem}", "red")
    if found.problems:
        count = len(found.problems)
        out.say(
            f"{count} problem{'s' * (count != 1)}: nothing can be sent.", "bold red"
        )
    else:
        out.say("The configuration is complete; no provider was asked.", "bold green")


def _backend(backend: Door) -> Iterator[tuple[str, str]]:
    """Give what is known of a backend, each with its name."""
    yield "way", backend.way
    yield "goes to", backend.where
    yield "TLS", backend.tls
    yield "stream", backend.stream
    yield "account", backend.account
    yield "credentials", backend.credentials


def _lines(rows: Iterable[tuple[str, ...]]) -> Table:
    """Draw rows as columns without lines, leaving out what has no value."""
    drawn = Table.grid(padding=(0, 2))
    for row in rows:
        if row[1]:
            # Text, so that square brackets in a value are not taken for markup.
            first, *rest = (Text(printable(cell), overflow="fold") for cell in row)
            drawn.add_row(Text("  ").append(first), *rest)
    return drawn
