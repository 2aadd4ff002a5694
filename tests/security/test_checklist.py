"""The table of threats names tests that exist, and no file here is left out of it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/security.md"
ROWS = re.findall(r"^\| S\d.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "\n".join(ROWS))


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_every_proof_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))

    assert name in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef)
    }


def test_every_row_is_proved_or_says_that_it_does_not_apply() -> None:
    unproved = [row for row in ROWS if "::" not in row]

    assert [row for row in unproved if "does not apply yet" not in row] == []


def test_every_threat_up_to_s30_has_its_row() -> None:
    told: set[int] = set()
    for row in ROWS:
        first, *rest = re.findall(r"S(\d+)", row.split("|")[1])
        told |= set(range(int(first), int(rest[-1] if rest else first) + 1))

    # S28 and S29 are about releases and data files, which other tests hold.
    assert told == set(range(1, 31)) - {28, 29}


def test_every_file_of_this_folder_is_in_the_table() -> None:
    here = {
        f"tests/security/{path.name}"
        for path in Path(__file__).parent.glob("test_*.py")
    }

    assert here - {file for file, _ in NAMED} == {"tests/security/test_checklist.py"}
