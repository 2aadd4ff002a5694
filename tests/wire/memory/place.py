"""Putting the memory network in the system's place, for our own modules only."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mailbalance.wire.net import tls
from tests.wire.memory.line import Network
from tests.wire.memory.sockets import MemoryPoll, MemorySocket, MemoryTls

#: Modules that reach for sockets, imported here so that none is late.
_LATE = (
    "mailbalance.wire.net.asyncio_stream",
    "mailbalance.wire.net.connect",
    "mailbalance.wire.smtp.blocking_pool",
    "mailbalance.wire.smtp.looped_pool",
)


class Place:
    """Where the network of the case at hand is; set ``network`` for each case."""

    network: Network

    def clock(self) -> float:
        return self.network.now


@contextmanager
def installed() -> Iterator[Place]:
    """Run everything below on memory; give the place to put a network into."""
    place = Place()
    place.network = Network(lambda: None)  # type: ignore[arg-type,return-value]
    context, verified = MemoryTls(), tls.client_context
    with pytest.MonkeyPatch.context() as patch:
        for name in _LATE:
            __import__(name)
        shims = {"socket": (socket, _shim(place)), "select": (select, _polling(place))}
        for module in _wires():
            for name, (real, shim) in shims.items():
                if getattr(module, name, None) is real:
                    patch.setattr(module, name, shim)
            if getattr(module, "client_context", None) is verified:
                patch.setattr(module, "client_context", lambda _ca=None: context)
        patch.setattr(time, "monotonic", place.clock)
        yield place


def _wires() -> list[ModuleType]:
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith("mailbalance.") and module is not None
    ]


def _polling(place: Place) -> Any:
    """Give what stands for the select module."""
    shim = SimpleNamespace(**vars(select))
    shim.poll = lambda: MemoryPoll(lambda: place.network)
    return shim


def _shim(place: Place) -> Any:
    """Give what stands for the socket module."""
    shim = SimpleNamespace(**vars(socket))
    shim.socket = lambda *_, **__: MemorySocket(place.network)
    shim.getaddrinfo = lambda host, port, *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
    ]
    return shim
