"""``python -m tests.saboteurs``: let them in by hand, and see who notices."""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.saboteurs.figures import Range, Row, figures
from tests.saboteurs.roster import SABOTEURS

parser = argparse.ArgumentParser(prog="python -m tests.saboteurs", description=__doc__)
parser.add_argument("names", nargs="*", metavar="name", help="; ".join(SABOTEURS))
parser.add_argument("--all", action="store_true", help="list every test that notices")
parser.add_argument("--json", action="store_true", help="figures instead of a table")
parser.add_argument("--jobs", type=int, default=2, help="how many at once")
given = parser.parse_args()
if unknown := set(given.names) - set(SABOTEURS):
    parser.error(f"no such saboteur: {', '.join(sorted(unknown))}")
chosen = [SABOTEURS[name] for name in given.names or SABOTEURS]


def show(row: Row) -> None:
    """Write one row."""
    seen = f"{len(row.caught_by)} of {row.tests} tests" if given.all else row.first
    lines = [f"{row.saboteur:<34}{row.seconds:>6.1f} s  {seen or 'NOBODY'}"]
    lines.append(f"{'':<44}takes back: {row.promise}")
    lines += [f"{'':<44}{name}" for name in row.caught_by if given.all]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


with Range(given.jobs) as copies, ThreadPoolExecutor(given.jobs) as pool:
    control = pool.submit(copies.control, chosen)
    rows = []
    for row in pool.map(partial(copies.measured, first=not given.all), chosen):
        rows.append(row)
        if not given.json:
            show(row)
    told = figures(rows, control.result())
sys.stdout.write(json.dumps(told, indent=2) + "\n")
sys.exit(bool(told["missed"] or told["failed without a saboteur"]))
