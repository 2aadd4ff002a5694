"""What a command says, and how it ends: words or JSON, and the exit code.

What lives here: the exit codes, errors as words with what to do, errors as JSON. What must
not: any command's own facts.

With ``--json`` standard output holds one object and nothing else; what is meant for people
goes to standard error.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from mailbalance.errors import (
    ConfigError,
    DeliveryError,
    MailError,
    MessageError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Columns for output that goes to a file or a program, where no terminal says how many.
_PLAIN_WIDTH = 120

CODES_HELP = (
    "Exit codes: 0 ok; 1 refused, or nobody can know (do not just send again); 2 usage or "
    "a wrong message; 3 accepted for some recipients only; 75 not accepted, try later; "
    "78 configuration."
)

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output.")
]


class Code(IntEnum):
    """How a command ends; 75 and 78 are those of BSD's sysexits.h.

    An unknown outcome is 1, never 75: mail systems take 75 as leave to try again, and that
    could deliver the message twice.
    """

    OK = 0
    REFUSED = 1
    USAGE = 2
    PARTLY = 3
    TEMPORARY = 75
    CONFIGURATION = 78


def code_of(error: MailError) -> Code:
    """Give the exit code for an error."""
    if isinstance(error, ConfigError):
        return Code.CONFIGURATION
    if isinstance(error, MessageError):
        return Code.USAGE
    if not isinstance(error, DeliveryError):
        return Code.REFUSED
    if error.outcome == "unknown" or isinstance(error, RejectedError):
        return Code.REFUSED
    return Code.PARTLY if error.accepted else Code.TEMPORARY


def what_to_do(error: MailError) -> str:
    """Give the advice that goes with an error."""
    if isinstance(error, ConfigError):
        return "Nothing was sent. 'mailbalance check' shows what was understood."
    if isinstance(error, MessageError):
        return "Nothing was sent. Correct the message and send it again."
    if isinstance(error, UnknownOutcomeError):
        return (
            "It may have been accepted, so sending it again could deliver it twice. Look "
            "it up at the provider first, by its label mailbalance-id (SES) or "
            f"mailbalance_id (Mailtrap): {error.mailbalance_id or 'see its Message-ID'}."
        )
    if isinstance(error, RejectedError):
        return "It was not accepted and would be refused again; correct it first."
    if isinstance(error, UnavailableError):
        return (
            "No provider accepted it, so it is safe to send it again once the backend is "
            "mended: look at its key, quota and verified senders."
        )
    later = "later"
    if isinstance(error, DeliveryError) and error.retry_after:
        later = f"in {error.retry_after:.0f} seconds"
    return f"No provider accepted it, so it is safe to send it again {later}."


class Output:
    """Where one command's words and JSON go.

    Attributes:
        json: Whether standard output is for one JSON object.
        console: For people: colours only on a terminal, and not under ``NO_COLOR``.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.console = Console(stderr=json, highlight=False)
        if not self.console.is_terminal:
            self.console.width = _PLAIN_WIDTH

    def say(self, text: str = "", style: str = "") -> None:
        """Print lines for people as they are, but for what could steer a terminal."""
        self.console.print(Text(printable(text), style), soft_wrap=True)

    def tell(self, text: str) -> None:
        """Print a sentence for people, wrapped between words; not for lines to copy."""
        self.console.print(Text(printable(text)))

    def show(self, what: RenderableType) -> None:
        """Print a table or the like for people."""
        self.console.print(what)

    def give(self, facts: Mapping[str, Any]) -> None:
        """Print the JSON object, when JSON is asked for."""
        if self.json:
            sys.stdout.write(json.dumps(facts, indent=2, default=str) + "\n")
            sys.stdout.flush()

    @contextmanager
    def reporting(self, message_id: str = "") -> Iterator[None]:
        """Turn an error of the library into words, JSON and an exit code."""
        try:
            yield
        except MailError as error:
            code = code_of(error)
            self.give({"ok": False, "exit_code": code, **facts_of(error, message_id)})
            self._complain(error, message_id)
            raise typer.Exit(code) from None

    def fail(self, text: str, code: Code) -> typer.Exit:
        """Say why the command ends here; raise what this gives."""
        self.give({"ok": False, "exit_code": code, "error": {"text": text}})
        self.warn(text)
        return typer.Exit(code)

    def _complain(self, error: MailError, message_id: str) -> None:
        self.warn(_words(error))
        for address, reply in getattr(error, "refused", {}).items():
            self.warn(f"  {address}: {reply}")
        if getattr(error, "accepted", ()):
            done = ", ".join(getattr(error, "accepted", ()))
            self.warn(f"already accepted, do not send to them again: {done}")
        if message_id and isinstance(error, DeliveryError):
            self.warn(f"Message-ID {message_id}")
        for note in getattr(error, "__notes__", ()):
            self.warn(note)
        self.warn(what_to_do(error))

    def warn(self, text: str) -> None:
        """Print lines for people to standard error, as they are."""
        plain = Console(stderr=True, highlight=False)
        plain.print(Text(printable(text)), soft_wrap=True)


def facts_of(error: MailError, message_id: str = "") -> dict[str, Any]:
    """Give an error as JSON: what a program needs to decide what to do."""
    told: dict[str, Any] = {
        "kind": type(error).__name__,
        "text": _words(error),
        "what_to_do": what_to_do(error),
        "problems": _problems(error),
    }
    if not isinstance(error, DeliveryError):
        return {"outcome": "not_accepted", "error": told}
    told |= {
        "backend": error.backend,
        "code": error.code,
        "phase": error.phase,
        "retry_after": error.retry_after,
    }
    return {
        "outcome": error.outcome,
        "message_id": message_id,
        "mailbalance_id": error.mailbalance_id,
        "accepted": list(error.accepted),
        "refused": {address: str(reply) for address, reply in error.refused.items()},
        "attempts": [dataclasses.asdict(attempt) for attempt in error.attempts],
        "error": told,
    }


def printable(text: str) -> str:
    """Replace characters that could steer a terminal; a provider chose some of them."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


#: Fields of a message with the option that sets each.
_OPTIONS = {
    "from_": "--from",
    "to": "--to",
    "cc": "--cc",
    "bcc": "--bcc",
    "reply_to": "--reply-to",
    "subject": "--subject",
    "text": "--text",
    "html": "--html",
    "headers": "--header",
    "attachment": "--attach",
    "attachments": "--attach",
    "category": "--category",
    "metadata": "--metadata",
}


def _words(error: MailError) -> str:
    return "\n".join(_problems(error)) or str(error)


def _problems(error: MailError) -> list[str]:
    """Give each problem of an error that has several; for a message, by option."""
    if isinstance(error, MessageError):
        return [_as_option(problem) for problem in error.problems]
    return list(error.problems) if isinstance(error, ConfigError) else []


def _as_option(problem: str) -> str:
    """Name the option where a problem names the field: ``to[1]: ...``, ``from_: ...``."""
    field, colon, rest = problem.partition(":")
    name, bracket, index = field.partition("[")
    if not colon or name not in _OPTIONS:
        return problem
    return f"{_OPTIONS[name]}{bracket}{index}:{rest}"
