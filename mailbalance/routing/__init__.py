"""Who carries a message: the exact split and the router that applies it.

What lives here: decisions only. Chance is passed in; nothing sleeps, sends or reads a
clock.
"""

from mailbalance.routing.route import Entry, Route, Share, StandIns, Unit
from mailbalance.routing.router import Router

__all__ = ["Entry", "Route", "Router", "Share", "StandIns", "Unit"]
