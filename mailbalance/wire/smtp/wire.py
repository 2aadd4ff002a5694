"""One server, used from threads and from event loops.

What lives here: ``SmtpWire``, which joins the two worlds' pools. What must not: anything
that either of them needs; both are made when first used, and the libraries they need are
imported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbalance.errors import DeliveryError
from mailbalance.fork_lock import IMPORTING, ForkLock
from mailbalance.wire.net.deadline import Deadline
from mailbalance.wire.smtp.connection import Reuse
from mailbalance.wire.smtp.faults import scrub_login, without_login
from mailbalance.wire.smtp.steps import Accepted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbalance.wire.smtp.blocking_pool import BlockingPool
    from mailbalance.wire.smtp.chain import End
    from mailbalance.wire.smtp.commands import Mail
    from mailbalance.wire.smtp.looped_pool import LoopedPools
    from mailbalance.wire.smtp.server import Server
    from mailbalance.wire.smtp.verdict import Rule


class SmtpWire:
    """Sends messages to one server, one attempt each.

    Safe from many threads and many tasks at once. Used after ``close`` it opens new
    connections.

    Args:
        server: Where to.
        backend: The name to put into errors.
        rules: What the provider's replies mean.
        reuse: When a connection may be used again.
    """

    def __init__(
        self,
        server: Server,
        *,
        backend: str,
        rules: tuple[Rule, ...] = (),
        reuse: Reuse | None = None,
    ) -> None:
        self.server = server
        self._backend = backend
        self._rules = rules
        self._reuse = reuse or Reuse()
        self._making = ForkLock()
        self._blocking: BlockingPool | None = None
        self._looped: LoopedPools | None = None

    def send(self, mail: Mail, *, timeout: float | Deadline) -> Accepted:
        """Make one attempt to send a message.

        Args:
            mail: The message with its envelope.
            timeout: Seconds for the whole attempt, or its deadline if it has begun.

        Raises:
            DeliveryError: When it was not accepted, or may not have been.
        """
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        try:
            accepted = self._for_threads().carry(mail, deadline)
        except DeliveryError as error:
            self._own(error)
            raise
        return self._shown(accepted) if accepted.refused else accepted

    async def asend(self, mail: Mail, *, timeout: float | Deadline) -> Accepted:
        """Do as ``send`` does, without blocking the event loop.

        A cancellation before the commit point cuts the connection; one after it is
        outlived, and the outcome returned or raised as if nothing had happened.
        """
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        try:
            accepted = await (await self._for_loops().here()).carry(mail, deadline)
        except DeliveryError as error:
            self._own(error)
            raise
        return self._shown(accepted) if accepted.refused else accepted

    def send_all(
        self, mails: Sequence[Mail], *, timeout: float | Deadline
    ) -> list[End]:
        """Make one attempt for each of several messages, one after another.

        Args:
            mails: The messages with their envelopes.
            timeout: Seconds for all of them, or the deadline if it has begun.

        Returns:
            What came of each, in their order.

        Raises:
            DeliveryError: What came of every one of them.
        """
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        try:
            return self._named(self._for_threads().carry_all(mails, deadline))
        except DeliveryError as error:
            self._own(error)
            raise

    async def asend_all(
        self, mails: Sequence[Mail], *, timeout: float | Deadline
    ) -> list[End]:
        """Do as ``send_all`` does, without blocking the event loop."""
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        try:
            pool = await self._for_loops().here()
            return self._named(await pool.carry_all(mails, deadline))
        except DeliveryError as error:
            self._own(error)
            raise

    def _named(self, ends: list[End]) -> list[End]:
        for end in ends:
            if isinstance(end, DeliveryError):
                self._own(end)
        return [
            self._shown(end) if isinstance(end, Accepted) and end.refused else end
            for end in ends
        ]

    def _own(self, error: DeliveryError) -> None:
        """Say whose error it is, and take the login out of what the server said."""
        error.backend = self._backend
        scrub_login(error, self.server)

    def _shown(self, accepted: Accepted) -> Accepted:
        refused = without_login(accepted.refused, self.server)
        return Accepted(accepted.reply, accepted.recipients, refused)

    def probe(self, *, timeout: float | Deadline) -> None:
        """Make sure that the server answers; the next message finds a connection open.

        A resting connection is asked with NOOP; without one, or without an answer, a new
        one is opened as for a message: connect, TLS, EHLO, AUTH.

        Args:
            timeout: Seconds for all of it, or the deadline if it has begun.

        Raises:
            DeliveryError: When none could be opened; never an ``UnknownOutcomeError``.
        """
        if not isinstance(timeout, Deadline):
            timeout = Deadline(timeout, commits=False)
        try:
            self._for_threads().probe(timeout)
        except DeliveryError as error:
            self._own(error)
            raise

    async def aprobe(self, *, timeout: float | Deadline) -> None:
        """Do as ``probe`` does, without blocking the event loop."""
        if not isinstance(timeout, Deadline):
            timeout = Deadline(timeout, commits=False)
        try:
            await (await self._for_loops().here()).probe(timeout)
        except DeliveryError as error:
            self._own(error)
            raise

    def occupancy(self) -> tuple[int, int]:
        """Give how many connections are in use, and how many rest.

        Those of threads, and those of the running event loop if there is one.
        """
        pools = (self._blocking, self._looped)
        found = [pool.occupancy() for pool in pools if pool is not None]
        return sum(busy for busy, _ in found), sum(idle for _, idle in found)

    def close(self) -> None:
        """Close what ``send`` opened; what the servers say to that is nobody's concern."""
        if self._blocking is not None:
            self._blocking.close()

    async def aclose(self) -> None:
        """Close what ``asend`` opened in the running event loop."""
        if self._looped is not None:
            await self._looped.close()

    def _for_threads(self) -> BlockingPool:
        if self._blocking is None:
            with IMPORTING:
                from mailbalance.wire.smtp.blocking_pool import BlockingPool

            with self._making.held():
                if self._blocking is None:
                    self._blocking = BlockingPool(self.server, self._reuse, self._rules)
        return self._blocking

    def _for_loops(self) -> LoopedPools:
        if self._looped is None:
            with IMPORTING:
                from mailbalance.wire.smtp.looped_pool import LoopedPools

            with self._making.held():
                if self._looped is None:
                    self._looped = LoopedPools(self.server, self._reuse, self._rules)
        return self._looped
