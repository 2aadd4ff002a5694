"""A real Postfix, started once for all tests that want one."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailbalance.wire.smtp import Credentials, Security, Server

SCRIPT = Path(__file__).with_name("postfix.sh")
NEEDED = ("postfix", "saslpasswd2", "openssl")
USER, PASSWORD = "api", "s3cret-token"


@dataclass(frozen=True)
class Postfix:
    """Its doors, and what came in."""

    home: Path
    starttls: int
    encrypt: int
    implicit: int
    idle: int
    small: int
    few: int

    @property
    def ca(self) -> str:
        return str(self.home / "tls" / "ca.pem")

    def server(
        self,
        port: int,
        security: Security | None = "starttls",
        password: str = PASSWORD,
    ) -> Server:
        return Server("127.0.0.1", port, security, Credentials(USER, password), self.ca)

    def messages(self, mark: str, count: int) -> list[str]:
        """Give the messages with a mark, once ``count`` of them were delivered."""
        ends = time.monotonic() + 10
        while True:
            found = [text for text in self._inbox() if mark in text]
            if len(found) >= count or time.monotonic() > ends:
                return found
            time.sleep(0.02)

    def all_messages(self) -> list[str]:
        """Give every message in the mailbox, once nothing is under way any more."""
        ends = time.monotonic() + 60
        quiet = 0
        while quiet < 2:  # a session that was cut off may still end its message
            assert time.monotonic() < ends, "Postfix has not come to rest"
            quiet = 0 if self._queued() or self._in_session() else quiet + 1
            time.sleep(0.05)
        return list(self._inbox())

    def empty(self) -> None:
        """Forget what came in."""
        for path in self._files():
            path.unlink()

    def _queued(self) -> int:
        queues = ("incoming", "active", "deferred", "maildrop")
        places = (self.home / "spool" / name for name in queues)
        return sum(path.is_file() for place in places for path in place.rglob("*"))

    def _in_session(self) -> int:
        log = (self.home / "log" / "mail.log").read_bytes()
        return log.count(b"]: connect from") - log.count(b"]: disconnect from")

    def _files(self) -> Iterator[Path]:
        return (self.home / "mail" / "inbox" / "new").glob("*")

    def _inbox(self) -> Iterator[str]:
        for path in sorted(self._files()):
            yield path.read_text("utf-8", "replace")


def _why_not() -> str | None:
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return None if os.geteuid() == 0 else "Postfix needs root"


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return ports


@contextlib.contextmanager
def running() -> Iterator[Postfix]:
    """Start one in a folder of its own."""
    # Its processes drop root and must be able to reach the folder.
    home = Path(tempfile.mkdtemp(prefix="postfix-"))
    home.chmod(0o755)
    ports = _free_ports(6)
    try:
        run = subprocess.run(
            [SCRIPT, "start", home, *map(str, ports)],
            check=False,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert run.returncode == 0, run.stderr
        yield Postfix(home, *ports)
    finally:
        subprocess.run([SCRIPT, "stop", home], check=True, timeout=20)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """Give a running Postfix, or skip with the reason."""
    reason = _why_not()
    if reason and os.environ.get("REQUIRE_POSTFIX"):
        pytest.fail(f"this run must not skip what needs Postfix: {reason}")
    if reason:
        pytest.skip(reason)
    with running() as started:
        yield started
