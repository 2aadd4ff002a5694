"""What one process knows of its backends, accounts and senders.

What lives here: ``State``, the memory of ``traffic``. What must not: who may go, or telling
anybody.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbalance.errors import UnavailableError
from mailbalance.routing.gate import Account, Gate
from mailbalance.routing.health import Breaker

if TYPE_CHECKING:
    import random as chance
    from collections.abc import Iterable, Mapping

    from mailbalance.backend import Backend, Receipt
    from mailbalance.errors import DeliveryError
    from mailbalance.routing.choice import View
    from mailbalance.routing.gate import Pass

#: Senders that are remembered as not allowed; beyond it the oldest is forgotten.
SENDERS = 1000


@dataclass(slots=True)
class State:
    """What one process knows.

    Attributes:
        backends: By name; others may act for them, whose own limits do not count.
        random: Its source of chance.
        process: Its id.
        lock: To be held while anything here is read or changed.
        gates: What is known of each backend that was asked for.
        accounts: What is known of their accounts.
        senders: Senders that a backend did not allow, by its name and their domain.
        diverted: Messages of each backend first offered elsewhere for want of health.
        overflowed: The same for want of room.
        returned: Passes that were not used; filled without the lock.
    """

    backends: Mapping[str, Backend]
    random: chance.Random
    process: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    gates: dict[str, Gate] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    senders: dict[tuple[str, str], Breaker] = field(default_factory=dict)
    diverted: Counter[str] = field(default_factory=Counter)
    overflowed: Counter[str] = field(default_factory=Counter)
    returned: deque[Pass] = field(default_factory=deque)

    def take_back(self) -> None:
        """Undo what the passes counted that were not used."""
        while self.returned:
            given = self.returned.popleft()
            given.gate.undo(given)
            for breaker in given.held:
                breaker.undo()

    def gate(self, backend: Backend, now: float) -> Gate:
        """Give what is known of a backend."""
        gate = self.gates.get(backend.name)
        if gate is None:
            backend = self.backends.get(backend.name, backend)
            account = self._account(backend.account, now)
            gate = Gate(backend, account, self.random, now)
            self.gates[backend.name] = gate
        return gate

    def gave(self, given: Pass) -> bool:
        """Whether a pass is of this process, not of the one it was forked from."""
        return self.gates.get(given.gate.name) is given.gate

    def watching(
        self, given: Pass, answer: Receipt | DeliveryError, now: float
    ) -> tuple[Breaker, ...]:
        """Give the breakers that learn from a try.

        Messages that go together tell of their senders, the call that carries them of all
        else.
        """
        known = given.watching or given.gate.breakers
        if given.kind == "call":
            return known
        if isinstance(answer, UnavailableError) and answer.scope == "sender":
            known = (*known[:2], self.sender(given, now))
        return known[2:] if given.kind == "together" else known

    def sender(self, given: Pass, now: float) -> Breaker:
        """Give what is known of a message's sender at the backend it was sent by."""
        key = given.gate.name, given.sender
        breaker = self.senders.get(key)
        if breaker is None:
            while len(self.senders) >= SENDERS:
                del self.senders[next(iter(self.senders))]
            name = f"{given.sender} at {given.gate.name}"
            breaker = Breaker(self.random, now, name=name, scope="sender")
            self.senders[key] = breaker
        return breaker

    def turned_away(self, assigned: str, views: Iterable[View]) -> None:
        """Count a message that is offered to another backend than it was assigned to."""
        fit = any(view.gate.name == assigned and view.fit != "no" for view in views)
        (self.overflowed if fit else self.diverted)[assigned] += 1

    def _account(self, name: str, now: float) -> Account:
        account = self.accounts.get(name)
        if account is None:
            breaker = Breaker(self.random, now, name=name, scope="account")
            account = self.accounts[name] = Account(name, breaker)
        return account
