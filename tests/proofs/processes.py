"""Figures of the proofs with real processes, and with a real Postfix."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from mailbalance.sandbox import Sandbox
from tests.peers import stopping_runs, test_forks
from tests.peers.cutting import MODES, send_through
from tests.peers.forking import WAYS
from tests.peers.postfix import running
from tests.peers.reckoning import wrong
from tests.wire.certainty import SEED

ROOT = Path(__file__).parents[2]


def postfix(messages: int = 3000) -> dict[str, Any]:
    """Send through a proxy that cuts connections to a real Postfix, in every mode."""
    total: Counter[str] = Counter(broken=0)
    with running() as found:
        for how, unknown in MODES:
            run = send_through(
                found, messages // len(MODES), how=how, unknown=unknown, seed=str(SEED)
            )
            figures = run.figures()
            total["broken"] += len(run.wrong())
            total.update({k: v for k, v in figures.items() if isinstance(v, int)})
            if unknown == "raise":
                total["duplicates unasked"] += figures["duplicates"]
    return {"duplicates unasked": 0, **total}


def forks(messages: int = 1600) -> dict[str, Any]:
    """Fork in every way that is met in practice, and send at once from all processes."""
    total: Counter[str] = Counter()
    with Sandbox(keep=50_000, require_tls=False) as box:
        for way in WAYS:
            box.clear()
            with tempfile.TemporaryDirectory() as folder:
                found = test_forks.run(box, Path(folder), way, messages)
            total.update(found)
            total["broken"] += len(wrong(found))
    return {"ways": len(WAYS), **total}


def stopped(processes: int = 50) -> dict[str, Any]:
    """Stop real processes at random moments."""
    found = stopping_runs.many(processes, 4)
    return {**found, "broken": len(found["faults"])}  # type: ignore[arg-type]


def clients(messages: int = 20) -> dict[str, Any]:
    """Give what becomes of the mails of each client, fault by fault."""
    run = subprocess.run(
        [sys.executable, "benchmarks/certainty.py", "--json", f"--messages={messages}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Counter[str]] = {}
    cases = set()
    for row in json.loads(run.stdout):
        cases.add((row["wire"], row["case"]))
        name = f"{row['wire']}: {row['client']}"
        found.setdefault(name, Counter()).update(row["ends"])
    unseen = ("told wrong", "doubled unseen", "lost unseen")
    ours = [ends for name, ends in found.items() if "mailbalance" in name]
    return {
        "faults": len(cases),
        "messages": messages,
        "clients": {name: dict(ends) for name, ends in found.items()},
        "unseen": sum(ends[end] for ends in ours for end in unseen),
    }


def table(clients: dict[str, dict[str, int]]) -> str:
    """Give the clients as the table of the page, one column for each end."""
    ends = list(next(iter(clients.values())))
    lines = [f"| | {' | '.join(ends)} |", "|---|" + "---|" * len(ends)]
    lines += [
        f"| {name} | {' | '.join(str(counts[end] or '-') for end in ends)} |"
        for name, counts in clients.items()
    ]
    return "".join(f"{line}\n" for line in lines)
