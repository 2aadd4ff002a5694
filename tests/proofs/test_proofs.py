"""The page of figures and the proofs that count them go together."""

import re
from pathlib import Path

import pytest

from tests.proofs.roster import PROOFS
from tests.saboteurs.roster import SABOTEURS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/certainty.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`python (?:-m )?([\w./]+)", PAGE)))


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_every_proof_has_its_row_with_the_command(proof):
    row = re.escape(f"| {proof.title} | ") + ".*" + re.escape(f"| `{proof.command}` |")

    assert re.search(row, PAGE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_there(command):
    module = ROOT / command.replace(".", "/")

    assert command == "pytest" or any(
        path.is_file()
        for path in (ROOT / command, module / "__main__.py", module.with_suffix(".py"))
    )


def test_the_page_counts_all_saboteurs():
    assert f"{len(SABOTEURS)} of {len(SABOTEURS)} caught" in PAGE


def test_figures_that_are_wrong_are_told():
    proof = PROOFS["scattered"]

    assert proof.broken({"calls": 1, "opened": 2}) == ["opened: 2"]
    assert not proof.broken({"calls": 1, "opened": 0})
