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
    *(
        pytest.param(way, 1_600, marks=[pytest.mark.proof, pytest.mark.timeout(120)])
        for way in WAYS
    ),
    *(
        pytest.param(way, 16_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])
        for way in WAYS
    ),
]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(keep=50_000, require_tls=False) as started:
        yield started


def environment(box: Sandbox, split: str, *, tls: bool) -> dict[str, str]:
    found = box.environ(split)
    if not tls:
        for name in ("MAILBALANCE_SES_SMTP_URL", "MAILBALANCE_MAILTRAP_SMTP_URL"):
            found[name] += "&tls=off"
    return found


@contextmanager
def program(words: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the forking program; at the end of the block all its processes are gone."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.peers.forking", *words],
        env={**os.environ, **env},
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
    words = [way, str(count), str(folder), *([broken] if broken else [])]
    split = "ses=100" if broken else DOORS
    env = environment(box, split, tls=way != "threads")
    if broken:  # who waits for a reply that another process has read gives up soon
        env["MAILBALANCE_TIMEOUT"] = "2"
    with program(words, env) as process:
        _, said = process.communicate(timeout=30 + count / 20)
    assert broken or process.returncode == 0, said
    told = [
        json.loads(line)
        for path in folder.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return figures(box, told, count + FIRST)


@pytest.mark.parametrize(("way", "count"), CASES)
def test_after_a_fork_everybody_hears_of_their_own_messages(
    box: Sandbox, tmp_path: Path, way: str, count: int
) -> None:
    found = run(box, tmp_path, way, count)

    assert not wrong(found), found


@pytest.mark.proof
def test_processes_that_share_connections_are_found(
    box: Sandbox, tmp_path: Path
) -> None:
    found = run(box, tmp_path, "os.fork", 200, broken="one-process")

    # Who reads whose reply is chance; that something goes wrong is not.
    assert wrong(found), found
