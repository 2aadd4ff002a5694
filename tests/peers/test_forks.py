"""Processes that send at once after a fork: each hears of its own messages only."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailbalance.sandbox import Sandbox
from tests.peers.forking import FIRST, WAYS
from tests.peers.reckoning import figures, wrong

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

DOORS = "ses=25,ses-smtp=25,mailtrap=25,mailtrap-smtp=25"
#: Ways of forking, and messages of each through all doors together. At the sizes of a
#: proof each door gets 2,000 and more from processes that send at once.
CASES = [
    *(pytest.param(way, 80) for way in ("threads", "tasks")),
    *(pytest.param(way, 1_600, marks=pytest.mark.proof) for way in WAYS),
    *(
        pytest.param(way, 16_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])
        for way in WAYS
    ),
]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(keep=50_000) as started:
        yield started


@contextmanager
def program(
    box: Sandbox, split: str, *words: str, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """Run the forking program; at the end of the block all its processes are gone."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.peers.forking", *words],
        env={**os.environ, **box.environ(split), **more},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def run(box: Sandbox, folder: Path, way: str, count: int, broken: str = "") -> dict:
    split, doors = (DOORS, 4) if not broken else ("ses=100", 1)
    words = [way, str(count), str(folder), *([broken] if broken else [])]
    # Who waits for a reply that another process has read gives up soon.
    more = {"MAILBALANCE_TIMEOUT": "2"} if broken else {}
    with program(box, split, *words, **more) as process:
        _, said = process.communicate(timeout=15 + count / 20)
    assert broken or process.returncode == 0, said
    told = [
        json.loads(line)
        for path in folder.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return figures(box, told, count + FIRST * doors)


@pytest.mark.parametrize(("way", "count"), CASES)
def test_after_a_fork_everybody_hears_of_their_own_messages(
    box: Sandbox, tmp_path: Path, way: str, count: int
) -> None:
    found = run(box, tmp_path, way, count)

    assert not wrong(found), found


def test_processes_that_share_connections_are_found(
    box: Sandbox, tmp_path: Path
) -> None:
    found = run(box, tmp_path, "os.fork", 200, broken="one-process")

    assert found["wrong ids"] > 0
