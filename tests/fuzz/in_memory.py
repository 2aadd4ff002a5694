"""What the sandbox's doors need to be talked to in memory: a transport, and a loop.

What must not live here: a door, or what must hold of it.
"""

import asyncio
from functools import cache
from typing import Any


class Transport(asyncio.Transport):
    """A connection in memory; TLS cannot begin on it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@cache
def the_loop() -> asyncio.AbstractEventLoop:
    """One loop for all inputs: making one takes longer than most of them."""
    return asyncio.new_event_loop()
