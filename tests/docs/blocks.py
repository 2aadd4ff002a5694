"""Reading the code blocks of a Markdown page.

What lives here: ``Block`` and ``read_blocks``. What must not: running anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]

#: README first, then every page of the docs; nothing is left out.
PAGES = (
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})[ ]*([^`]*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: Its page, as written in messages.
        line: The line of its opening fence, from 1.
        language: The first word of its info string, or ``""``.
        text: What is between the fences, without the fence's indent.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Page and line, as an editor understands them."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file it says it is, by a first line like ``# shop.py``."""
        match = re.match(r"# ([a-z_]+\.py)\n", self.text)
        return match[1] if match else None


def name_of(page: Path) -> str:
    """Give a page's path as written in messages."""
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name


def read_blocks(page: Path) -> list[Block]:
    """Give the fenced blocks of a page, in order; an open fence is an error."""
    blocks: list[Block] = []
    fence, start, kept = None, 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        found = _FENCE.match(line)
        if fence is None:
            if found:
                fence, start, kept = found, number, []
        elif found and found[2].startswith(fence[2]) and not found[3].strip():
            words = fence[3].split()
            text = dedent("\n".join(kept)) + "\n"
            language = words[0] if words else ""
            blocks.append(Block(name_of(page), start, language, text))
            fence = None
        else:
            kept.append(line)
    if fence is not None:
        raise AssertionError(f"{name_of(page)}:{start}: this block is never closed")
    return blocks


def prose(page: Path) -> list[tuple[int, str]]:
    """Give the numbered lines of a page that are outside of code blocks."""
    inside = None
    lines = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        found = _FENCE.match(line)
        if found and inside is None:
            inside = found[2]
        elif found and inside and found[2].startswith(inside) and not found[3].strip():
            inside = None
        elif inside is None:
            lines.append((number, line))
    return lines
