"""A network in memory: lines that can be cut at any byte, on a clock that never waits.

The wires run on it whole, pools and dialling and all: ``installed`` gives them sockets,
an event loop and a TLS of its own in place of the system's.
"""

from tests.wire.memory.line import JUNK, Cut, Line, Network, Peer
from tests.wire.memory.loop import MemoryLoop, TurnedLoop
from tests.wire.memory.place import installed
from tests.wire.memory.sockets import CLIENT_HELLO, SERVER_HELLO, MemorySocket

__all__ = [
    "CLIENT_HELLO",
    "JUNK",
    "SERVER_HELLO",
    "Cut",
    "Line",
    "MemoryLoop",
    "MemorySocket",
    "Network",
    "Peer",
    "TurnedLoop",
    "installed",
]
