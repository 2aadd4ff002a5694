"""Reading the tables of a Markdown page.

What lives here: rows below a heading. What must not: what a row should say.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.blocks import ROOT, prose

DOCS = ROOT / "docs"


def rows(page: Path, heading: str | None = None) -> list[list[str]]:
    """Give the cells of every table row below a heading, header rows left out.

    Args:
        page: The page.
        heading: The heading's text, without its signs; ``None`` for the whole page.
    """
    found: list[list[str]] = []
    inside, level = heading is None, 0
    for _, line in prose(page):
        title = re.match(r"(#+) (.*)", line)
        if title and heading is not None:
            if title[2] == heading:
                inside, level = True, len(title[1])
            elif inside and len(title[1]) <= level:
                break
        elif inside and line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            if set(line) <= set("|- "):
                found.pop()  # what stands above a rule is the table's header
            else:
                found.append(cells)
    assert found, f"{page.name} has no table below {heading!r}"
    return found


def first_column(page: Path, heading: str | None = None) -> list[str]:
    """Give the first cell of each row, without its backticks."""
    return [row[0].strip("`") for row in rows(page, heading)]


def codes(cell: str) -> set[str]:
    """Give what stands in backticks in a cell."""
    return set(re.findall(r"`([^`]+)`", cell))
