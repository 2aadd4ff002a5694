"""A signal handler that raises at any call of a send: no place, no connection is lost.

A profiler raises as the n-th function of Python is entered, or the n-th function of C is
called or left, for every n of a send: that is where a signal handler may run.
"""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from mailbalance.wire.http import HttpRequest, HttpWire, request
from mailbalance.wire.net.pool import Pool, Ticket
from tests.wire.http_submission import OK, HttpSubmission
from tests.wire.memory import Network, installed

MAIL = HttpRequest("POST", "http://127.0.0.1:80/", {}, b'{"a": 1}' + b" " * 400)
EVENTS = ("call", "c_call", "c_return")


class Strike(BaseException):
    """What the handler raises."""


def striking(at, counts):
    """Return a profiler that raises at one event: the other ones it counts."""

    def note(frame, event, _):
        if event not in EVENTS or "/mailbalance/" not in frame.f_code.co_filename:
            return
        counts["seen"] += 1
        if counts["seen"] == at:
            sys.setprofile(None)
            counts["struck"] = 1
            raise Strike

    return note


def struck(wire, at):
    """Send with a strike; give whether it came, and what the send came to."""
    counts = Counter()
    sys.setprofile(striking(at, counts))
    try:
        outcome = wire.post(MAIL, timeout=9)
    except Strike:
        outcome = None
    finally:
        sys.setprofile(None)
    return bool(counts["struck"]), outcome


def wrong(place, at, *, used):
    """Play one strike; say what is wrong afterwards, and whether it struck."""
    servers = []

    def dial():
        servers.append(HttpSubmission("ses", lambda: OK))
        return servers[-1]

    place.network = network = Network(dial, now=place.network.now)
    wire = HttpWire(backend="b", connections=2)
    if used:
        wire.post(MAIL, timeout=9)
    came, _ = struck(wire, at)
    said = []
    if wire.occupancy()[0]:
        said.append("a place is lost")
    took = sum(len(each.took) for each in servers)
    if wire.post(MAIL, timeout=9).status != 200:
        said.append("a send after it suffers")
    if sum(len(each.took) for each in servers) != took + 1:
        said.append("a message after it was not taken once")
    wire.close()
    # A socket that nobody holds any more is Python's to close; nothing was sent on it.
    said += [
        f"line {line} was left open"
        for line in network.leaked
        if network.lines[line].sent
    ]
    return came, [f"{each}, struck at {at}, used: {used}" for each in said]


def figures(most=2_000):
    """Strike at every event of a send, over a new connection and a used one."""
    cases, said = 0, []
    with installed() as place:
        for used in (False, True):
            for at in range(1, most):
                came, broken = wrong(place, at, used=used)
                said += broken
                cases += 1
                if not came:
                    break
    return cases, said


@pytest.mark.parametrize("block", [request.LAST_BLOCK, 100], ids=["whole", "in two"])
def test_struck_at_any_call_a_send_leaves_nothing_behind(block, monkeypatch):
    monkeypatch.setattr(request, "LAST_BLOCK", block)

    cases, said = figures()

    assert said == []
    assert cases > 100


def test_struck_again_as_it_gives_its_place_back_a_send_loses_none(monkeypatch):
    """The second one strikes at the very call that would clean up after the first."""
    monkeypatch.setattr(Ticket, "leave", lambda _: None)

    assert figures()[1] == []


# Controls: each of these faults must be seen by the same sweep.


def places_are_counted(patch):
    """Give a place back by a call, and by nothing else."""
    patch.setattr(Ticket, "over", property(lambda _: False, lambda *_: None))
    patch.setattr(Ticket, "leave", lambda _: None)


def connections_are_not_swept(patch):
    def sweep(self):
        for ticket in tuple(self._live):
            if ticket.over:
                self._live.discard(ticket)

    patch.setattr(Pool, "_sweep", sweep)
    patch.setattr(Ticket, "leave", lambda _: None)


@pytest.mark.parametrize("fault", [places_are_counted, connections_are_not_swept])
def test_the_sweep_sees(fault, monkeypatch):
    fault(monkeypatch)

    assert figures()[1]
