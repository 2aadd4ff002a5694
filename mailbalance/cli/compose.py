"""From what was typed to a Message.

What lives here: the options that make up a message, shared by ``send`` and ``route``, and
reading files and standard input for them. What must not: sending.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mailbalance.message import Attachment, Message

_ADDRESS = "ADDRESS"
_TEXT_HELP = "; @FILE reads a file, - standard input, @@ stands for a plain @ in front."

To = Annotated[
    list[str] | None,
    typer.Option("--to", metavar=_ADDRESS, help="Recipient; repeatable."),
]
Cc = Annotated[
    list[str] | None, typer.Option("--cc", metavar=_ADDRESS, help="Copy; repeatable.")
]
Bcc = Annotated[
    list[str] | None,
    typer.Option("--bcc", metavar=_ADDRESS, help="Hidden copy; repeatable."),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar=_ADDRESS, help="Author; default MAILBALANCE_FROM."),
]
ReplyTo = Annotated[
    list[str] | None,
    typer.Option("--reply-to", metavar=_ADDRESS, help="Where answers go; repeatable."),
]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="TEXT", help="One line.")
]
PlainText = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT", help="The plain text" + _TEXT_HELP),
]
Html = Annotated[
    str | None, typer.Option("--html", metavar="TEXT", help="The HTML" + _TEXT_HELP)
]
Attach = Annotated[
    list[Path] | None,
    typer.Option("--attach", metavar="PATH", help="File to attach; repeatable."),
]
Category = Annotated[
    str | None, typer.Option("--category", metavar="LABEL", help="One label.")
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata", metavar="KEY=VALUE", help="Comes back in events; repeatable."
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="'NAME: VALUE'", help="Extra header; repeatable."),
]
Eml = Annotated[
    str | None,
    typer.Option(
        "--eml", metavar="FILE", help="A finished MIME message; - reads standard input."
    ),
]
Via = Annotated[
    str | None,
    typer.Option("--via", metavar="NAME", help="Use this backend, leaving the split."),
]


def compose(eml: str | None = None, **given: Any) -> Message:
    """Make the message.

    Args:
        eml: Where a finished message is, or ``None``.
        **given: Fields as typed; those left out are ``None`` or empty.

    Raises:
        MessageError: When the message is wrong, or a file cannot be read.
        typer.BadParameter: When an option cannot be read.
    """
    _one_standard_input(eml, given)
    fields = {
        "text": _content(given.pop("text", None), "--text"),
        "html": _content(given.pop("html", None), "--html"),
        "metadata": _pairs(given.pop("metadata", None), "=", "--metadata"),
        "headers": _pairs(given.pop("headers", None), ":", "--header"),
        "attachments": [
            Attachment.from_path(path) for path in given.pop("attachments", None) or ()
        ],
        **given,
    }
    fields = {
        name: value for name, value in fields.items() if value not in (None, [], {})
    }
    if eml is not None:
        return Message.from_mime(_read(eml, "--eml"), **fields)
    if not {"text", "html"} & fields.keys() and not sys.stdin.isatty():
        fields["text"] = _decoded(_read("-", "--text"), "--text")
    return Message(**fields)


def given_fields(**given: Any) -> dict[str, Any]:
    """Give the fields that were typed, with the files that they name read.

    Raises:
        typer.BadParameter: When a file cannot be read.
    """
    for name in ("text", "html"):
        given[name] = _content(given.get(name), f"--{name}")
    return {name: value for name, value in given.items() if value is not None}


def _one_standard_input(eml: str | None, given: dict[str, Any]) -> None:
    asking = {"--eml": eml, "--text": given.get("text"), "--html": given.get("html")}
    wanting = [option for option, value in asking.items() if value == "-"]
    if len(wanting) > 1:
        raise typer.BadParameter(
            f"{' and '.join(wanting)} both read standard input; give one of them a file"
        )


def _content(value: str | None, option: str) -> str | None:
    """Give the text itself, or what the file or standard input holds."""
    if value is None or value.startswith("@@"):
        return value and value[1:]
    if value == "-" or value.startswith("@"):
        return _decoded(_read(value.removeprefix("@"), option), option)
    return value


def _decoded(content: bytes, option: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter(
            "this is not UTF-8 text; convert it, or attach the file", param_hint=option
        ) from None


def _read(place: str, option: str) -> bytes:
    if place == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise typer.BadParameter(
            f"{place!r} cannot be read: {error.strerror}", param_hint=option
        ) from None


def _pairs(items: list[str] | None, sign: str, option: str) -> dict[str, str]:
    """Read ``KEY=VALUE`` or ``NAME: VALUE``, each key once."""
    found: dict[str, str] = {}
    for item in items or ():
        key, there, value = item.partition(sign)
        key, value = key.strip(), value.strip() if sign == ":" else value
        if not there or not key:
            raise typer.BadParameter(
                f"{item!r} has no {sign!r} in it", param_hint=option
            )
        if key in found:
            raise typer.BadParameter(f"{key!r} is there twice", param_hint=option)
        found[key] = value
    return found
