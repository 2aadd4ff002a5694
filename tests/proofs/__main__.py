"""``python -m tests.proofs``: run proofs at CI size, and show what they count.

The table is that of ``docs/explanation/certainty.md``. The exit status is 0 when nothing
is wrong.
"""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from tests.proofs.processes import table
from tests.proofs.roster import PROOFS, timed

parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
parser.add_argument("names", nargs="*", metavar="name", help=", ".join(PROOFS))
parser.add_argument("--json", type=Path, help="write the figures there")
given = parser.parse_args()
if unknown := set(given.names) - set(PROOFS):
    parser.error(f"no such proof: {', '.join(sorted(unknown))}")

logging.disable()  # thousands of sends fail, as they should
found: dict[str, dict[str, Any]] = {}
wrong: list[str] = []
sys.stdout.write("| proof | figures | command |\n|---|---|---|\n")
for name in given.names or PROOFS:
    proof = PROOFS[name]
    figures = found[name] = timed(proof)
    wrong += [f"{name}: {each}" for each in proof.broken(figures)]
    sys.stdout.write(f"| {proof.title} | {proof.told(figures)} | `{proof.command}` |\n")
    sys.stdout.flush()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
if "clients" in found:
    sys.stdout.write(f"\n{table(found['clients']['clients'])}")
sys.stdout.writelines(f"WRONG: {each}\n" for each in wrong)
sys.exit(bool(wrong))
