"""Run every mail file of a folder, and print what became of them.

Run: python -m tests.corpus DIR [DIR ...]
     python -m tests.corpus --own     CPython's mails, and generated and mutated ones
"""

import argparse
import sys
from itertools import chain
from pathlib import Path

from tests.corpus import mails
from tests.corpus.run import run


def main() -> int:
    """Run; fail on a difference that nothing explains."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="*", help="with mail files")
    parser.add_argument("--own", action="store_true", help="mails that need no folder")
    parser.add_argument("--count", type=int, default=500, help="generated, and mutated")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sources = [mails.of_folder(folder) for folder in given.folders]
    if given.own or not sources:
        sources.append(iter(mails.of_cpython()))
        sources.append(mails.generated(given.count, given.seed))
        sources.append(mails.mutated(given.count, given.seed))
    report = run(chain.from_iterable(sources))
    print(report.table())  # noqa: T201
    return 1 if report.differences or not report.mails else 0


if __name__ == "__main__":
    sys.exit(main())
