"""The Mailer: one ``send()`` and ``asend()`` over every backend of a split.

What lives here: taking a message in and joining router, plan and driver. What must not: a
decision about backends or retries (``routing``, ``delivery``), waiting (``driver``), or
anything a provider would recognise (``backends``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from mailbalance import events
from mailbalance.envelope import Envelope
from mailbalance.fork_lock import IMPORTING
from mailbalance.later import Later
from mailbalance.secret import hidden, hushed
from mailbalance.stages import Stages
from mailbalance.under_way import (  # now: exit functions run in reverse order
    UnderWay,
    without_asyncio,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
    from typing import Self

    from mailbalance import bulk, keyed
    from mailbalance.assembly import WeightLike
    from mailbalance.backend import Receipt
    from mailbalance.bulk import Result
    from mailbalance.driver import Timing
    from mailbalance.intake import Sendable
    from mailbalance.keys import KeyStore
    from mailbalance.message import Address, Fields
    from mailbalance.retry import RetryPolicy
    from mailbalance.routing import Route, Unit
else:
    asyncio = Later("asyncio", globals())
    bulk = Later("mailbalance.bulk", globals())
    keyed = Later("mailbalance.keyed", globals())


class Mailer(Stages):
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
        with IMPORTING:
            from mailbalance import assembly, intake, job  # noqa: F401 - all of a send's
            from mailbalance.driver import Timing
            from mailbalance.keys import MemoryKeys
            from mailbalance.retry import RetryPolicy
            from mailbalance.routing import Router, Traffic
        self.policy = policy or RetryPolicy()
        self.observers = (events.log, *assembly.checked_observers(observers))
        self._defaults = assembly.make_defaults(from_, reply_to)
        self.router = Router(assembly.make_entries(split, environ), unit=unit)
        told = partial(events.tell, self.observers)
        self.traffic = Traffic(told, backends=self.backends)
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
        with IMPORTING:
            from mailbalance import assembly
            from mailbalance.config import read_settings
        return assembly.make_mailer(cls, read_settings(hidden(environ)), observers)

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

        Raises:
            MailError: Besides what ``send`` raises: without an event loop of asyncio, as
                under trio.
        """
        if asyncio._get_running_loop() is None:
            raise without_asyncio("asend")
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
        shown = {}
        for name, backend in self.backends.items():
            reason = backend.refuses(taken, taken.envelope())
            cannot = f"cannot carry this message: {reason}"
            shown[name] = cannot if reason else backend.preview(taken, taken.envelope())
        return shown

    def send_many(
        self,
        messages: Iterable[Sendable],
        *,
        concurrency: int = 16,
        progress: Callable[[int], object] | None = None,
    ) -> Generator[Result, None, None]:
        """Send many messages, and give what became of each, in their order.

        Each has its own route, retries and end, as if ``send`` had sent it; where a
        provider takes several at once, they go together. Results come as they are known,
        so the messages may be endless: at most 1,000 of them, or 64 MB, are held at once.
        Nothing is sent before the first result is asked for. Stop asking, and what was
        begun ends, and nothing more is begun.

        Args:
            messages: Anything that gives what ``send`` takes.
            concurrency: Threads that send, 1 or more; each carries a message or a batch.
            progress: Called after each message with how many are done.

        Yields:
            A ``Result`` with a receipt or an error for each message. A message that is
            wrong has a ``MessageError`` there, and the others go on.

        Raises:
            ClosedError: When the mailer was closed. This, and what ``messages`` raises,
                comes after the results of all that was begun.
        """
        return bulk.send_many(
            self, messages, concurrency=concurrency, progress=progress
        )

    def asend_many(
        self,
        messages: Iterable[Sendable] | AsyncIterable[Sendable],
        *,
        concurrency: int = 64,
        progress: Callable[[int], object] | None = None,
    ) -> AsyncGenerator[Result, None]:
        """Do as ``send_many`` does, without blocking the event loop.

        ``messages`` may be an async iterable too, and ``concurrency`` counts tasks. Leave
        the loop early by ``contextlib.aclosing``, or what was begun ends only when Python
        finds the iterator forgotten.
        """
        return bulk.asend_many(
            self, messages, concurrency=concurrency, progress=progress
        )

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
