"""Who carries a message: the exact split, the router that applies it, and the traffic.

What lives here: decisions only. Time and chance are passed in; nothing sleeps, sends or
reads a clock.
"""

from mailbalance.routing.route import Entry, Route, Share, StandIns, Unit
from mailbalance.routing.router import Router
from mailbalance.routing.status import BackendStatus, RateStatus
from mailbalance.routing.traffic import Traffic

__all__ = [
    "BackendStatus",
    "Entry",
    "RateStatus",
    "Route",
    "Router",
    "Share",
    "StandIns",
    "Traffic",
    "Unit",
]
