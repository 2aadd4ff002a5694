"""One mutant, one process: its tests, and whether they notice.

What lives here: forking, the import of the changed module, waiting. What must not: which
modules and tests there are (``plan``), what a mutant is (``operators``).

The parent imports what every test needs and nothing of the library, so that a child begins
at once and imports the library, changed, for itself.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from tests.mutation.operators import Mutant

ROOT = Path(__file__).parents[2]

Verdict = Literal["killed", "timeout", "survived"]

#: What takes long to import and is not ours.
_FIRST = (
    "pytest",
    "hypothesis",
    "pydantic",
    "tenacity",
    "idna",
    "httpx2",
    "aiosmtplib",
)

#: Seconds that a mutant may take at least, and how many times as long as all is well.
_LEAST, _TIMES = 20.0, 8


class Judged(NamedTuple):
    """A mutant, and what the tests said of it."""

    mutant: Mutant
    verdict: Verdict


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a source of ours, and every other as always."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        assert found is not None
        return importlib.util.spec_from_loader(name, self, origin=found.origin)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(path_of(self._name)), "exec"), module.__dict__)  # noqa: S102


def path_of(module: str) -> Path:
    """Give the file of a module."""
    return ROOT / f"{module.replace('.', '/')}.py"


def prepare() -> None:
    """Import what every child needs; never the library itself."""
    os.chdir(ROOT)
    for name in _FIRST:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert "mailbalance" not in sys.modules


def judge(
    module: str, tests: Sequence[str], mutants: Iterable[Mutant], jobs: int
) -> Iterator[Judged]:
    """Run the tests on each mutant, some at a time.

    Raises:
        AssertionError: When they fail on the module as it is.
    """
    source = path_of(module).read_text()
    began = time.monotonic()
    assert _end(_begin(module, source, tests), 600) == 0, f"{module}: its tests fail"
    limit = max(_LEAST, _TIMES * (time.monotonic() - began))
    running: dict[int, tuple[Mutant, float]] = {}
    waiting = iter(mutants)
    while True:
        while len(running) < jobs and (mutant := next(waiting, None)) is not None:
            pid = _begin(module, mutant.source, tests)
            running[pid] = mutant, time.monotonic() + limit
        if not running:
            return
        yield from _ended(running)
        time.sleep(0.01)


def _ended(running: dict[int, tuple[Mutant, float]]) -> Iterator[Judged]:
    for pid, (mutant, ends) in list(running.items()):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            passed = os.waitstatus_to_exitcode(status) == 0
            del running[pid]
            yield Judged(mutant, "survived" if passed else "killed")
        elif time.monotonic() > ends:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            del running[pid]
            yield Judged(mutant, "timeout")


def _end(pid: int, limit: float) -> int:
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    return -1


def _begin(module: str, source: str, tests: Sequence[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        code = _tested(module, source, tests)
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
        code = 1
    os._exit(code)


def _tested(module: str, source: str, tests: Sequence[str]) -> int:
    import pytest
    from hypothesis import HealthCheck, Phase, settings

    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.stdout = sys.stderr = io.StringIO()
    # Which example fails is no matter here, only that one does.
    settings.register_profile(
        "mutation",
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    sys.meta_path.insert(0, _Changed(module, source))
    flags = ["-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    flags += [
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-p",
        "no:faulthandler",
        "--assert=plain",
    ]
    return int(pytest.main([*flags, *tests]))
