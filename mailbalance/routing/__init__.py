"""Who carries a message: the exact split, eligibility, health and limits.

Decisions only: time and chance are passed in; nothing sleeps, sends or reads a clock.
"""

from mailbalance.routing.dispatcher import Dispatcher
from mailbalance.routing.eligibility import Entry, Route, Share, StandIns, Unit
from mailbalance.routing.status import BackendStatus, RateStatus

__all__ = [
    "BackendStatus",
    "Dispatcher",
    "Entry",
    "RateStatus",
    "Route",
    "Share",
    "StandIns",
    "Unit",
]
