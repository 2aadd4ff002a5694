"""What the tests of the security checklist share."""

from collections.abc import Iterator

import pytest

from mailbalance.sandbox import Sandbox
from tests.wire.conftest import ca, how

__all__ = ["box", "ca", "how"]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A local sandbox for all tests of a file."""
    with Sandbox() as started:
        yield started
