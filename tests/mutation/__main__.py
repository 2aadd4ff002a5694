"""Mutation testing, on request: are the tests of the decisions worth anything?

Examples::

    python -m tests.mutation                        every module of the plan
    python -m tests.mutation mailbalance.delivery   one
    python -m tests.mutation --show mailbalance.routing.circuit_breaker   its survivors too

A mutant is the module with one small mistake; it is killed when a test fails on it. The
exit status is 0 when every module reaches the goal.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.mutation.operators import mutants
from tests.mutation.plan import PLAN
from tests.mutation.running import Judged, judge, path_of, prepare

#: Share of mutants that must be killed.
GOAL = 0.9


def main() -> int:
    """Do what the command line says."""
    options = _parser().parse_args()
    prepare()
    figures: list[dict[str, Any]] = []
    for module in options.modules or PLAN:
        found = list(mutants(path_of(module).read_text()))[:: options.every]
        tests = options.tests or PLAN[module]
        judged = list(judge(module, tests, found, options.jobs))
        figures.append(_figures(module, judged))
        _tell(module, judged, show=options.show)
    if len(figures) > 1:
        _say(_total(figures))
    if options.figures:
        options.figures.write_text(json.dumps(figures, indent=2))
    return 0 if all(each["killed"] >= GOAL * each["mutants"] for each in figures) else 1


def _figures(module: str, judged: list[Judged]) -> dict[str, Any]:
    killed = sum(each.verdict != "survived" for each in judged)
    return {"module": module, "mutants": len(judged), "killed": killed}


def _tell(module: str, judged: list[Judged], *, show: bool) -> None:
    alive = [each.mutant for each in judged if each.verdict == "survived"]
    slow = sum(each.verdict == "timeout" for each in judged)
    killed = len(judged) - len(alive)
    share = killed / len(judged) if judged else 1.0
    _say(
        f"{module:45} {killed:>4} of {len(judged):>4} killed, {share:6.1%}"
        + (f" ({slow} by taking too long)" if slow else "")
    )
    for mutant in sorted(alive) if show else ():
        _say(f"    {path_of(module).name}:{mutant.line}: {mutant.what}")


def _total(figures: list[dict[str, Any]]) -> str:
    killed, mutants = (
        sum(each[what] for each in figures) for what in ("killed", "mutants")
    )
    return f"{f'{len(figures)} modules':45} {killed:>4} of {mutants:>4} killed"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", choices=[*PLAN, []], metavar="module")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument(
        "--every", type=int, default=1, help="take each n-th mutant only"
    )
    parser.add_argument("--tests", nargs="*", help="instead of those of the plan")
    parser.add_argument("--show", action="store_true", help="list the survivors")
    parser.add_argument("--figures", type=Path, help="write figures there, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
