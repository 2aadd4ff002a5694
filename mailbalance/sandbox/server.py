"""The box: all doors in one process, on a thread with an event loop of its own.

What lives here: starting, stopping, and what a user asks of the box. What must not: a
provider's rules; those are the doors'.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from mailbalance.sandbox.certificates import server_context
from mailbalance.sandbox.control import control_app
from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.doors import PORTS, Doors
from mailbalance.sandbox.engine import Engine
from mailbalance.sandbox.environment import environment
from mailbalance.sandbox.faults import Fault, Faults, Kind
from mailbalance.sandbox.listening import HOST, Port, take_ports
from mailbalance.sandbox.ses import SesAccount
from mailbalance.sandbox.store import Counts, Door, Store, Stored


class Sandbox:
    """A fake SES and a fake Mailtrap on this machine, by HTTP and by SMTP.

    A context manager, sync or async; or call ``start()`` and ``stop()``. All methods may
    be called from any thread. Nothing but 127.0.0.1 is ever listened on. Addresses like
    ``bounce+550+text@x.com`` ask for a refusal (module ``bounce``).

    Args:
        ports: Fixed ports by name; the others are free ones. Names: ``ses``, ``ses-tls``,
            ``mailtrap``, ``mailtrap-tls``, ``ses-smtp`` (STARTTLS), ``ses-smtps``
            (implicit TLS), ``mailtrap-smtp``, ``mailtrap-smtps``, ``control``.
        credentials: What clients must present; random if not given.
        verified: Domains that may send; ``None`` allows every domain.
        require_tls: Whether the SMTP doors insist on STARTTLS.
        keep: Most messages kept, at most 256 MiB of them; counts are never lost.
        seed: Seed of the generator behind ``fault(..., rate=)``.
        ses_idle: Seconds after which the SES SMTP door closes a silent connection.
        mailtrap_idle: The same for Mailtrap's.

    Attributes:
        credentials: What clients must present.
        faults: What the doors do wrong.
        ses_account: What SES's GetAccount answers.
    """

    def __init__(
        self,
        *,
        ports: Mapping[str, int] | None = None,
        credentials: Credentials | None = None,
        verified: set[str] | frozenset[str] | None = None,
        require_tls: bool = True,
        keep: int = 10_000,
        seed: int = 0,
        ses_idle: float = 10.0,
        mailtrap_idle: float = 60.0,
    ) -> None:
        unknown = set(ports or ()) - set(PORTS)
        if unknown:
            raise ValueError(
                f"unknown port {min(unknown)!r}; there are {', '.join(PORTS)}"
            )
        self.credentials = credentials or Credentials()
        self.faults = Faults(seed)
        self.ses_account = SesAccount()
        self._store = Store(keep)
        self._wanted = dict(ports or {})
        self._ports: dict[str, Port] = {}
        self._doors = Doors(
            store=self._store,
            faults=self.faults,
            credentials=self.credentials,
            verified=None if verified is None else frozenset(map(str.lower, verified)),
            account=self.ses_account,
            require_tls=require_tls,
            idle={"ses-smtp": ses_idle, "mailtrap-smtp": mailtrap_idle},
        )
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._context: ssl.SSLContext | None = None
        self._engine: Engine | None = None

    def start(self) -> Self:
        """Open all doors.

        Raises:
            OSError: A fixed port is taken; nothing is left open.
            RuntimeError: The box is running already.
        """
        if self._engine is not None:
            raise RuntimeError("the local sandbox is running already")
        self._ports = take_ports(PORTS, self._wanted)
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="mailbalance-sandbox-")
            self._context = server_context(self.ca_file)
            self._engine = Engine(self._close)
            self._engine.run(self._open(self._context))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Close all doors and connections; what arrived can still be read."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.stop()
        for port in self._ports.values():
            port.release()
        if self._folder is not None:
            self._folder.cleanup()

    async def _open(self, context: ssl.SSLContext) -> None:
        self._doors.open(self._ports, context, control_app(self))

    async def _close(self) -> None:
        for port in self._ports.values():
            port.release()
        await self._doors.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def ca_file(self) -> Path:
        """PEM file of the throw-away authority behind every TLS port."""
        if self._folder is None:
            raise RuntimeError("the local sandbox has not been started")
        return Path(self._folder.name) / "ca.pem"

    def port(self, name: str) -> int:
        """The number of a port; for the names see the class."""
        return self._ports[name].number

    def urls(self) -> dict[str, str]:
        """The address of every port, by name."""
        return {name: f"{PORTS[name]}://{HOST}:{self.port(name)}" for name in PORTS}

    def environ(self, split: str = "ses=60,mailtrap=40") -> dict[str, str]:
        """Environment variables that point a mailer, and boto3, at these doors."""
        ports = {name: self.port(name) for name in PORTS}
        return environment(split, self.credentials, ports, self.ca_file)

    def messages(self, door: Door | None = None) -> list[Stored]:
        """The messages kept, oldest first, of one door or of all."""
        return self._store.messages(door)

    def message(self, number: int) -> Stored | None:
        """One message by its number, if it is still kept."""
        return self._store.message(number)

    def counts(self) -> dict[Door, Counts]:
        """What happened at each door, messages no longer kept included."""
        return self._store.counts()

    def seen(self) -> Mapping[str, int]:
        """How often each message was accepted for the same recipient, at any door.

        A message is known by its ``demo_id`` (SES tag, Mailtrap custom variable), else by
        its header ``X-Demo-Id``, else by its ``Message-ID``.
        """
        return self._store.seen()

    def duplicates(self) -> Mapping[str, int]:
        """Those of ``seen()`` that were accepted more than once."""
        return {identity: n for identity, n in self.seen().items() if n > 1}

    def clear(self) -> None:
        """Forget messages and counts; faults stay."""
        self._store.clear()

    def fault(
        self,
        door: Door,
        kind: Kind,
        *,
        seconds: float = 0.0,
        code: int | None = None,
        text: str | None = None,
        retry_after: float | None = None,
        count: int | None = None,
        rate: float = 1.0,
    ) -> None:
        """Make a door fail; see `Fault` for what each kind and option does."""
        fault = Fault(
            kind=kind,
            seconds=seconds,
            code=code,
            text=text,
            retry_after=retry_after,
            count=count,
            rate=rate,
        )
        self.faults.add(door, fault)
        if self._engine is not None:
            self._engine.run(self.follow_faults())

    def heal(self, door: Door | None = None) -> None:
        """Take all faults away, from one door or from every door."""
        self.faults.heal(door)
        if self._engine is not None:
            self._engine.run(self.follow_faults())

    async def follow_faults(self) -> None:
        """Shut the ports of refusing doors, open the others; on the box's own loop."""
        if self._context is not None:
            self._doors.follow_faults(self._ports, self._context)
