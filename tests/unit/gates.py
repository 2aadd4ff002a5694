"""What the tests of routing stand on: a backend that only has limits, and its gate."""

from datetime import date
from random import Random

from mailbalance.backend import Limits, Receipt
from mailbalance.routing.admission import Account, Gate, Permit
from mailbalance.routing.circuit_breaker import Breaker

NOW = 1000.0
CARRIED = Receipt("accepted", "ses")


class Door:
    """A backend as routing sees it."""

    def __init__(self, *rates, name="ses", account="aws", concurrency=None):
        self.name, self.account = name, account
        self.limits = Limits(
            10**6, 50, "none", date(2026, 11, 23), rates, concurrency=concurrency
        )

    def refuses(self, message, envelope):
        return None


class Probed(Door):
    """One that can be asked without sending."""

    learns = False

    def probe(self, *, timeout):
        return ()


class Learning(Probed):
    """One whose provider tells its limits."""

    learns = True


def aws():
    """Make an account."""
    return Account("aws", Breaker(Random(1), NOW, name="aws", scope="account"))


def gate_of(door, account=None):
    """Make the gate of a backend."""
    return Gate(door, account or aws(), Random(1), NOW)


def permit_of(**facts):
    """Make a permit with these facts."""
    permit = Permit()
    for name, value in facts.items():
        setattr(permit, name, value)
    return permit


def fill(gate, number):
    """Let so many attempts be in flight there; return their permits."""
    permits = [permit_of(gate=gate) for _ in range(number)]
    gate.live.update(permits)
    return permits
