"""A file of messages, one for each line: JSON Lines or CSV.

What lives here: reading rows and making messages of them. What must not: sending, or what
became of a row (``journal``).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import typer

from mailbalance.errors import MessageError
from mailbalance.message import Message

#: Columns of a CSV file that hold several addresses, with commas or semicolons between.
_LISTS = frozenset({"to", "cc", "bcc", "reply_to"})
#: What begins a column that is one entry of a mapping: ``metadata.order``.
_MAPPINGS = ("metadata", "headers")


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a file.

    Attributes:
        line: Where it begins, from 1.
        digest: Of what stands there; tells whether the file was changed since.
        fields: The fields of its message.
    """

    line: int
    digest: str
    fields: Mapping[str, Any]

    def message(self, defaults: Mapping[str, Any]) -> Message:
        """Make its message, with what it lacks filled in.

        Raises:
            MessageError: When it is wrong.
        """
        try:
            return Message(**{**defaults, **self.fields})
        except TypeError as error:  # a field that is no text at all
            raise MessageError(f"line {self.line}: {error}") from None


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file row by row; it may be larger than memory.

    Raises:
        typer.BadParameter: When a line cannot be read, named by its number.
    """
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return _json_lines(path)
    if path.suffix.lower() == ".csv":
        return _csv(path)
    raise typer.BadParameter("give a file that ends in .jsonl or .csv")


def _json_lines(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError):
                raise typer.BadParameter(f"line {line} is no JSON") from None
            if not isinstance(fields, dict):
                raise typer.BadParameter(f"line {line} is no JSON object")
            yield Row(line, _digest(text), _named(fields))


def _csv(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        rows = csv.DictReader(file, strict=True)
        try:
            for row in rows:
                if None in row or None in row.values():
                    count = len(rows.fieldnames or ())
                    raise typer.BadParameter(
                        f"line {rows.line_num} has not {count} columns, as the first has"
                    )
                text = json.dumps(row, sort_keys=True)
                yield Row(rows.line_num, _digest(text), _named(_cells(row)))
        except csv.Error as error:
            raise typer.BadParameter(f"line {rows.line_num}: {error}") from None


def _open(path: Path) -> Any:
    try:
        # A byte order mark is what spreadsheets put in front.
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        why = f"{path.name} cannot be read: {error.strerror}"
        raise typer.BadParameter(why) from None


def _cells(row: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column, cell in row.items():
        name, dot, entry = column.strip().partition(".")
        if not cell.strip():
            continue
        if dot and name in _MAPPINGS:
            fields.setdefault(name, {})[entry] = cell
        elif name in _LISTS:
            fields[name] = [
                each.strip()
                for each in cell.replace(";", ",").split(",")
                if each.strip()
            ]
        else:
            fields[column.strip()] = cell
    return fields


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """Let ``from`` stand for ``from_``, which is Python's way round its own word."""
    if "from" in fields:
        fields["from_"] = fields.pop("from")
    return fields


def _digest(text: str) -> str:
    return blake2b(text.strip().encode(), digest_size=8).hexdigest()
