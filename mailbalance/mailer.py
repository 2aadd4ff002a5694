"""The Mailer: one ``send()`` and ``asend()`` over every backend of a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from mailbalance import events
from mailbalance.delivery.in_flight import InFlight, without_asyncio
from mailbalance.errors import ConfigError, MessageError
from mailbalance.fork_lock import IMPORTING
from mailbalance.later import Later
from mailbalance.message import Message
from mailbalance.secret import hidden, hushed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
    from email.message import Message as MimeMessage
    from typing import Self

    from mailbalance.assembly import WeightLike
    from mailbalance.backend import Backend, Receipt
    from mailbalance.delivery import idempotency, many, many_async
    from mailbalance.delivery.key_store import KeyStore
    from mailbalance.delivery.order import Result
    from mailbalance.delivery.retry import RetryPolicy, Timing
    from mailbalance.delivery.sender import Sender
    from mailbalance.message import Address, Envelope, Fields
    from mailbalance.routing import (
        BackendStatus,
        Dispatcher,
        Route,
        Share,
        Unit,
        status,
    )
else:
    asyncio = Later("asyncio", globals())
    idempotency = Later("mailbalance.delivery.idempotency", globals())
    many = Later("mailbalance.delivery.many", globals())
    many_async = Later("mailbalance.delivery.many_async", globals())
    status = Later("mailbalance.routing.status", globals())

#: What ``send`` takes: ours, the standard library's, or raw bytes.
Sendable: TypeAlias = "Message | MimeMessage | bytes"


class Mailer:
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
            from mailbalance import assembly
            from mailbalance.delivery.key_store import MemoryKeys
            from mailbalance.delivery.retry import RetryPolicy, Timing
            from mailbalance.routing import Dispatcher
        self.policy = policy or RetryPolicy()
        self.observers = (events.log, *assembly.checked_observers(observers))
        self._defaults = assembly.make_defaults(from_, reply_to)
        dispatcher = Dispatcher(
            assembly.make_entries(split, environ),
            unit=unit,
            tell=partial(events.tell, self.observers),
        )
        memory = MemoryKeys() if keys is None else keys
        self.in_flight = InFlight(self._live, self.policy.timeout)
        self.assemble(dispatcher, timing or Timing(), memory)

    def assemble(self, dispatcher: Dispatcher, timing: Timing, keys: KeyStore) -> None:
        """Put the parts together that send; a test puts its own in their place."""
        self.dispatcher = dispatcher
        self.timing = timing
        self.keys = keys
        with IMPORTING:
            from mailbalance.delivery.sender import Sender
        self.sender: Sender = Sender(
            dispatcher, self.policy, self.observers, timing, self.in_flight
        )

    def _live(self) -> set[Any]:
        return self.dispatcher.state.live

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
            return idempotency.send(self.sender, self.keys, taken, via, envelope)
        return self.sender.run(taken, envelope, via=via)

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
            keys = self.keys
            return await idempotency.asend(self.sender, keys, taken, via, envelope)
        return await self.sender.arun(taken, envelope, via=via)

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
        envelope = taken.envelope()
        route = self.dispatcher.peek(taken, envelope, via=via)
        now = self.timing.clock()
        kept = self.dispatcher.kept_from(route, envelope, now)
        return replace(route, passed_over=kept)

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
        return many.send_many(
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
        return many_async.asend_many(
            self, messages, concurrency=concurrency, progress=progress
        )

    def take(
        self, message: Sendable | None = None, /, **fields: Unpack[Fields]
    ) -> Message:
        """Make whatever ``send`` takes a ``Message``, with this mailer's defaults.

        Raises:
            MessageError: When it is wrong, or both a message and its fields are given.
        """
        if message is None:
            given: dict[str, Any] = {**self._defaults, **fields}
            return Message(**given)
        if isinstance(message, Message):
            if fields:
                raise MessageError(
                    f"{', '.join(fields)}: give a Message or its fields, not both"
                )
            return _complete(message, self._defaults)
        return _complete(Message.from_mime(message, **fields), self._defaults)

    @property
    def backends(self) -> dict[str, Backend]:
        """The backends by name, in the order of the split."""
        return self.dispatcher.backends

    def split(self) -> tuple[Share, ...]:
        """Report weights, shares, and what this process assigned and carried."""
        return self.dispatcher.shares()

    def status(self) -> tuple[BackendStatus, ...]:
        """Tell how each backend stands: its health, its room and its share; never blocks.

        Sends nothing and asks nobody: it is what this process has seen.
        """
        now, wall = self.timing.clock(), self.timing.wall()
        return tuple(
            status.status(self.dispatcher, backend, share, now=now, wall=wall)
            for backend, share in zip(self.backends.values(), self.split(), strict=True)
        )

    def drain(self, backend: str) -> None:
        """Give a backend no more messages; those on their way end.

        The split goes on as if it were there, and other backends carry its share, until
        ``undrain``; nothing is paid back then. A message that only it can carry fails with
        an ``UnavailableError`` meanwhile.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        since = self.timing.clock()
        self.dispatcher.drained = {backend: since, **self.dispatcher.drained}
        events.logger.warning("backend %s is drained by hand", backend)

    def undrain(self, backend: str) -> None:
        """Let a drained backend carry its share again; its health decides when.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        left = {n: t for n, t in self.dispatcher.drained.items() if n != backend}
        self.dispatcher.drained = left
        events.logger.warning("backend %s is no longer drained", backend)

    def freeze(self, backend: str) -> None:
        """Keep a backend's health as it is now, whatever happens.

        One in use stays in use, though every message fails over from it; one that is
        cooling stays out. ``drain`` and ``undrain`` work as ever, and so do its limits.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        self.dispatcher.frozen |= {backend}
        events.logger.warning("backend %s is frozen by hand", backend)

    def unfreeze(self, backend: str) -> None:
        """Let a backend's health change by itself again.

        Raises:
            ConfigError: For a name that is not in the split.
        """
        self._must_know(backend)
        self.dispatcher.frozen -= {backend}
        events.logger.warning("backend %s is no longer frozen", backend)

    def _must_know(self, backend: str) -> None:
        if backend not in self.backends:
            names = ", ".join(self.backends)
            raise ConfigError(f"no backend is called {backend!r}; they are {names}")

    def close(self) -> None:
        """Take no more messages, let those of other threads end, and close connections.

        Blocks for at most about ``policy.timeout`` seconds: cutting a message off in the
        middle would leave its outcome unknown.
        """
        self.in_flight.close(self.policy.timeout)
        for backend in self.backends.values():
            backend.close()

    async def aclose(self) -> None:
        """Async version of ``close``, for this event loop; detached attempts included."""
        await self.in_flight.aclose(self.policy.timeout)
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


def _complete(message: Message, defaults: Mapping[str, Any]) -> Message:
    """Fill in what a message lacks; the same one for the same message every time."""
    lacks = {n: value for n, value in defaults.items() if not getattr(message, n)}
    if message.raw is not None:
        # Raw bytes go as they are; only a header From that is missing is added.
        lacks = {"from_": lacks["from_"]} if "from_" in lacks else {}
    if not lacks:
        return message
    # Another mailer may have other defaults, so they are part of what is kept.
    return message.once(f"_with {lacks}", lambda _: _completed(message, lacks))


def _completed(message: Message, lacks: Mapping[str, Any]) -> Message:
    """Give a copy that is the same message: with the same Message-ID and Date."""
    copy = message.model_copy(update=lacks)
    stamp = message.once("_stamp", lambda _: copy.stamp())
    copy.once("_stamp", lambda _: stamp)
    return copy
