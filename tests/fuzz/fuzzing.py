"""Running targets under atheris, and reading what libFuzzer says of it.

What lives here: one child process for each target, its folder of inputs, and the figures.
What must not: atheris itself (``child``), the command line (``__main__``).
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.fuzz.target import Target

ROOT = Path(__file__).parents[2]

#: Seconds for one input, and MiB for the process: more of either is a finding.
SLOWEST, LARGEST = 5, 1024

#: Seconds that a child may take besides fuzzing: imports, seeds, the last input.
_AROUND = 60

_RUNS = re.compile(r"^(?:Done |stat::number_of_executed_units:\s*)(\d+)", re.MULTILINE)
_COVERED = re.compile(r"\bcov: (\d+)")
_TOOK = re.compile(r"^Done \d+ runs in (\d+) second", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of fuzzing one target.

    Attributes:
        target: Its name.
        executions: How many inputs were tried; 0 when it did not get that far.
        seconds: For how long.
        covered: How many edges of the library they reached.
        failing: The input that it failed on, if it failed on one.
        log: What the child said, if it failed.
    """

    target: str
    executions: int
    seconds: int
    covered: int
    failing: bytes | None = None
    log: str = ""

    @property
    def failed(self) -> bool:
        """Whether anything went wrong, an input found or not."""
        return bool(self.log)


def fuzz(
    targets: Iterable[Target],
    *,
    seconds: int,
    jobs: int,
    seed: int,
    broken: bool = False,
    corpus: Path | None = None,
) -> Iterable[Result]:
    """Fuzz targets, some at a time; give the results in their order.

    Args:
        targets: What to fuzz.
        seconds: For each; a failure ends it earlier.
        jobs: How many at a time.
        seed: libFuzzer's, so that the same inputs are tried again.
        broken: Whether to put each one's saboteur to work.
        corpus: Where to keep the inputs that reached something new, for the next time.
    """
    one = partial(_fuzz_one, seconds=seconds, seed=seed, broken=broken, corpus=corpus)
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, targets)


def _fuzz_one(
    target: Target, *, seconds: int, seed: int, broken: bool, corpus: Path | None
) -> Result:
    with tempfile.TemporaryDirectory(prefix="mailbalance-fuzz-") as folder:
        kept = (corpus or Path(folder)) / target.name
        kept.mkdir(parents=True, exist_ok=True)
        for at, planted in enumerate((*target.seeds, *target.found)):
            (kept / f"seed-{at:03d}").write_bytes(planted)
        command = [sys.executable, "-m", "tests.fuzz.child"]
        command += ["broken" if broken else "sound", target.name]
        command += [f"{folder}/found-input", str(kept)]
        command += [f"-max_total_time={seconds}", f"-seed={seed}"]
        command += [f"-max_len={target.longest}", f"-timeout={SLOWEST}"]
        command += [f"-rss_limit_mb={LARGEST}", f"-artifact_prefix={folder}/found-"]
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=seconds + _AROUND,
            check=False,
        )
        found = [path.read_bytes() for path in Path(folder).glob("found-*")]
        return _result(target, done, found[0] if found else None)


def _result(
    target: Target, done: "subprocess.CompletedProcess[str]", failing: bytes | None
) -> Result:
    runs, took = _RUNS.findall(done.stdout), _TOOK.findall(done.stdout)
    covered = _COVERED.findall(done.stdout)
    return Result(
        target.name,
        int(runs[-1]) if runs else 0,
        int(took[-1]) if took else 0,
        int(covered[-1]) if covered else 0,
        failing,
        "" if done.returncode == 0 and failing is None else done.stdout,
    )
