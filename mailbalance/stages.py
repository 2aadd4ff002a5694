"""The stages of a send, apart: taking a message in, routing it, sending it.

What lives here: ``Stages``, the part of ``Mailer`` that everything sends by: ``send`` and
``asend``, many at once, keys, the drop-in. What must not: a decision about backends or
retries, or waiting.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from mailbalance.envelope import Envelope
from mailbalance.errors import ClosedError, DeliveryError, MailError
from mailbalance.later import Later
from mailbalance.oversight import Oversight

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Container, Sequence

    from mailbalance import driver, events, intake, job
    from mailbalance.backend import Receipt, Try
    from mailbalance.intake import Sendable
    from mailbalance.job import Job
    from mailbalance.message import Fields, Message
    from mailbalance.retry import RetryPolicy
    from mailbalance.routing import StandIns
    from mailbalance.under_way import UnderWay
else:
    asyncio = Later("asyncio", globals())
    driver = Later("mailbalance.driver", globals())
    intake = Later("mailbalance.intake", globals())
    job = Later("mailbalance.job", globals())

#: No backend that acts for another.
NOBODY: StandIns = MappingProxyType({})

#: Seconds for a message whose time was gone before it began: enough to be refused.
LEAST = 1e-6


class Stages(Oversight):
    """The part of a mailer that takes messages in, routes and sends them.

    Attributes:
        policy: When to try again and when to give up.
        observers: Who is told of each event.
        under_way: The sends that have begun and not ended.
    """

    policy: RetryPolicy
    observers: Sequence[events.Observer]
    under_way: UnderWay
    _defaults: dict[str, Any]

    def take(
        self, message: Sendable | None = None, /, **fields: Unpack[Fields]
    ) -> Message:
        """Make whatever ``send`` takes a ``Message``, with this mailer's defaults.

        Raises:
            MessageError: When it is wrong, or both a message and its fields are given.
        """
        return intake.take(message, fields, self._defaults)

    def begin(
        self,
        message: Message,
        *,
        via: str | None = None,
        envelope: Envelope | None = None,
        stand_ins: StandIns = NOBODY,
        together: Container[str] = (),
        waited: float = 0.0,
    ) -> Job:
        """Route a message, and count the choice, without sending it yet.

        ``send`` is ``take``, ``begin`` and ``finish``; apart they let several messages be
        routed before the first is sent. ``stand_ins`` are backends that act for this
        message in place of those of the same name. ``together`` names the backends by
        which its first try may go in one call with those of other messages. ``waited`` are
        the seconds of its time-out that are gone already.
        """
        self.under_way.must_be_open()
        envelope = envelope or message.envelope()
        route = self.router.route(message, envelope, via=via, stand_ins=stand_ins)
        policy = self.policy
        if waited > 0:
            policy = replace(policy, timeout=max(policy.timeout - waited, LEAST))
        return job.Job(
            message,
            envelope,
            route,
            policy=policy,
            router=self.router,
            traffic=self.traffic,
            observers=self.observers,
            under_way=self.under_way,
            clock=self.timing.clock,
            together=together,
        )

    def finish(
        self,
        job: Job,
        step: Try | None = None,
        *,
        sleep: Callable[[float], None] | None = None,
    ) -> Receipt:
        """Send what was begun, and wait; raises what ``send`` raises.

        ``step`` is the step that its plan has given already, if it has; ``sleep`` waits in
        place of this mailer's own.
        """
        try:
            self.under_way.begin(job)
        except ClosedError as closed:
            return _known(job, closed)
        try:
            receipt = driver.run(job, sleep or self.timing.sleep, step)
            job.accepted(receipt)
        except DeliveryError as error:
            job.failed(error)
            raise
        except BaseException as error:
            job.broken_off(error)
            raise
        finally:
            self.under_way.end(job)
        return receipt

    async def afinish(self, job: Job, step: Try | None = None) -> Receipt:
        """Do as ``finish`` does, without blocking the event loop."""
        try:
            self.under_way.abegin(job)
        except ClosedError as closed:
            return _known(job, closed)
        try:
            receipt = await driver.arun(job, self.timing.asleep, step)
            job.accepted(receipt)
        except DeliveryError as error:
            job.failed(error)
            raise
        except asyncio.CancelledError:
            raise  # told when it is known what became of the attempt
        except BaseException as error:
            job.broken_off(error)
            raise
        finally:
            self.under_way.aend(job)
        return receipt


def _known(job: Job, closed: ClosedError) -> Receipt:
    """End a message that may not be tried any more with what is known of its tries.

    Raises:
        ClosedError: As given, when there were none.
        DeliveryError: When no backend accepted it.
    """
    end = job.leave() if job.attempts else closed
    if isinstance(end, MailError):
        raise end from None
    return end
