"""Two ways to run the command: as a process of its own, and in this one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mailbalance.cli.app import app
from mailbalance.sandbox import Sandbox

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]
Invoke = Callable[..., Result]

SPLIT = "ses=60,mailtrap=40"


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


@pytest.fixture
def start_many(tmp_path: Path) -> Iterator[Start]:
    """Start ``send-many`` in a process of its own, in an empty folder."""
    started = []

    def start(
        *words: str, box: Sandbox | None = None, split: str = SPLIT, **more: Any
    ) -> subprocess.Popen[str]:
        places = {} if box is None else box.environ(split)
        first = more.pop("first", ":")  # what a shell does before
        process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                f'{first}; exec "$@"',
                "sh",
                *command("send-many", *words),
            ],
            cwd=tmp_path,
            env=process_environ({"MAILBALANCE_SPLIT": "memory=1", **places, **more}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def send_many(start_many: Start) -> Run:
    """Run ``send-many`` to its end."""

    def send_many(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        process = start_many(*words, **more)
        said = process.communicate(timeout=50)
        return subprocess.CompletedProcess(words, process.returncode, *said)

    return send_many


def command(*arguments: str) -> list[str]:
    """Give the command line, any warning being an error as in the tests."""
    return [sys.executable, "-W", "error", "-m", "mailbalance", *arguments]


def process_environ(extra: Mapping[str, str]) -> dict[str, str]:
    """Give the tests' own clean environment with something added."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **extra}
