"""Each benchmark runs, and measures what its goals ask for; no figure is looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Those that count instead, and the one that runs the others.
OTHERS = {"certainty", "__main__"}
NAMES = sorted({file.stem for file in (ROOT / "benchmarks").glob("*.py")} - OTHERS)
#: The peers without which a figure may be missing.
APART = {"ses-async": "bench-aiobotocore"}
#: Seconds; some start dozens of interpreters, which a busy machine may take its time over.
LONGEST = 230
pytestmark = [pytest.mark.proof, pytest.mark.timeout(240)]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_measures_its_goals(name: str) -> None:
    run = subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", "--tiny", "--json"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )

    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["goals"]
    lacking = [lack for table in found["tables"] for lack in table["lacking"].values()]
    for goal in found["goals"]:
        measured = isinstance(goal["value"], float)
        assert measured or APART.get(goal["name"]) in lacking, goal["what"]


def run_all(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks", "--tiny", "--only=mime", *options]
    return subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=LONGEST
    )


def test_the_page_says_what_was_found_and_a_check_holds_it(tmp_path: Path) -> None:
    written = run_all(f"--folder={tmp_path}")

    assert written.returncode == 0, written.stderr
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "MIME writer, ASCII, 10 KB: CPU to EmailMessage" in page

    file = tmp_path / "results.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    for goal in found["results"][0]["goals"]:
        goal["value"] /= 1000
    file.write_text(json.dumps(found), encoding="utf-8")
    checked = run_all("--check", f"--folder={tmp_path}")

    assert checked.returncode == 1
    assert "MIME writer" in checked.stdout.partition("\n\n")[2]
