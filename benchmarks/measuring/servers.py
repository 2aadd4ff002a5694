"""Starting the servers that everybody sends to, each in a process of its own.

What lives here: sinks, delay proxies, and the certificate authority of one run. What must
not: what they do; each is a program beside this file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme

from measuring.cores import pinned, sink_core

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """Where to send.

    Attributes:
        port: On this machine.
        ca: Path of a PEM file to trust; ``None`` without TLS.
    """

    port: int
    ca: str | None = None

    @property
    def url(self) -> str:
        """The place as a URL."""
        return f"http{'s' if self.ca else ''}://127.0.0.1:{self.port}"


@contextlib.contextmanager
def http_sink(*, tls: bool = False, delay: float = 0.0) -> Iterator[Place]:
    """Run a server that takes every POST."""
    options = [f"--delay={delay}"]
    with tempfile.TemporaryDirectory() as folder:
        ca = None
        if tls:
            authority = trustme.CA()
            ca = str(Path(folder, "ca.pem"))
            # As long as the list that a client has in fact: some read it for each send.
            Path(ca).write_bytes(Path(certifi.where()).read_bytes())
            authority.cert_pem.write_to_path(ca, append=True)
            own = str(Path(folder, "own.pem"))
            issued = authority.issue_cert("127.0.0.1")
            issued.private_key_and_cert_chain_pem.write_to_path(own)
            options.append(f"--certificate={own}")
        with _program("http_sink.py", *options) as port:
            yield Place(port, ca)


@contextlib.contextmanager
def smtp_sink(*, pipelining: bool = False) -> Iterator[Place]:
    """Run an SMTP server that takes every message."""
    options = ["--pipelining"] if pipelining else []
    with _program("smtp_sink.py", *options) as port:
        yield Place(port)


@contextlib.contextmanager
def delayed(place: Place, rtt: float) -> Iterator[Place]:
    """Put a server so many seconds of round trip away."""
    with _program("delay_proxy.py", f"--port={place.port}", f"--rtt={rtt}") as port:
        yield Place(port, place.ca)


@contextlib.contextmanager
def postfix_sink() -> Iterator[Place | None]:
    """Run Postfix's smtp-sink without PIPELINING; ``None`` where it is not installed."""
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    whose = ["-u", "nobody"] if os.geteuid() == 0 else []  # it insists
    command = [program, *whose, "-p", f"127.0.0.1:{port}", "256"]
    process = subprocess.Popen(pinned(command, sink_core()))  # noqa: S603 - Postfix's
    try:
        _wait_for(port)
        yield Place(port)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    ends = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def _program(name: str, *options: str) -> Iterator[int]:
    """Run one of the programs beside this file; gives the port it prints."""
    command = pinned([sys.executable, str(HERE / name), *options], sink_core())
    process = subprocess.Popen(  # noqa: S603 - our own
        command, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield int(next(iter(process.stdout or ())))
        finally:
            process.terminate()
