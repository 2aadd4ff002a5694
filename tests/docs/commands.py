"""Running the shell commands of a page.

What lives here: ``Commands``. Commands of this library and of Python run for real, in the
page's folder, with the page's environment. Those that install, or that a whole CI run is
there for, are held against the project's metadata instead: `_INSTALLS` and `_CHECKED`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.docs.blocks import ROOT, Block

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]

#: Tools of the dev extra whose runs are CI's work, with the package each comes from.
_TOOLS = {
    "ruff": "ruff",
    "mypy": "mypy",
    "pyright": "pyright",
    "lint-imports": "import-linter",
    "pytest": "pytest",
}
#: Commands of ours that other tests run, since they take long: command to test file.
_ELSEWHERE = {"mailbalance demo": "tests/cli"}
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=.*", re.DOTALL)


class Commands:
    """Runs commands in one folder, and remembers how the last one ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code = 0
        self._started: list[subprocess.Popen[str]] = []

    def shell(self, block: Block) -> str:
        """Run a block of commands, one a line, and give what they print."""
        text = block.text.replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip()]
        printed = "".join(self._run(line) for line in lines if line[0] != "#")
        assert self._code == 0, f"{block.place}: exit code {self._code}\n{printed}"
        return printed

    def console(self, block: Block) -> str:
        """Run ``$ command`` lines and compare what each prints with what follows it."""
        from tests.docs.runner import must_match

        printed = ""
        parts = re.split(r"^\$ ", block.text.replace("\\\n", " "), flags=re.MULTILINE)
        assert not parts[0].strip(), f"{block.place}: output before any $ command"
        for part in parts[1:]:
            command, _, expected = part.partition("\n")
            assert self._code == 0 or command == "echo $?", (
                f"{block.place}: exit code {self._code} before {command!r}\n{printed}"
            )
            printed = self._run(command)
            must_match(expected, printed)
        assert self._code == 0, f"{block.place}: exit code {self._code}\n{printed}"
        return printed

    def close(self) -> None:
        """End what was started and does not end by itself."""
        for process in self._started:
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()

    def _run(self, line: str) -> str:
        printed = ""
        for command in line.split("&&"):
            words = shlex.split(command, comments=True)
            if words == ["echo", "$?"]:
                printed, self._code = f"{self._code}\n", 0
            elif words:
                printed += self._one(words)
        return printed

    def _one(self, words: list[str]) -> str:
        environ = dict(os.environ, NO_COLOR="1", COLUMNS="100")
        while words and _ASSIGNMENT.fullmatch(words[0]):
            name, _, value = words.pop(0).partition("=")
            environ[name] = value
        if not words:
            raise AssertionError("an assignment without a command; use export")
        name = words[0].removeprefix(".venv/bin/")
        if name == "export":
            return self._export(words[1:])
        if name == "cd":
            return ""
        for check in (_is_install, _is_checked_elsewhere):
            if check(name, words[1:]):
                return ""
        return self._really(_command(name, words[1:]), environ)

    def _export(self, assignments: list[str]) -> str:
        for assignment in assignments:
            name, _, value = assignment.partition("=")
            os.environ[name] = value
        return ""

    def _really(self, command: list[str], environ: dict[str, str]) -> str:
        if command[-2:] == ["mailbalance", "sandbox"]:
            return self._start(command, environ)
        ran = subprocess.run(
            command,
            check=False,
            cwd=self._folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self._code = ran.returncode
        return ran.stdout

    def _start(self, command: list[str], environ: dict[str, str]) -> str:
        process = subprocess.Popen(
            command, cwd=self._folder, env=environ, stdout=subprocess.PIPE, text=True
        )
        self._started.append(process)
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("export "):
                # Its reader copies these lines into the next shell.
                self._export(shlex.split(line)[1:])
            elif "Ctrl-C" in line:
                return printed
        raise AssertionError(f"it ended by itself:\n{printed}")


def _command(name: str, rest: list[str]) -> list[str]:
    """Give the command of this very Python environment."""
    if name in ("python", "python3"):
        return [sys.executable, *rest]
    if name == "mailbalance":
        return [sys.executable, "-m", "mailbalance", *rest]
    raise AssertionError(f"no test can run or check the command {name!r}")


def _is_install(name: str, rest: list[str]) -> bool:
    """Check the form of an installing command against the project's metadata."""
    if rest[:3] == ["-m", "venv", ".venv"] and name in ("python", "python3"):
        return True
    if name == "git" and rest[:1] == ["clone"]:
        return True
    if name != "pip" or rest[:1] != ["install"]:
        return False
    for wanted in (word for word in rest[1:] if not word.startswith("-")):
        found = re.fullmatch(r"(\.|mailbalance)(?:\[([a-z,]+)\])?", wanted)
        assert found, f"pip install {wanted}: not this project"
        extras = set(filter(None, (found[2] or "").split(",")))
        assert extras <= set(PROJECT["optional-dependencies"]), f"no extra {extras}"
    return True


def _is_checked_elsewhere(name: str, rest: list[str]) -> bool:
    """Check that CI or another test runs what would take too long here."""
    if name == ".ci/run":
        return (ROOT / ".ci" / "run").is_file()
    tool = rest[1] if rest[:1] == ["-m"] and name.startswith("python") else name
    if tool in _TOOLS:
        extra: list[str] = PROJECT["optional-dependencies"]["dev"]
        assert any(line.startswith(_TOOLS[tool]) for line in extra), (
            f"{tool}: not in dev"
        )
        return True
    if name.startswith("python") and rest and rest[0].startswith("benchmarks"):
        assert (ROOT / rest[0]).exists(), f"{rest[0]} is not there"
        return True
    found = _ELSEWHERE.get(" ".join((name, *rest)))
    return found is not None and (ROOT / found).exists()
