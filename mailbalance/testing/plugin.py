"""The pytest plugin: one fixture.

What lives here: ``mailbalance_mailbox``. Every pytest run of every user loads this module,
so it imports nothing else until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mailbalance.testing import Mailbox


@pytest.fixture
def mailbalance_mailbox() -> Iterator[Mailbox]:
    """Catch everything that ``mailbalance.send()`` and ``asend()`` send in this test."""
    from mailbalance.testing import capture

    with capture() as mailbox:
        yield mailbox
