"""The process that one case runs in; what lives here is imported by no other process.

Reads a JSON line that says what to make, then one line for each command, and answers each
with a JSON line: ``run`` gives seconds of CPU and of the clock, ``profile`` the share of
each function, ``peak`` the extra bytes that one call takes, ``rss`` the most bytes that
the process has held.
"""

from __future__ import annotations

import cProfile
import gc
import json
import os
import pstats
import resource
import sys
import time
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import Any

#: What the ``speed`` extra brings; hidden from cases that go without.
SPEED = ("orjson", "pybase64")
#: Calls before a peak is looked for: pools, caches and imports are then in place.
WARM = 3
#: Functions of a profile that are given, the dearest first.
SHOWN = 14


class Worker:
    """One case, made and ready.

    Args:
        spec: ``make`` ("module:function"), ``options``, ``speed``, ``warm`` and ``core``.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        if spec["core"] is not None:
            os.sched_setaffinity(0, {spec["core"]})
        if not spec["speed"]:
            sys.modules.update(dict.fromkeys(SPEED))  # type: ignore[arg-type]
        module, _, name = spec["make"].partition(":")
        self._run = getattr(import_module(module), name)(**spec["options"])
        self._warm = spec["warm"]

    def run(self, number: int) -> dict[str, float]:
        """Make so many calls, after one that opens anew what has rested too long."""
        self._prepared(self._warm)()
        call = self._prepared(number)
        cpu, wall = time.process_time(), time.perf_counter()
        own = call()
        taken = time.process_time() - cpu, time.perf_counter() - wall
        return {"cpu": taken[0] if own is None else own, "wall": taken[1]}

    def profile(self, number: int) -> dict[str, Any]:
        """Give the functions that take the most time of their own."""
        self._prepared(self._warm)()
        call = self._prepared(number)
        profile = cProfile.Profile(time.process_time)  # waiting is nobody's cost
        profile.runcall(call)
        stats: Any = pstats.Stats(profile).stats  # type: ignore[attr-defined]
        whole = sum(each[2] for each in stats.values()) or 1.0
        own = sorted(((each[2], where) for where, each in stats.items()), reverse=True)
        shares = [(_named(*where), taken / whole) for taken, where in own[:SHOWN]]
        return {"shares": shares, "modules": _by_module(own, whole)}

    def peak(self, number: int) -> dict[str, float]:
        """Give the most bytes that a call holds over what was held before it."""
        for _ in range(WARM):
            self._prepared(self._warm)()
        call = self._prepared(number)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return {"bytes": most - before}

    def rss(self, number: int) -> dict[str, float]:
        """Give the most resident bytes of the process, after so many calls."""
        self._prepared(number)()
        return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def _prepared(self, number: int) -> Any:
        """Give the calls to be timed; what they need beforehand is made here."""
        prepare = getattr(self._run, "prepare", None)
        if prepare is None:
            return lambda: self._run(number)
        ready = prepare(number)
        gc.collect()  # what was left of making them is not the call's to pay for
        return lambda: self._run(ready)


def _named(file: str, line: int, function: str) -> str:
    return function if file == "~" else f"{_module(file)}:{line} {function}"


def _module(file: str) -> str:
    parts = Path(file).parts
    for root in ("mailbalance", "benchmarks"):
        if root in parts:
            return "/".join(parts[parts.index(root) :])
    for root in ("site-packages", f"python3.{sys.version_info.minor}"):
        if root in parts:
            return "/".join(parts[parts.index(root) + 1 :])
    return "/".join(parts[-2:])


def _by_module(own: list[Any], whole: float) -> list[tuple[str, float]]:
    """Add the shares up by package, and by file for mailbalance."""
    shares: dict[str, float] = {}
    for taken, (file, _, function) in own:
        name = _module(file)
        if file == "~":
            name = "built in: " + function.strip("<>").removeprefix("built-in method ")
        elif not name.startswith(("mailbalance/", "benchmarks/")):
            name = name.partition("/")[0]
        shares[name] = shares.get(name, 0.0) + taken / whole
    return sorted(shares.items(), key=lambda each: -each[1])[:SHOWN]


def main() -> None:
    """Serve commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints goes elsewhere
    worker = Worker(json.loads(sys.stdin.readline()))
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        command, number = line.split()
        print(json.dumps(getattr(worker, command)(int(number))), file=answers)
    answers.flush()
    os._exit(0)  # threads and loops of a case need no goodbye


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
