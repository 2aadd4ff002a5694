"""Fixtures of the tests with real peers."""

from collections.abc import Iterator

import pytest

from mailbalance.sandbox import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A local sandbox of its own for each test; it starts in about 20 ms."""
    with Sandbox() as started:
        yield started
