"""Fixtures of the tests of both wires."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest

from tests.wire.smtp_peer import AUTHORITY
from tests.wire.smtp_ways import HOWS


@pytest.fixture(params=HOWS)
def how(request: pytest.FixtureRequest) -> Any:
    """From a thread, or from an event loop."""
    return request.param


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of the CA that the peers' certificates are from."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(params=[None, httpx2, httpx], ids=["ours", "own httpx2", "own httpx"])
def family(request: pytest.FixtureRequest) -> Any:
    """Whose client sends: a user's own, or none."""
    return request.param


class Interrupted(BaseException):
    """What a signal's handler raises."""


@pytest.fixture
def interrupted_when_blocked() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Call something in this thread, and interrupt it by a signal once it waits."""

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    def run(call: Callable[[], object]) -> None:
        here, over = threading.get_ident(), threading.Event()

        def strike() -> None:
            looks: list[tuple[int, int]] = []
            while not over.wait(0.01):
                frame = sys._current_frames()[here]
                looks = [*looks[-4:], (id(frame), frame.f_lasti)]
                if (
                    len(looks) == 5 and len(set(looks)) == 1
                ):  # it is nowhere else: it waits
                    signal.pthread_kill(here, signal.SIGUSR1)
                    return

        striker = threading.Thread(target=strike)
        striker.start()
        try:
            with pytest.raises(Interrupted):
                call()
        finally:
            over.set()
            striker.join()

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield run
    signal.signal(signal.SIGUSR1, before)
