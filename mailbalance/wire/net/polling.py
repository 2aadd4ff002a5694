"""Waiting for sockets where ``select.poll`` is there, and where it is not.

eventlet takes ``poll`` out of the module when it patches it; its own ``select`` stays.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket

IN, OUT = select.POLLIN, select.POLLOUT

_ERROR = select.POLLERR


class Poll(Protocol):
    """What is used of ``select.poll``."""

    def register(self, sock: socket.socket | int, events: int, /) -> None:
        """Look at a socket from now on."""

    def modify(self, sock: socket.socket | int, events: int, /) -> None:
        """Look for other events of it."""

    def unregister(self, sock: socket.socket | int, /) -> None:
        """Look at it no more."""

    def poll(self, milliseconds: int, /) -> list[tuple[int, int]]:
        """Wait; return the descriptors that are ready, with what they are ready for."""
        ...


def new_poll() -> Poll:
    """Return what waits for sockets here."""
    # Asked each time: a program may be patched after it has imported this.
    make = getattr(select, "poll", None)
    return _Select() if make is None else make()


class _Select:
    """``select.poll`` in terms of ``select.select``."""

    def __init__(self) -> None:
        self._wanted: dict[int, int] = {}

    def register(self, sock: socket.socket | int, events: int, /) -> None:
        self._wanted[_number(sock)] = events

    def modify(self, sock: socket.socket | int, events: int, /) -> None:
        self._wanted[_number(sock)] = events

    def unregister(self, sock: socket.socket | int, /) -> None:
        del self._wanted[_number(sock)]

    def poll(self, milliseconds: int, /) -> list[tuple[int, int]]:
        everyone = list(self._wanted)
        read = [each for each in everyone if self._wanted[each] & IN]
        write = [each for each in everyone if self._wanted[each] & OUT]
        try:
            found = select.select(read, write, everyone, milliseconds / 1000)
        except ValueError:  # a descriptor that was closed, or too large for select
            return [(each, _ERROR) for each in everyone]
        ready = dict.fromkeys(found[2], _ERROR)
        for numbers, event in ((found[0], IN), (found[1], OUT)):
            for each in numbers:
                ready[each] = ready.get(each, 0) | event
        return list(ready.items())


def _number(sock: socket.socket | int) -> int:
    return sock if isinstance(sock, int) else sock.fileno()
