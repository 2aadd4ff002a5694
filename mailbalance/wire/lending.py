"""A protocol that lends its transport the room for what it reads.

What lives here: ``LendingProtocol``. What must not: what becomes of the bytes.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod


class LendingProtocol(asyncio.BufferedProtocol, ABC):
    """Takes bytes in a buffer of its own.

    Without one, asyncio makes one of 256 KB for each read, which costs more than all the
    rest of the read.

    Args:
        size: Bytes of one read.
    """

    def __init__(self, size: int) -> None:
        self._buffer = memoryview(bytearray(size))

    @abstractmethod
    def data_received(self, data: memoryview) -> None:
        """Take bytes from the server; they are there only until it returns."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what is in it."""
        self.data_received(self._buffer[:nbytes])
