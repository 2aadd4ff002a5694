"""Runs tests against a copy of the library, whole or with a saboteur in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.saboteurs.saboteur import Saboteur

ROOT = Path(__file__).parents[2]

#: What the tests need beside the package; the rest of the repository is not copied.
_COPIED = ("mailbalance", "tests", "benchmarks", "docs", "pyproject.toml", "README.md")

#: What is left out: coverage, other orders and other workers only cost time.
_PLUGINS = ("randomly", "xdist", "cov", "cacheprovider")

#: Seconds after which a run is broken off.
PATIENCE = 600


@dataclass(frozen=True)
class Verdict:
    """What a test run came to.

    Attributes:
        run: Tests that ran.
        failed: Those of them that failed; not those that could not even begin.
        seconds: How long it took.
        output: The end of what pytest said.
    """

    run: tuple[str, ...]
    failed: tuple[str, ...]
    seconds: float
    output: str


@contextmanager
def copied() -> Iterator[Path]:
    """Give a folder with a copy of the library and its tests."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name)
            else:
                shutil.copy2(source, root / name)
        yield root


def ran(root: Path, tests: Sequence[str], *, first: bool) -> Verdict:
    """Run tests in a copy.

    Args:
        root: The copy.
        tests: Which, as pytest takes them.
        first: Whether to stop at the first failure.

    Raises:
        RuntimeError: When pytest could not run them.
    """
    told = root / "witness.json"
    told.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.saboteurs.witness"]
    command += [word for name in _PLUGINS for word in ("-p", f"no:{name}")]
    command += ["-x"] if first else []
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PY")}
    environ |= {"MB_WITNESS": str(told), "PYTHONPATH": str(root)}
    began = time.perf_counter()
    run = subprocess.run(
        [*command, *tests],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    output = run.stdout[-4000:] + run.stderr[-2000:]
    if run.returncode not in (0, 1) or not told.exists():
        raise RuntimeError(f"pytest could not run ({run.returncode}):\n{output}")
    found = json.loads(told.read_text(encoding="utf-8"))
    seconds = time.perf_counter() - began
    return Verdict(tuple(found["run"]), tuple(found["failed"]), seconds, output)


def caught(root: Path, saboteur: Saboteur, *, first: bool = True) -> Verdict:
    """Let a saboteur into a copy, run the tests that must notice, and put it right."""
    saboteur.do(root)
    try:
        return ran(root, saboteur.tests, first=first)
    finally:
        saboteur.undo(root, ROOT)
