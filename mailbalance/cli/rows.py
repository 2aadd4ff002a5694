"""A file of messages, one for each line: JSON Lines or CSV.

What lives here: reading rows and making messages of them. What must not: sending, what
became of a row (``journal``), or the columns of a CSV file (``rows_csv``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import typer

from mailbalance.cli import rows_csv
from mailbalance.errors import MessageError
from mailbalance.message import Message


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a file.

    Attributes:
        line: Where it begins, from 1.
        digest: Of what stands there; tells whether the file was changed since.
        fields: The fields of its message, as JSON has them.
    """

    line: int
    digest: str
    fields: Mapping[str, Any]

    def message(self, defaults: Mapping[str, Any]) -> Message:
        """Make its message, with what it lacks filled in.

        Raises:
            MessageError: When it is wrong.
        """
        given = {
            name: value for name, value in self.fields.items() if value is not None
        }
        try:
            # As JSON, which has files as base64: what model_dump_json() wrote is a row.
            text = json.dumps({**defaults, **given}, ensure_ascii=False).encode()
            return Message.model_validate_json(text)
        except UnicodeEncodeError:
            raise MessageError(
                "a field holds half of a surrogate pair; decode the text properly"
            ) from None
        except (TypeError, RecursionError) as error:
            raise MessageError(str(error)) from None

    @property
    def names(self) -> frozenset[str]:
        """By what its message is known, if it says so itself: its key and Message-ID."""
        key, message_id = self.fields.get("key"), self.fields.get("message_id")
        names = set() if key is None else {f"key {key}"}
        if message_id is not None:
            names.add(f"Message-ID {str(message_id).strip('<>')}")
        return frozenset(names)


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file row by row; it may be larger than memory.

    Raises:
        typer.BadParameter: When a line cannot be read, named by its number.
    """
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return _json_lines(path)
    if path.suffix.lower() == ".csv":
        return _csv(path)
    raise typer.BadParameter(
        f"{path.name} is neither .jsonl nor .csv; give a file that ends in .jsonl or .csv"
    )


def _json_lines(path: Path) -> Iterator[Row]:
    for line, text in enumerate(_lines(path), 1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text, object_pairs_hook=_object)
        except _TwiceError as twice:
            raise typer.BadParameter(f"line {line} has {twice} twice") from None
        except (ValueError, RecursionError):
            raise typer.BadParameter(f"line {line} is no JSON") from None
        if not isinstance(fields, dict):
            raise typer.BadParameter(f"line {line} is no JSON object")
        if {"from", "from_"} <= fields.keys():
            raise typer.BadParameter(f"line {line} has 'from' and 'from_'; give one")
        yield Row(line, _digest(text), _named(fields))


def _csv(path: Path) -> Iterator[Row]:
    for line, cells in rows_csv.records(_lines(path)):
        text = json.dumps(dict(cells), sort_keys=True)
        yield Row(line, _digest(text), _named(rows_csv.fields(cells)))


def _lines(path: Path) -> Iterator[str]:
    """Give the lines of a file with their ends.

    Raises:
        typer.BadParameter: When it cannot be read, or a line is not UTF-8.
    """
    number = 0
    try:
        # A byte order mark is what spreadsheets put in front.
        with path.open(
            encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as file:
            for text in file:
                number += 1
                text.encode()  # what was no UTF-8 cannot be written as such
                yield text
    except UnicodeEncodeError:
        raise typer.BadParameter(
            f"{path.name}: line {number} is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}"
        raise typer.BadParameter(why) from None


class _TwiceError(Exception):
    """A name stands twice in a JSON object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _TwiceError(repr(twice))
    return found


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """Let ``from`` stand for ``from_``, which is Python's way round its own word."""
    if "from" in fields:
        fields["from_"] = fields.pop("from")
    return fields


def _digest(text: str) -> str:
    return blake2b(text.strip().encode(), digest_size=8).hexdigest()
