"""``python -m tests.simulation``: play it by hand."""

import argparse
import json
import sys
import time

from tests.simulation.scenario import play

parser = argparse.ArgumentParser(prog="python -m tests.simulation")
parser.add_argument("--messages", type=int, default=100_000)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--each", type=int, default=2000)
given = parser.parse_args()
began = time.perf_counter()
figures = vars(play(given.messages, seed=given.seed, each=given.each))
figures["trace"] = figures["trace"][:16]
figures["seconds"] = round(time.perf_counter() - began, 1)
sys.stdout.write(json.dumps(figures, indent=2) + "\n")
sys.exit(bool(figures["wrong"]))
