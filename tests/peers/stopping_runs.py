"""Runs of real processes that are stopped in the middle, counted at the server.

What lives here: one run, and the figures of many. ``python -m tests.peers.stopping_runs
COUNT`` prints them.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

from mailbalance.sandbox import Sandbox

SPLIT = "ses=30,mailtrap=30,ses-smtp=20,mailtrap-smtp=20"
GRACE = 10.0
STOPPED = ("main", "workers", "daemons", "tasks")


@dataclass
class Run:
    """What one process wrote down, and what the server has of it."""

    kind: str
    code: int
    seconds: float
    said: list[list[str]]
    stored: set[str] = field(default_factory=set)

    def ids(self, word: str) -> set[str]:
        return {line[1].strip("<>\n").partition("@")[0] for line in self.of(word)}

    def of(self, word: str) -> list[list[str]]:
        return [line for line in self.said if line[0] == word]

    @property
    def lost(self) -> set[str]:
        """What the server has and the process never wrote down."""
        return self.stored - self.ids("accepted")

    def faults(self, code: int) -> list[str]:
        """Say everything that is not as promised."""
        accepted, told = self.ids("accepted"), self.ids("told")
        found = {
            "not written down": self.lost,
            "written down, not there": accepted - self.stored,
            "not told": self.stored - told,
            "unknown": self.ids("unknown"),
            "other errors": {line[1] for line in self.of("left")},
            "exit code": {self.code} - {code},
            "seconds": {self.seconds} if self.seconds > GRACE else set(),
            "nothing sent": set() if accepted else {0},
        }
        return [f"{what}: {those}" for what, those in found.items() if those]


def run(box: Sandbox, kind: str, after: float, **options: object) -> Run:
    """Start a process, stop it so many seconds after its first receipt, and wait."""
    box.clear()
    told = {"kind": kind, "after": after, "grace": GRACE, **options}
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MAILBALANCE")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.peers.stopping_child", json.dumps(told)],
        env={**environ, **box.environ(SPLIT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if line == "go\n":
            break
        said.append(line.split(maxsplit=1))
    if kind != "leaving":
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    said += [line.split(maxsplit=1) for line in process.stdout if line != "go\n"]
    process.wait(60)
    took = time.monotonic() - began
    process.stdout.close()
    return Run(kind, process.returncode, took, said, _stored(box, process.pid))


def _stored(box: Sandbox, process: int) -> set[str]:
    """Wait until no message arrives any more, and give those of the process."""
    before = -1
    while before != (now := sum(c.accepted for c in box.counts().values())):
        before = now
        time.sleep(0.15)
    return {found for found in box.seen() if found.startswith(f"{process}-")}


def slowed(box: Sandbox) -> Sandbox:
    """Let replies take so long that a stop surely comes in the middle of some."""
    for door in ("ses", "mailtrap", "ses-smtp", "mailtrap-smtp"):
        box.fault(door, "delay", seconds=0.02)
    return box


def many(count: int, seed: int) -> dict[str, object]:
    """Stop so many processes at random moments, and give the figures."""
    chance = random.Random(seed)
    sent, refused, slowest, faults = 0, 0, 0.0, []
    with Sandbox(seed=seed) as box:
        slowed(box)
        for turn in range(count):
            kind = (*STOPPED, "leaving")[turn % 5]
            write = chance.choice([0, 0, 0.03])
            done = run(box, kind, chance.uniform(0, 0.4), write=write)
            sent += len(done.stored)
            refused += len(done.of("refused"))
            slowest = max(slowest, done.seconds)
            code = 0 if kind == "leaving" else 128 + signal.SIGTERM
            faults += [f"{turn} {kind}: {f}" for f in done.faults(code)]
    return {
        "runs": count,
        "seed": seed,
        "messages": sent,
        "slowest end": round(slowest, 2),
        "faults": faults,
    }


if __name__ == "__main__":
    print(many(int(sys.argv[1]), int(os.environ.get("MB_SEED", "0"))))  # noqa: T201
