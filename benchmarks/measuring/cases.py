"""Cases, and the processes they run in.

What lives here: ``Case``, and ``Running``, the near end of ``measuring.worker``. What must
not: rounds, tables.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measuring.cores import client_core
from measuring.environments import python_of

WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Case:
    """One way to do what is measured.

    Attributes:
        name: Of its row.
        make: What makes it, as "module:function".
        options: What that is told.
        needs: Modules without which it is left out.
        speed: Whether what the ``speed`` extra brings may be used.
        environment: Name of the environment of its own that it needs, if any.
        warm: Calls before each round that are not counted.
        ours: Whether its profile is taken.
    """

    name: str
    make: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    speed: bool = False
    environment: str | None = None
    warm: int = 1
    ours: bool = False

    @property
    def lacking(self) -> str | None:
        """Say what it needs that is not there."""
        if self.environment and python_of(self.environment) is None:
            return self.environment
        wanted = () if self.environment else self.needs
        return next((each for each in wanted if find_spec(each) is None), None)


class Running:
    """The process of one case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        own = python_of(case.environment) if case.environment else None
        self._process = subprocess.Popen(  # noqa: S603 - our own
            [str(own or sys.executable), str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        spec = {
            "make": case.make,
            "options": dict(case.options),
            "speed": case.speed,
            "warm": case.warm,
            "core": client_core(),
        }
        self._say(json.dumps(spec))

    def ask(self, command: str, number: int) -> dict[str, Any]:
        """Have it do something, and give what it tells."""
        self._say(f"{command} {number}")
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Give the next answer.

        Raises:
            RuntimeError: When the process has ended; its standard error says why.
        """
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(10)
            raise RuntimeError(f"{self.case.name}: its process has ended with {code}")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> None:
        """End it."""
        with self._process:
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(line + "\n")


@contextmanager
def running(cases: Iterable[Case]) -> Iterator[list[Running]]:
    """Run each case in a process of its own, all ready when this begins."""
    started: list[Running] = []
    try:
        started += (Running(case) for case in cases)
        for each in started:
            each.answer()
        yield started
    finally:
        for each in started:
            each.end()
