"""Environments of their own, for peers that cannot live beside the others.

What lives here: where they are and how they are made. What must not: their cases.
aiobotocore pins a botocore that the newest boto3 does not take.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def python_of(extra: str) -> Path | None:
    """Give the interpreter of an environment, or ``None`` when it was not made."""
    found = _folder(extra) / "bin" / "python"
    return found if found.exists() else None


def make(extra: str) -> Path:
    """Make an environment with what an extra of the project names, if it is not there."""
    found = python_of(extra)
    if found is not None:
        return found
    wanted = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    packages: list[str] = wanted["project"]["optional-dependencies"][extra]
    print(f"Making an environment for {extra}: {', '.join(packages)}")
    folder = _folder(extra)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    venv.create(unfinished, clear=True, with_pip=True)
    pip = [str(unfinished / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *packages], check=True)  # noqa: S603 - names of our own
    unfinished.rename(folder)
    return folder / "bin" / "python"


def _folder(extra: str) -> Path:
    """Give its place: within the environment that asks, so that it goes with that."""
    return Path(sys.prefix) / "benchmarks" / extra
