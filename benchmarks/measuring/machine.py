"""On what, with what and when something was measured.

What lives here: facts for the page of results. What must not: the machine's name.
"""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measuring.environments import python_of

#: Whose versions matter.
PACKAGES = (
    "mailbalance", "boto3", "botocore", "mailtrap", "requests", "httpx", "aiohttp",
    "aiosmtplib", "django", "tenacity", "pydantic", "httptools", "orjson",
    "pybase64", "uvloop",
)  # fmt: skip
#: Those of the environments of their own.
APART = {"bench-aiobotocore": ("aiobotocore", "botocore", "aiohttp")}


def facts() -> dict[str, str]:
    """Give everything that a figure may depend on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}",
        "load before": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, "
        f"{ssl.OPENSSL_VERSION.rpartition(' ')[0]}",
        "versions": ", ".join(_versions()),
        **{f"versions for {name}": ", ".join(_apart(name)) for name in APART},
    }


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def _apart(extra: str) -> list[str]:
    python = python_of(extra)
    if python is None:
        return ["not installed"]
    asking = "from importlib.metadata import version; import sys\n"
    asking += "print('\\n'.join(f'{n} {version(n)}' for n in sys.argv[1:]))"
    command = [str(python), "-c", asking, *APART[extra]]
    told = subprocess.run(  # noqa: S603 - our own
        command, check=True, capture_output=True, text=True
    )
    return told.stdout.splitlines()


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return platform.processor() or platform.machine()
    lines = file.read_text(encoding="utf-8").splitlines()
    found = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return " ".join(next(found, platform.machine()).split())


def _memory() -> str:
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{pages * page / 2**30:.0f} GB"
