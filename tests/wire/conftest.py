"""Fixtures of the tests of both wires."""

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
