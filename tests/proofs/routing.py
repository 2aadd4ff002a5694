"""Figures of the split and of health, through a whole mailer on a clock that is turned.

The tests beside ``tests/unit/test_traffic.py`` hold them; here they are counted.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

from mailbalance import DeliveryError, TransientError
from tests.unit.test_health import BUSY, CARRIED, Watched
from tests.unit.test_traffic import Host, World, refused


def split() -> dict[str, Any]:
    """Count what two hosts of 60/40 carry before, in and after an outage."""
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    before = world.many(1000)
    ses.fault = refused
    during = world.many(100, gap=0.001)
    tries = ses.tries - before[0]
    ses.fault = None
    world.now += 10
    after = world.many(1000)
    assigned = {share.backend: share.assigned for share in world.mailer.split()}
    return {
        "before": before[0],
        "in the outage": during[0],
        "tries of a dead host": tries,
        "after": after[0],
        "assigned": assigned["ses"],
        "messages": sum(assigned.values()),
        "off": max(0, abs(before[0] - 600) - 1, abs(after[0] - 600) - 1),
    }


def retries(messages: int = 3000) -> dict[str, Any]:
    """Count the tries of an outage of everything, for each first one."""
    ses, mailtrap = Host("ses"), Host("mailtrap")
    world = World(ses, mailtrap)
    world.many(1000)
    ses.fault = mailtrap.fault = lambda: TransientError("busy", phase="reply")
    ses.tries = mailtrap.tries = 0
    for _ in range(messages):
        with suppress(DeliveryError):
            world.send()
    load = (ses.tries + mailtrap.tries) / (2 * messages)
    return {"messages": messages, "load": round(load, 3), "over": max(0, load - 1.1)}


def scattered(calls: int = 200_000) -> dict[str, Any]:
    """Count how often scattered failures, one in five, open a breaker."""
    watched, random, opened = Watched(), Random(4), 0
    for _ in range(calls):
        watched.tell(BUSY if random.random() < 0.2 else CARRIED, after=0.01)
        opened += watched.breaker.state != "healthy"
    return {"calls": calls, "opened": opened}
