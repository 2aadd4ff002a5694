"""The comparison of ``benchmarks/certainty.py``: what it says of us, and what it sees."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNSEEN = ("told wrong", "doubled unseen", "lost unseen")


def comparison(*options: str) -> dict[str, Counter[str]]:
    """Run it; gives what the mails of each client came to, all faults together."""
    run = subprocess.run(
        [sys.executable, "benchmarks/certainty.py", "--json", *options],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=200,
    )
    found: dict[str, Counter[str]] = {}
    for row in json.loads(run.stdout):
        found.setdefault(row["client"], Counter()).update(row["ends"])
    return found


def test_a_lost_reply_is_doubled_by_others_and_told_by_us() -> None:
    found = comparison("--messages=2", "--only=accepted, then the reply")

    assert found["boto3"]["doubled unseen"] == 2
    assert found["smtplib"]["in doubt"] == 2
    assert found["smtplib + retry"]["doubled unseen"] == 2
    assert found["mailbalance, ses"]["in doubt"] == 2
    assert found["mailbalance, ses, retry"]["doubled, told"] == 2


@pytest.mark.proof
@pytest.mark.timeout(240)
def test_nothing_happens_unseen_in_any_of_the_faults() -> None:
    found = comparison("--messages=5")

    ours = {name: ends for name, ends in found.items() if "mailbalance" in name}
    assert len(ours) == 6
    for name, ends in ours.items():
        assert not any(ends[end] for end in UNSEEN), (name, ends)
        assert "retry" in name or not ends["doubled, told"], (name, ends)
    assert found["boto3"]["lost unseen"] == 5
    assert found["boto3 + tenacity"]["doubled unseen"] == 15
    assert (
        sum(found["mailbalance, two, retry"][end] for end in ("given up", "in doubt"))
        == 0
    )
