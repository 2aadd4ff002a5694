"""Write .ci/constraints.txt: the exact versions that CI installs, and no index address.

Run, after a change of dependencies: python .ci/pin.py
"""

import json
import subprocess
import sys
from pathlib import Path

HEAD = "# Versions that CI installs; written by .ci/pin.py.\n"


def resolve() -> dict[str, str]:
    """Ask pip what it would install for the development extra."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
    command += ["--ignore-installed", "--report", "-", ".[dev]"]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {
        each["metadata"]["name"].lower(): each["metadata"]["version"]
        for each in json.loads(report)["install"]
    }
    found.pop("mailbalance")
    return found


if __name__ == "__main__":
    pins = "".join(
        f"{name}=={version}\n" for name, version in sorted(resolve().items())
    )
    Path(__file__).with_name("constraints.txt").write_text(
        HEAD + pins, encoding="utf-8"
    )
