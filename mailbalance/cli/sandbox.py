"""``mailbalance sandbox``: the local sandbox until Ctrl-C.

What lives here: the command, and the lines to copy. What must not: the doors themselves;
they are ``mailbalance.sandbox``'s.
"""

from __future__ import annotations

import shlex
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from mailbalance.cli.output import Code, Json, Output

if TYPE_CHECKING:
    from mailbalance.sandbox import Sandbox

#: Named here too, since the extra that brings the doors may not be installed.
_DOORS = ("ses", "mailtrap", "ses-smtp", "mailtrap-smtp")

_EXTRA = 'The local sandbox needs its extra: pip install "mailbalance[sandbox]"'


def sandbox(
    *,
    ports: Annotated[
        str | None,
        typer.Option(
            "--ports",
            metavar="NAME=PORT,...",
            help="Fixed ports; the others are free ones.",
        ),
    ] = None,
    control_port: Annotated[
        int | None,
        typer.Option(
            "--control-port",
            metavar="PORT",
            min=0,
            max=65535,
            help="Port of the JSON pages.",
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split", metavar="SPLIT", help="The split in the lines to copy."
        ),
    ] = "ses=60,mailtrap=40",
    json: Json = False,
) -> None:
    """Run the local sandbox until Ctrl-C.

    It is a fake Amazon SES and a fake Mailtrap, by API and by SMTP, on this machine.

    What it prints is itself a shell script: every line is a comment or an export.

    \b
    Examples:
      mailbalance sandbox
      mailbalance sandbox --ports ses=5000,mailtrap=5001 --control-port 5080
      mailbalance sandbox > box.env &    then: . ./box.env; mailbalance send ...
    """  # noqa: D301 - a real backspace tells click not to wrap the lines after it
    out = Output(json=json)
    _check(split)
    wanted = _wanted(ports, control_port)
    try:
        box = new_sandbox(out, ports=wanted).start()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ports") from None
    except OSError as error:
        raise out.fail(
            f"A port is taken ({error.strerror}); choose another.", Code.TEMPORARY
        ) from None
    try:
        stopped = _until_signal()
        _say(out, box, split)
        stopped.wait()
    finally:
        box.stop()


def new_sandbox(out: Output, **options: object) -> Sandbox:
    """Make a local sandbox, or end with the line that installs what it needs."""
    try:
        from mailbalance.sandbox import Sandbox
    except ImportError:
        raise out.fail(_EXTRA, Code.USAGE) from None
    return Sandbox(**options)  # type: ignore[arg-type]


def _check(split: str) -> None:
    """Refuse a split that no mailer could use at these doors."""
    from mailbalance.config.weights import parse_split
    from mailbalance.errors import ConfigError

    try:
        names = [weight.name for weight in parse_split(split, source="the split")]
    except ConfigError as error:
        raise typer.BadParameter(
            "; ".join(error.problems), param_hint="--split"
        ) from None
    for name in names:
        if name not in _DOORS:
            raise typer.BadParameter(
                f"there is no door {name!r}; there are {', '.join(_DOORS)}",
                param_hint="--split",
            )


def _wanted(ports: str | None, control_port: int | None) -> dict[str, int]:
    """Read ``ses=5000,mailtrap=5001``."""
    wanted = {}
    for item in filter(None, (ports or "").split(",")):
        name, _, number = item.partition("=")
        if not (number.isascii() and number.isdigit() and int(number) < 65536):
            raise typer.BadParameter(
                f"{item!r} is not NAME=PORT, like ses=5000", param_hint="--ports"
            )
        wanted[name.strip()] = int(number)
    if control_port is not None:
        wanted["control"] = control_port
    return wanted


def _until_signal() -> threading.Event:
    """Give an event that Ctrl-C and SIGTERM set; both are the usual way to end this."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _say(out: Output, box: Sandbox, split: str) -> None:
    urls, environ = box.urls(), box.environ(split)
    out.give(
        {"ok": True, "urls": urls, "ca_file": str(box.ca_file), "environ": environ}
    )
    if not out.json:
        out.say("# The local sandbox is running; nothing leaves this machine.")
        for name, url in urls.items():
            out.say(f"#   {name:<15} {url}")
        out.say(f"# See what arrived: curl {urls['control']}/messages")
        out.say("# In another shell:")
        for name, value in environ.items():
            out.say(f"export {name}={shlex.quote(value)}")
        out.say(
            '# mailbalance send --to ana@example.com --subject Hi --text "It works."'
        )
        out.say("# Ctrl-C stops it.")
    out.console.file.flush()
