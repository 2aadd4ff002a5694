"""Run all benchmarks, and write the page of results.

Run: python benchmarks [--quick] [--check] [--only NAME]

It makes the environment that aiobotocore needs, when it is not there. The results go into
``results.md``, ``results.json`` and ``results.svg`` beside this file; those of a part only
when another folder is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for "python -m benchmarks"

from measuring import environments, machine, plot, report  # noqa: E402
from measuring.tables import Result, shown  # noqa: E402

#: Every file with goals, in the order of the page.
BENCHMARKS = (
    "ses_api", "ses_async", "in_flight", "ses_attachment", "mailtrap_api",
    "mailtrap_batch", "smtp_far", "smtp_plain", "smtp_django", "mime", "dispatch",
    "dropin", "start", "hostile",
)  # fmt: skip
ENVIRONMENTS = ("bench-aiobotocore",)


def run(name: str, options: Sequence[str]) -> Result | None:
    """Run one benchmark in an interpreter of its own; ``None`` when it fails."""
    began = time.monotonic()
    print(f"{name} ... ", end="", flush=True)
    command = [sys.executable, str(HERE / f"{name}.py"), "--json", *options]
    told = subprocess.run(  # noqa: S603 - our own
        command, check=False, stdout=subprocess.PIPE, text=True
    )
    if told.returncode:
        print(f"failed with {told.returncode}", flush=True)
        return None
    result = Result.from_json(json.loads(told.stdout))
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    for goal in result.goals:
        print(f"    {goal.what}: {shown(goal.value)} {goal.unit}, {goal.verdict}")
    return result


def write(folder: Path, facts: dict[str, str], results: list[Result], how: str) -> None:
    """Write the page, its picture, and the same for programs."""
    texts: dict[str, str] = tomllib.loads(
        (HERE / "missed.toml").read_text(encoding="utf-8")
    )
    text = report.page(facts, results, texts, how)
    (folder / "results.md").write_text(text, encoding="utf-8")
    found: dict[str, Any] = {
        "facts": facts,
        "results": [each.as_json() for each in results],
    }
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    try:
        plot.draw([g for each in results for g in each.goals], folder / "results.svg")
    except ImportError:
        print("No picture: matplotlib is not installed; pip install '.[bench]'")
    print(f"Written: {folder / 'results.md'}")


def earlier(folder: Path) -> list[Result]:
    """Read what was written before."""
    file = folder / "results.json"
    if not file.exists():
        return []
    read = json.loads(file.read_text(encoding="utf-8"))
    return [Result.from_json(each) for each in read["results"]]


def main() -> int:
    """Run, then write or check."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    parser.add_argument("--tiny", action="store_true", help="one call of each case")
    parser.add_argument("--only", default="", help="those whose names hold this")
    parser.add_argument("--folder", type=Path, default=HERE, help="of the results")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a figure is much worse than in the results",
    )
    given = parser.parse_args()
    for extra in ENVIRONMENTS if not given.tiny else ():
        environments.make(extra)
    facts = machine.facts()
    options = ["--tiny"] * given.tiny or ["--quick"] * given.quick
    wanted = [each for each in BENCHMARKS if given.only in each]
    results = [found for each in wanted if (found := run(each, options))]
    failed = len(results) < len(wanted)
    if given.check:
        found = report.worse(results, earlier(given.folder))
        print("\n".join(["", *found]) if found else "\nNo figure is much worse.")
        return 1 if found or failed else 0
    if not given.only or given.folder != HERE:
        how = f"{'tiny' if given.tiny else 'quick' if given.quick else 'full'} run"
        write(given.folder, facts, results, how)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
