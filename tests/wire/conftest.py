"""Fixtures of the tests of both wires."""

from typing import Any, get_args

import httpx
import httpx2
import pytest

from mailbalance.wire.http import wire as http_wire
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


#: What can make the exchanges of HTTP.
ENGINES = get_args(http_wire.Engine)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of HTTP on each engine; those over families of clients do it there."""
    if "engine" in metafunc.fixturenames:
        engines = ENGINES[:1] if "family" in metafunc.fixturenames else ENGINES
        metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What makes the exchanges of a wire that was not told."""
    monkeypatch.setattr(http_wire, "ENGINE", request.param)
    return str(request.param)


@pytest.fixture(
    params=[*ENGINES, httpx2, httpx], ids=[*ENGINES, "own httpx2", "own httpx"]
)
def family(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whose client sends: a user's own, or none, with each of our engines."""
    if request.param not in ENGINES:
        return request.param
    monkeypatch.setattr(http_wire, "ENGINE", request.param)
    return None
