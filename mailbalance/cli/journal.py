"""What became of each row of a file, written down as it happens.

What lives here: what the lines of a results file mean: a row was begun, or it ended. What
must not: sending; the file itself (``results_file``).

A row is begun when its first try is, and that is written before. So a row without a line
was never tried, and a run that was killed leaves no doubt about which rows may have been
sent: those that were begun and have no end.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import typer

from mailbalance.cli.results_file import ResultsFile

if TYPE_CHECKING:
    from pathlib import Path

    from mailbalance.backend import Receipt
    from mailbalance.cli.rows import Row
    from mailbalance.errors import DeliveryError, MailError

End: TypeAlias = Literal[
    "accepted", "partial", "refused", "not_accepted", "unknown", "wrong", "in_doubt"
]

#: Ends after which a row is sent when the command is run again, changed or not.
AGAIN = frozenset({"not_accepted", "wrong"})

_ENDS = frozenset(get_args(End))


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that is to be sent, and by what a provider knows its message.

    Attributes:
        line: Where the row begins.
        digest: Of what stands there.
        message_id: Its Message-ID, or ``""`` while it has none.
        mailbalance_id: Our own id of it, or ``""``.
    """

    line: int
    digest: str
    message_id: str = ""
    mailbalance_id: str = ""


class Journal:
    """A results file, and what it knew at the start; safe for threads.

    Args:
        path: Where it is, or will be.

    Raises:
        InUseError: When another run has it.
        typer.BadParameter: When it is there and is no results file.

    Attributes:
        counts: How many rows ended in each way.
        failure: Why something could not be written, or ``None``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.failure: OSError | None = None
        self._lock = threading.Lock()
        self._given: dict[int, Entry] = {}
        self._begun: dict[int, Entry] = {}
        self._file = ResultsFile(path)
        self._known = _read(self._file)

    @property
    def warning(self) -> str:
        """Who else could read or change the file, as a sentence, or ``""``."""
        return self._file.warning

    @property
    def in_doubt(self) -> int:
        """How many rows of this run were begun and have no end."""
        return len(self._begun)

    def earlier(self, row: Row) -> End | None:
        """Tell what became of a row in an earlier run.

        Raises:
            typer.BadParameter: When another message stands where one may have been sent.
        """
        found = self._known.get(row.line)
        if found is None:
            return None
        digest, end = found
        if digest != row.digest and end not in AGAIN:
            raise typer.BadParameter(
                f"line {row.line} was changed since {self.path} was written, which says "
                f"{end.replace('_', ' ')} of it; give another file by --results, or only "
                "the rows that are left"
            )
        return end

    def create(self) -> None:
        """Make the file, if it is not there yet.

        Raises:
            InUseError: When another run has made it meanwhile.
            typer.BadParameter: When it cannot be made.
        """
        self._file.create()

    def give(self, entry: Entry) -> None:
        """Take note of a row that is to be sent; nothing is written."""
        with self._lock:
            self._given[entry.line] = entry

    def begin(self, line: int) -> None:
        """Write that a row's first try begins, if that was not written before.

        Raises:
            OSError: When it cannot be written; the row must not be tried then.
        """
        with self._lock:
            entry = self._given.pop(line, None)
            if entry is not None:
                self._write([_beginning(entry)])
                self._begun[line] = entry

    def end(self, line: int, told: Receipt | MailError) -> None:
        """Write what became of a row, if that was not written before.

        What cannot be written is kept in ``failure``, and the row stays in doubt.
        """
        with self._lock:
            untried = self._given.pop(line, None)
            entry = untried or self._begun.get(line)
            if entry is None:
                return
            end = _end(entry, told)
            try:
                self._write([*([_beginning(untried)] if untried else ()), end])
            except OSError:
                return
            self._begun.pop(line, None)
            self.counts[end["outcome"]] += 1

    def leave(self, line: int) -> None:
        """Forget a row that was given and never tried; one that was begun is in doubt."""
        with self._lock:
            self._given.pop(line, None)

    def close(self) -> None:
        """Close the file, unless an end may still come from another thread."""
        with self._lock:
            if not self._begun:
                self._file.close()

    def _write(self, objects: list[dict[str, Any]]) -> None:
        try:
            self._file.append(objects)
        except OSError as error:
            self.failure = self.failure or error
            raise


def _beginning(entry: Entry) -> dict[str, Any]:
    return {"line": entry.line, "digest": entry.digest, "at": _now(), **_ids(entry)}


def _end(entry: Entry, told: Receipt | MailError) -> dict[str, Any]:
    from mailbalance.backend import Receipt
    from mailbalance.errors import DeliveryError

    if isinstance(told, Receipt):
        facts = {
            "outcome": told.outcome,
            "backend": told.backend,
            **_ids(entry, told.message_id),
            "provider_ids": list(told.provider_ids),
            "refused": list(told.refused),
        }
    elif isinstance(told, DeliveryError):
        facts = _failed(told) | _ids(entry, told.message_id)
    else:
        facts = {"outcome": "wrong", "text": str(told), **_ids(entry)}
    return {"line": entry.line, "at": _now(), **facts}


def _failed(error: DeliveryError) -> dict[str, Any]:
    from mailbalance.errors import RejectedError

    outcome: End = "refused" if isinstance(error, RejectedError) else error.outcome
    facts: dict[str, Any] = {
        "backend": error.backend,
        "code": error.code,
        "text": error.detail,
    }
    if error.accepted:  # they must not get it again with the next run
        outcome = "unknown" if outcome == "unknown" else "partial"
        facts |= {"accepted": list(error.accepted), "refused": list(error.refused)}
    return {"outcome": outcome, **facts}


def _ids(entry: Entry, message_id: str = "") -> dict[str, str]:
    """Give by what the message is known; one of its key may have gone in its place."""
    own = not message_id or message_id == entry.message_id
    ids = {
        "message_id": message_id or entry.message_id,
        "mailbalance_id": entry.mailbalance_id if own else "",
    }
    return {name: value for name, value in ids.items() if value}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read(file: ResultsFile) -> dict[int, tuple[str, End]]:
    """Give the digest and the last end of each row."""
    found: dict[int, tuple[str, End]] = {}
    for number, facts in enumerate(file.lines(), 1):
        match facts:
            case {"line": int(line), "digest": str(digest)}:
                found[line] = digest, "in_doubt"
            case {"line": int(line), "outcome": str(word)} if word in _ENDS:
                found[line] = found.get(line, ("",))[0], cast("End", word)
            case _:
                raise file.odd(number)
    return found
