"""Two ways to run the command: as a process of its own, and in this one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import pytest
from typer.testing import CliRunner, Result

from mailbalance.cli.app import app
from mailbalance.sandbox import Sandbox

Run = Callable[..., subprocess.CompletedProcess[str]]
Invoke = Callable[..., Result]


@pytest.fixture(scope="session")
def doors() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(doors: Sandbox) -> Iterator[Sandbox]:
    doors.clear()
    yield doors
    doors.heal()


@pytest.fixture
def run() -> Run:
    """Run the real command in a process of its own."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env=process_environ(env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command in this process, which is quicker."""

    def invoke(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Result:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, arguments, input=stdin)

    return invoke


def command(*arguments: str) -> list[str]:
    """Give the command line, any warning being an error as in the tests."""
    return [sys.executable, "-W", "error", "-m", "mailbalance", *arguments]


def process_environ(extra: Mapping[str, str]) -> dict[str, str]:
    """Give the tests' own clean environment with something added."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **extra}
