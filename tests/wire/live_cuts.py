"""The same cuts on real sockets, in real TLS, on a clock that cannot be told to hurry.

A server thread sits between a socket and the servers and lines of the simulation: what it
decrypts it gives to the line, and does to the socket what the line does to its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from mailbalance.wire.http import request
from tests.wire import http_cuts, smtp_cuts
from tests.wire.certainty import Figures, sampled
from tests.wire.cutting import Case, How, Stage, player
from tests.wire.http_cuts import HttpStage
from tests.wire.memory import CLIENT_HELLO, SERVER_HELLO, Line, Network
from tests.wire.smtp_cuts import SmtpStage
from tests.wire.smtp_peer import CERTIFICATE

#: Seconds for a message: many cases end only with them.
TIMEOUT = 1.2

#: Cases under way at once.
WORKERS = 12


class EndedError(Exception):
    """The connection is over."""


class Server:
    """Serves one case's connections, each in a thread."""

    def __init__(self, network: Network, context: ssl.SSLContext | None) -> None:
        self._network = network
        self._context = context
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Server:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._spawn(self._serve, sock, self._network.connect())

    def _serve(self, sock: socket.socket, line: Line) -> None:
        sock.settimeout(10)
        served = _Served(sock, line, self._context, self._done)
        try:
            served.run()
        except ConnectionResetError:
            linger = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                served.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        except (EndedError, OSError):
            pass
        finally:
            served.sock.close()


class _Served:
    """One connection: a real socket on one side, a line on the other."""

    def __init__(
        self,
        sock: socket.socket,
        line: Line,
        context: ssl.SSLContext | None,
        done: threading.Event,
    ) -> None:
        self.sock, self._line = sock, line
        self._context, self._done = context, done

    def run(self) -> None:
        if self._context is not None:
            self._secure(self._context)
        while True:
            self._say()
            if getattr(self._line.peer, "_hello", False):
                self._shake_hands()
                continue
            data = self.sock.recv(65536)
            if not data:
                return
            self._hear(data)

    def _secure(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def _hear(self, data: bytes) -> None:
        if self._line.take(data) < len(data) or self._line.full:
            self._done.wait(10)  # nothing more is taken
            raise EndedError

    def _say(self) -> None:
        while (data := self._line.give(65536)) is not None:
            if not data:
                raise EndedError
            self.sock.sendall(data)

    def _shake_hands(self) -> None:
        """Begin TLS, unless the line breaks in its handshake."""
        self._hear(CLIENT_HELLO)
        answer = b""
        while len(answer) < len(SERVER_HELLO):
            more = self._line.give(len(SERVER_HELLO) - len(answer))
            if not more:
                self._done.wait(10 * (more is None))
                raise EndedError
            answer += more
            if not SERVER_HELLO.startswith(answer):
                self.sock.sendall(answer)
                raise EndedError
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(context)
        self._secure(context)


def play(case: Case, kind: type[Stage], ca: str) -> tuple[str, list[str]]:
    """Play one case; in the end every byte has arrived and the truth is known."""
    network = Network(lambda: None)  # type: ignore[arg-type,return-value]
    stage: Any = kind(case, network)
    stage.timeout = TIMEOUT
    context = None
    if kind is HttpStage:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(context)
    with Server(network, context) as server:
        stage.go_to(server.port, ca)
        results = _send(stage) if case.how == "sync" else asyncio.run(_asend(stage))
    network.heal()
    broken = []
    verdicts = []
    for turn, result in zip(("test", "after"), results, strict=True):
        verdict, wrong = stage.verdict(turn, result)
        verdicts.append(verdict)
        broken += [f"{turn}: {each}" for each in wrong]
    return verdicts[0], broken


def _send(stage: Stage) -> list[Sequence[str] | Exception]:
    if stage.case.scenario.used:
        stage.attempt("before")
    results = [stage.attempt("test"), stage.attempt("after")]
    stage.close()
    return results


async def _asend(stage: Stage) -> list[Sequence[str] | Exception]:
    if stage.case.scenario.used:
        await stage.aattempt("before")
    results = [await stage.aattempt("test"), await stage.aattempt("after")]
    await stage.aclose()
    return results


def figures(count: int, ca: str) -> Figures:
    """Play so many cases: half over SMTP, half over HTTPS, half of each async."""
    found = Figures()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smtp_cuts.smtp_body, "CHUNK", smtp_cuts.CHUNK)
        patch.setattr(request, "LAST_BLOCK", 100)
        for how in ("sync", "async"):
            for kind in (SmtpStage, HttpStage):
                cases = sampled(list(_cases(kind, how)), count // 4)
                _play_all(found, cases, kind, ca)
    return found


def _play_all(
    found: Figures, cases: Sequence[Case], kind: type[Stage], ca: str
) -> None:
    with ThreadPoolExecutor(WORKERS) as workers, found.timed():
        results = workers.map(lambda case: play(case, kind, ca), cases)
        for case, result in zip(cases, results, strict=True):
            found.add(case, *result)


def _cases(kind: type[Stage], how: How) -> Iterator[Case]:
    """Give the cases of the simulation that make sense with TLS."""
    scenarios: Sequence[Any]
    if kind is SmtpStage:
        every = [*smtp_cuts.TAKEN, *smtp_cuts.NOT_TAKEN]
        scenarios = [
            replace(each, security=security)
            for each in every
            for security in ("starttls", "implicit")
        ]
    else:
        scenarios = [replace(each, block=100) for each in http_cuts.SCENARIOS]
    with player(kind) as at:
        for scenario in scenarios:
            yield from at.cases(scenario, how)
