"""A local sandbox in a process of its own, whose memory can be watched.

Run: ``python -m tests.security.boxed``. It prints its ports and token as JSON, and lives
until its input ends.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailbalance.sandbox import Sandbox

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Boxed:
    """The process, and what it said."""

    process: subprocess.Popen[str]
    ports: dict[str, int]
    token: str

    def memory(self) -> int:
        """Bytes it holds in memory now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most bytes it ever held."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (line,) = [each for each in lines if each.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024


@contextlib.contextmanager
def boxed() -> Iterator[Boxed]:
    """Start one, and end it."""
    command = [sys.executable, "-m", "tests.security.boxed"]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        said: dict[str, Any] = json.loads(process.stdout.readline())
        yield Boxed(process, said["ports"], said["token"])
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def main() -> None:
    """Be the process."""
    names = ("ses", "mailtrap", "ses-smtp", "mailtrap-smtp", "control")
    with Sandbox(require_tls=False) as box:
        ports = {name: box.port(name) for name in names}
        said = {"ports": ports, "token": box.credentials.token}
        print(json.dumps(said), flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
