"""S24: no expression of the package takes long on any text of 64 KiB."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(size: int, *patterns: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Give the figures, and what was slow."""
    command = [sys.executable, "-m", "tests.security.regexes", str(size), *patterns]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=True
    )
    *slow, figures = map(json.loads, ran.stdout.splitlines())
    return figures, slow


@pytest.mark.proof
@pytest.mark.timeout(240)
def test_every_expression_is_linear() -> None:
    figures, slow = run(65_536)

    assert slow == []
    assert figures["expressions"] > 100
    assert figures["texts"] >= 20 * figures["expressions"]


@pytest.mark.proof
@pytest.mark.parametrize(
    "pattern", ["(a+)+b", r"\s*=\s*", "(a|a)*b", "<[^>]*>", "a*a*b"]
)
def test_one_that_is_not_is_found(pattern: str) -> None:
    _, slow = run(4 * 65_536, pattern)  # quadratic, on a fast machine too

    assert [each["pattern"] for each in slow] == [pattern]
