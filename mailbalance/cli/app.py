"""The commands put together.

What lives here: the top of the command line, with ``--version`` and ``--verbose``. What
must not: a command's work.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Annotated

import typer

import mailbalance
from mailbalance.cli.check import check
from mailbalance.cli.demo import demo
from mailbalance.cli.output import CODES_HELP
from mailbalance.cli.route import route
from mailbalance.cli.sandbox import sandbox
from mailbalance.cli.send import send
from mailbalance.cli.send_many import send_many

# Locals in a traceback would show tokens and keys, so Python's own plain one it is.
app = typer.Typer(
    name="mailbalance",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=CODES_HELP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mailbalance {mailbalance.__version__}")
        raise typer.Exit


@app.callback()
def top(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Write the library's log to stderr.")
    ] = False,
) -> None:
    """Send mail through Amazon SES and Mailtrap, split exactly by weight.

    Start with: mailbalance demo
    """
    logger = logging.getLogger("mailbalance")
    if verbose:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        logger.setLevel(logging.DEBUG)
    else:
        # What happened is in the command's own output; the log would say it twice.
        logger.addHandler(logging.NullHandler())


for command in (demo, send, send_many, check, route, sandbox):
    app.command(epilog=CODES_HELP)(command)


def run() -> None:
    """Run the command line with ``sys.argv``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show must not stop a send half-way.
            stream.reconfigure(errors="backslashreplace")
    app()
