"""A plugin of pytest: writes down which tests failed, and whose package they tested.

Loaded by ``-p`` into the runs of ``running``; a test run without it is not believed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_run: list[str] = []
_failed: list[str] = []


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Make sure that the package under test is the copy's."""
    import mailbalance

    if not Path(mailbalance.__file__).is_relative_to(Path.cwd()):
        raise pytest.UsageError("the package is not taken from the copy")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test that was called, and one that failed when it was."""
    if report.when == "call":
        _run.append(report.nodeid)
        if report.failed:
            _failed.append(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write it down."""
    told = {"run": _run, "failed": _failed}
    Path(os.environ["MB_WITNESS"]).write_text(json.dumps(told), encoding="utf-8")
