"""What became of each row of a file, written down as it happens.

What lives here: the results file, one JSON object for each line: a row was begun, or it
ended. What must not: sending.

A row is noted before it is begun, so that a run that was killed leaves no doubt about which
rows may have been sent: those that were begun and have no end.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from collections.abc import Container

    from mailbalance.backend import Receipt
    from mailbalance.cli.rows import Row
    from mailbalance.errors import MailError

End: TypeAlias = Literal[
    "accepted", "partial", "refused", "not_accepted", "unknown", "wrong", "in_doubt"
]

#: More bytes than any line has, and how each begins.
_TAIL, _BEGINNING = 1 << 20, b'{"line": '

#: Ends after which a row is sent when the command is run again.
AGAIN = frozenset({"not_accepted", "wrong"})


class Journal:
    """A results file, and what it knew at the start; safe for threads.

    Args:
        path: Where it is, or will be.

    Raises:
        typer.BadParameter: When it is there and is no results file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._open: set[int] = set()
        self.counts: Counter[str] = Counter()
        try:
            if path.exists():
                _mend(path)
            self._known = _read(path) if path.exists() else {}
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            why = f"{path.name} cannot be written: {error.strerror}"
            raise typer.BadParameter(why) from None

    def earlier(self, row: Row) -> End | None:
        """Tell what became of a row in an earlier run.

        Raises:
            typer.BadParameter: When another message stands there now.
        """
        found = self._known.get(row.line)
        if found is None:
            return None
        digest, end = found
        if digest != row.digest:
            raise typer.BadParameter(
                f"line {row.line} was changed since the results were written; give "
                "another file for the results, or the rows that are left"
            )
        return end

    def begin(self, row: Row) -> None:
        """Note that a row is begun."""
        with self._lock:
            self._open.add(row.line)
            self._write({"line": row.line, "digest": row.digest})

    def end(self, line: int, told: Receipt | MailError) -> None:
        """Note what became of a row, if that was not noted before."""
        facts = _facts(told)
        with self._lock:
            if line not in self._open:
                return
            self._open.discard(line)
            self.counts[facts["outcome"]] += 1
            self._write({"line": line, **facts})

    def close(self, vague: Container[int] = ()) -> None:
        """Note that what was begun and has no end was not sent, and close the file.

        Args:
            vague: Rows of which nobody can say that; they are left in doubt.
        """
        with self._lock:
            for line in sorted(each for each in self._open if each not in vague):
                self._write(
                    {"line": line, "outcome": "not_accepted", "text": "stopped"}
                )
            self._file.close()

    def _write(self, facts: dict[str, Any]) -> None:
        self._file.write(json.dumps(facts) + "\n")
        self._file.flush()


def _facts(told: Receipt | MailError) -> dict[str, Any]:
    from mailbalance.backend import Receipt
    from mailbalance.errors import DeliveryError, RejectedError

    if isinstance(told, Receipt):
        return {
            "outcome": told.outcome,
            "backend": told.backend,
            "message_id": told.message_id,
            "provider_ids": list(told.provider_ids),
            "refused": list(told.refused),
        }
    if not isinstance(told, DeliveryError):
        return {"outcome": "wrong", "text": str(told)}
    refused = isinstance(told, RejectedError)
    return {
        "outcome": "refused" if refused else told.outcome,
        "backend": told.backend,
        "message_id": told.message_id,
        "code": told.code,
        "text": told.detail,
    }


def _mend(path: Path) -> None:
    """Cut off a last line that a killed run did not write to its end."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        torn = file.read().rpartition(b"\n")[2]
        try:
            if torn and json.loads(torn):
                file.write(b"\n")
        except ValueError:
            if torn.startswith(_BEGINNING[: len(torn)]):
                file.truncate(size - len(torn))


def _read(path: Path) -> dict[int, tuple[str, End]]:
    """Give the digest and the last end of each row."""
    digests: dict[int, str] = {}
    ends: dict[int, End] = {}
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            try:
                facts = json.loads(text)
                line = facts["line"]
                if "digest" in facts:
                    digests[line] = facts["digest"]
                    ends[line] = "in_doubt"
                else:
                    ends[line] = facts["outcome"]
            except (ValueError, KeyError, TypeError):
                raise typer.BadParameter(
                    f"{path.name}: line {number} is none of a results file"
                ) from None
    return {line: (digests.get(line, ""), end) for line, end in ends.items()}
