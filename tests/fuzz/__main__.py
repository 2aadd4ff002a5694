"""Fuzzing from the command line; needs atheris, in an environment of its own.

Examples::

    python -m tests.fuzz                          10 s for every target
    python -m tests.fuzz --seconds 600 --keep ~/corpus
    python -m tests.fuzz --control                every saboteur must be found
    python -m tests.fuzz --replay ehlo input      one input, without atheris

`.ci/fuzz` makes the environment and runs the first and the third.
"""

import argparse
import json
import os
import random
import sys
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.fuzzing import Result, fuzz
from tests.fuzz.registry import all_targets

#: Lines of a failing child's words that are shown: the traceback stands at their end.
_SHOWN = 40

#: What libFuzzer and atheris say all the time.
_NOISE = ("#", "INFO:", "WARNING:", "0x", "MS:", "Base64:")


def main() -> int:
    """Do what the command line says; the exit status says whether all is well."""
    known = all_targets()
    options = _parser(list(known)).parse_args()
    if options.replay:
        name, path = options.replay
        known[name].check(Path(path).read_bytes())
        _say(f"{name}: holds")
        return 0
    seed = int(os.environ.get("MB_SEED") or random.randrange(1, 2**31))
    _say(f"MB_SEED={seed}")
    results = []
    for result in fuzz(
        [known[name] for name in options.targets or known],
        seconds=options.seconds,
        jobs=options.jobs,
        seed=seed,
        broken=options.control,
        corpus=options.keep,
    ):
        results.append(result)
        _say(_line(result, control=options.control))
    if options.figures:
        options.figures.write_text(json.dumps(figures(results), indent=2))
    bad = [each for each in results if options.control != (each.failing is not None)]
    bad += [each for each in results if each.failed and each.failing is None]
    return 1 if bad else 0


def figures(results: list[Result]) -> dict[str, object]:
    """Give what there is to quote of a run."""
    kept = ("target", "executions", "seconds", "covered")
    return {
        "targets": [{name: asdict(each)[name] for name in kept} for each in results],
        "executions": sum(each.executions for each in results),
        "seconds": sum(each.seconds for each in results),
        "failures": sum(each.failed for each in results),
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _line(result: Result, *, control: bool) -> str:
    count = f"{result.target:20} {result.executions:>10,} executions"
    where = f"in {result.seconds:>4} s, {result.covered:>5,} edges"
    if control:
        found = "the saboteur was found" if result.failing is not None else "NOT FOUND"
        return f"{result.target:20} {found}"
    if not result.failed:
        return f"{count} {where}"
    said = [line for line in result.log.splitlines() if not line.startswith(_NOISE)]
    last = "\n".join(said[-_SHOWN:])
    return f"{result.target:20} FAILED on {result.failing!r}\n{last}"


def _parser(names: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(names))
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--control", action="store_true", help="find the saboteurs")
    parser.add_argument("--keep", type=Path, help="keep the inputs in this folder")
    parser.add_argument("--figures", type=Path, help="write figures there, as JSON")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
