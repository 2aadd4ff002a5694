"""The Mailer: one ``send()`` and ``asend()`` over every backend of a split.

What lives here: taking a message in and joining router, plan and driver. What must not: a
decision about backends or retries (``routing``, ``delivery``), waiting (``driver``), or
anything a provider would recognise (``backends``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from mailbalance import events, keyed
from mailbalance.assembly import (
    WeightLike,
    checked_observers,
    make_backends,
    make_defaults,
    make_entries,
    make_policy,
)
from mailbalance.config import read_settings
from mailbalance.driver import Job, Timing, arun, run
from mailbalance.errors import DeliveryError
from mailbalance.intake import Sendable, take
from mailbalance.keys import KeyStore, MemoryKeys
from mailbalance.message import Address, Envelope, Fields, Message
from mailbalance.oversight import Oversight
from mailbalance.retry import RetryPolicy
from mailbalance.routing import Route, Router, Traffic
from mailbalance.routing.route import NOBODY
from mailbalance.secret import hidden, hushed
from mailbalance.under_way import UnderWay

if TYPE_CHECKING:
    from typing import Self

    from mailbalance.backend import Receipt
    from mailbalance.routing import StandIns, Unit


class Mailer(Oversight):
    """Sends each message through one of several backends, split exactly by weight.

    Safe for many threads and tasks at once, and after a fork. Connections are opened when
    first needed and kept; close the mailer, or use it as a context manager.

    Args:
        split: Backends and weights, or both as text, ``"ses=60,mailtrap=40"``. A backend is
            a name (configured by the environment, as ``from_env`` does) or an object; a
            weight is a number, ``"60%"`` or ``"backup"``.
        policy: When to try again and when to give up.
        observers: Called with each event; the log is always written.
        from_: Sender of messages that name none.
        reply_to: Reply addresses of messages that name none.
        unit: What the split counts: ``"messages"`` or ``"recipients"``.
        environ: Read in place of ``os.environ`` for backends given by name.
        timing: The clock and sleeps; default the real ones.
        keys: Remembers messages that have a key, so that none of them is sent twice;
            default a ``MemoryKeys`` of its own.

    Raises:
        ConfigError: With every problem found; nothing is opened or sent.

    Attributes:
        templates: SES templates with the ids of their Mailtrap twins, as ``from_env`` read
            them; ``None`` for those of the process's environment.
    """

    templates: Mapping[str, str] | None = None

    @hushed
    def __init__(
        self,
        split: Mapping[Any, WeightLike] | str,
        *,
        policy: RetryPolicy | None = None,
        observers: Iterable[events.Observer] = (),
        from_: Address | str | None = None,
        reply_to: Iterable[Address | str] | Address | str = (),
        unit: Unit = "messages",
        environ: Mapping[str, str] | None = None,
        timing: Timing | None = None,
        keys: KeyStore | None = None,
    ) -> None:
        self.policy = policy or RetryPolicy()
        self.observers = (events.log, *checked_observers(observers))
        self._defaults = make_defaults(from_, reply_to)
        self.router = Router(make_entries(split, environ), unit=unit)
        self.traffic = Traffic(partial(events.tell, self.observers))
        self.timing = timing or Timing()
        self.keys = MemoryKeys() if keys is None else keys
        self.under_way = UnderWay(self.policy.timeout)

    @classmethod
    @hushed
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        observers: Iterable[events.Observer] = (),
    ) -> Self:
        """Make a mailer from environment variables alone.

        Args:
            environ: Read in place of ``os.environ``; it then replaces it whole, the AWS
                variables included.
            observers: As for ``Mailer``.

        Raises:
            ConfigError: With every problem found; with no split, the lines to choose from.
        """
        settings = read_settings(hidden(environ))
        weights = ("backup" if w.backup else w.value for w in settings.split)
        return cls(
            dict(zip(make_backends(settings), weights, strict=True)),
            policy=make_policy(settings),
            observers=observers,
            from_=settings.from_,
            reply_to=settings.reply_to,
        )

    def __repr__(self) -> str:
        said = (
            f"{s.backend}={'backup' if s.backup else s.weight}" for s in self.split()
        )
        return f"<Mailer {', '.join(said)}>"

    def send(
        self,
        message: Sendable | None = None,
        /,
        *,
        via: str | None = None,
        envelope: Envelope | None = None,
        **fields: Unpack[Fields],
    ) -> Receipt:
        """Send one message and wait until a provider has answered.

        Blocks for at most about ``policy.timeout`` seconds.

        Args:
            message: A ``Message``, an ``email.message.EmailMessage`` or raw bytes; leave it
                out to give the fields of a ``Message`` as keywords.
            via: Name of the one backend to use, leaving the split aside.
            envelope: Sender and recipients, when they are not those of the headers.
            **fields: ``to=``, ``subject=``, ``text=`` and so on.

        Returns:
            The receipt; its ``outcome`` is ``"accepted"`` or ``"partial"``.

        Raises:
            MessageError: When the message is wrong; nothing was sent.
            UnknownOutcomeError: When it may or may not have been accepted.
            DeliveryError: When no backend accepted it.
        """
        taken = self.take(message, **fields)
        if taken.key is not None:
            return keyed.send(self, taken, via, envelope)
        return self.finish(self.begin(taken, via=via, envelope=envelope))

    async def asend(
        self,
        message: Sendable | None = None,
        /,
        *,
        via: str | None = None,
        envelope: Envelope | None = None,
        **fields: Unpack[Fields],
    ) -> Receipt:
        """Do as ``send`` does, without blocking the event loop.

        Cancelled before the message was handed over, it stops. Cancelled later, it cannot
        recall it: the attempt finishes on its own and observers are told.
        """
        taken = self.take(message, **fields)
        if taken.key is not None:
            return await keyed.asend(self, taken, via, envelope)
        return await self.afinish(self.begin(taken, via=via, envelope=envelope))

    def route(
        self,
        message: Sendable | None = None,
        /,
        *,
        via: str | None = None,
        **fields: Unpack[Fields],
    ) -> Route:
        """Tell where a message would go now, and why; nothing is counted or sent."""
        taken = self.take(message, **fields)
        envelope = Envelope.of(taken)
        route = self.router.preview(taken, envelope, via=via)
        now = self.timing.clock()
        return replace(route, passed_over=self.traffic.kept_from(route, envelope, now))

    def preview(
        self, message: Sendable | None = None, /, **fields: Unpack[Fields]
    ) -> dict[str, str]:
        """Give the exact request each backend would make, or why it cannot."""
        taken = self.take(message, **fields)
        envelope = Envelope.of(taken)
        shown = {}
        for name, backend in self.backends.items():
            reason = backend.refuses(taken, envelope)
            cannot = f"cannot carry this message: {reason}"
            shown[name] = cannot if reason else backend.preview(taken, envelope)
        return shown

    def close(self) -> None:
        """Take no more messages, let those of other threads end, and close connections.

        Blocks for at most about ``policy.timeout`` seconds: cutting a message off in the
        middle would leave its outcome unknown.
        """
        self.under_way.close(self.policy.timeout)
        for backend in self.backends.values():
            backend.close()

    async def aclose(self) -> None:
        """Do as ``close`` does, for this event loop; detached attempts included."""
        self.under_way.shut()
        if ends := self.under_way.ends():
            await asyncio.wait(ends, timeout=self.policy.timeout)
        for backend in self.backends.values():
            await backend.aclose()
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def take(
        self, message: Sendable | None = None, /, **fields: Unpack[Fields]
    ) -> Message:
        """Make whatever ``send`` takes a ``Message``, with this mailer's defaults.

        Raises:
            MessageError: When it is wrong, or both a message and its fields are given.
        """
        return take(message, fields, self._defaults)

    def begin(
        self,
        message: Message,
        *,
        via: str | None = None,
        envelope: Envelope | None = None,
        stand_ins: StandIns = NOBODY,
    ) -> Job:
        """Route a message, and count the choice, without sending it yet.

        ``send`` is ``take``, ``begin`` and ``finish``; apart they let several messages be
        routed before the first is sent. ``stand_ins`` are backends that act for this
        message in place of those of the same name.
        """
        self.under_way.must_be_open()
        envelope = envelope or message.once("_envelope", lambda: Envelope.of(message))
        route = self.router.route(message, envelope, via=via, stand_ins=stand_ins)
        return Job(
            message,
            envelope,
            route,
            policy=self.policy,
            router=self.router,
            traffic=self.traffic,
            observers=self.observers,
            detached=self.under_way.detached,
            clock=self.timing.clock,
        )

    def finish(self, job: Job) -> Receipt:
        """Send what was begun, and wait; raises what ``send`` raises."""
        self.under_way.begin(job)
        try:
            receipt = run(job, self.timing.sleep)
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

    async def afinish(self, job: Job) -> Receipt:
        """Do as ``finish`` does, without blocking the event loop."""
        self.under_way.abegin(job)
        try:
            receipt = await arun(job, self.timing.asleep)
            job.accepted(receipt)
        except DeliveryError as error:
            job.failed(error)
            raise
        finally:
            self.under_way.aend(job)
        return receipt
