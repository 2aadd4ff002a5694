"""The command itself: how it is found, installed, and asked for help."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import mailbalance
from tests.cli.conftest import Invoke, Run, process_environ

COMMANDS = ["demo", "send", "check", "route", "sandbox"]


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a package is not installed."""
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"sys.argv = ['mailbalance', *{arguments!r}]\n"
        "from mailbalance.__main__ import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        env=process_environ({}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout == f"mailbalance {mailbalance.__version__}\n"


def test_the_entry_point_is_the_same_command() -> None:
    (script,) = entry_points(group="console_scripts", name="mailbalance")

    assert script.value == "mailbalance.__main__:main"
    assert callable(script.load())


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_cli_extra_it_prints_the_line_that_installs_it(
    package: str,
) -> None:
    ended = without(package, "check")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert 'pip install "mailbalance[cli]"' in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["demo", "sandbox"])
def test_without_the_sandbox_extra_it_prints_the_line_that_installs_it(
    name: str,
) -> None:
    ended = without("uvicorn", name)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert 'pip install "mailbalance[sandbox]"' in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_an_example(invoke: Invoke, name: str) -> None:
    shown = invoke(name, "--help").stdout

    assert f"\n    mailbalance {name}" in shown
    assert "75 not" in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(invoke: Invoke, name: str) -> None:
    assert "--json" in invoke(name, "--help").stdout


def test_the_log_is_silent_unless_asked_for(run: Run) -> None:
    sent = ("send", "--to", "a@example.com", "--from", "b@example.com", "--text", "x")
    split = {"MAILBALANCE_SPLIT": "memory=1"}

    quiet, loud = run(*sent, env=split), run("--verbose", *sent, env=split)

    assert quiet.stderr == ""
    assert "DEBUG mailbalance: accepted by memory" in loud.stderr
