"""Which core a client runs on, and which its servers.

What lives here: the choice. What must not: the processes. With one core alone nothing is
pinned: the figures are then those of both together by the clock, and still right by CPU.
"""

from __future__ import annotations

import os
import shutil


def client_core() -> int | None:
    """Give the core of clients; ``None`` when there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0] if len(cores) > 1 else None


def sink_core() -> int | None:
    """Give the core of servers; ``None`` when there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1] if len(cores) > 1 else None


def pinned(command: list[str], core: int | None) -> list[str]:
    """Give a command that runs on one core, where that can be had."""
    taskset = shutil.which("taskset")
    if core is None or taskset is None:
        return command
    return [taskset, "-c", str(core), *command]
