"""The columns of a CSV file.

What lives here: records with their lines, and cells as fields of a message. What must not:
opening the file (``rows``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import typer

from mailbalance.mime import address_lists

#: Columns that hold several addresses, with commas or semicolons between.
_LISTS = frozenset({"to", "cc", "bcc", "reply_to"})
#: What begins a column that is one entry of a mapping: ``metadata.order``.
_MAPPINGS = ("metadata", "headers")
#: Columns that would hold files.
_FILES = frozenset({"attachments", "raw"})
#: Characters of a cell: no provider takes a larger message than SES, which takes 40 MB.
_LONGEST = 40 * 1024 * 1024

#: The columns of one record, each with its cell.
Cells: TypeAlias = Sequence[tuple[str, str]]


def records(lines: Iterable[str]) -> Iterator[tuple[int, Cells]]:
    """Give each record with the line where it begins.

    Raises:
        typer.BadParameter: When one cannot be read.
    """
    csv.field_size_limit(_LONGEST)
    columns: list[str] = []
    for line, cells in _records(lines):
        if not columns:
            columns = [each.strip() for each in cells]
            _check(columns, line)
        elif len(cells) != len(columns):
            raise typer.BadParameter(
                f"line {line} has not {len(columns)} columns, as the first has, but "
                f"{len(cells)}"
            )
        else:
            yield line, list(zip(columns, cells, strict=True))


def fields(cells: Cells) -> dict[str, Any]:
    """Give the fields of a message that a record holds."""
    found: dict[str, Any] = {}
    for column, cell in cells:
        name, dot, entry = column.partition(".")
        if not cell.strip():
            continue
        if dot and name in _MAPPINGS:
            found.setdefault(name, {})[entry] = cell
        elif name in _LISTS:
            found[name] = address_lists.split(cell)
        else:
            found[column] = cell
    return found


def _records(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise typer.BadParameter(
                f"line {line}, or the cell that begins there: {error}"
            ) from None
        if cells:
            yield line, cells


def _check(columns: Sequence[str], line: int) -> None:
    """Refuse columns that would be misread."""
    if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0]):
        raise typer.BadParameter(
            f"line {line} has one column; separate columns by commas, not by semicolons "
            "or tabs"
        )
    names = ["from_" if each == "from" else each for each in columns]
    for at, name in enumerate(names):
        mapping, dot, _ = name.partition(".")
        if name and name in names[:at]:
            raise typer.BadParameter(f"line {line} has two columns {columns[at]!r}")
        if dot and mapping in _MAPPINGS and mapping in names:
            raise typer.BadParameter(
                f"line {line} has the columns {mapping!r} and {name!r}; leave out "
                f"{mapping!r}"
            )
        if name in _FILES:
            raise typer.BadParameter(
                f"line {line} has a column {name!r}, and a .csv file holds no files; "
                "give a .jsonl file, where they are base64"
            )
