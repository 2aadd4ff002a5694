"""All doors of one box, put on their ports.

What lives here: which port speaks what, opening them, shutting those that a fault closes,
ending every connection. What must not: threads (``engine``) or a provider's rules.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from uvicorn.server import ServerState

from mailbalance.sandbox.http import App, DoorApp, HttpDoor, connection_factory
from mailbalance.sandbox.listening import Factory, Port
from mailbalance.sandbox.mailtrap import MailtrapDoor
from mailbalance.sandbox.ses import SesAccount, SesDoor
from mailbalance.sandbox.smtp import SmtpProtocol
from mailbalance.sandbox.smtp_doors import SmtpDoor
from mailbalance.sandbox.smtp_providers import MailtrapSmtpDoor, SesSmtpDoor
from mailbalance.sandbox.store import Door, Store

if TYPE_CHECKING:
    from mailbalance.sandbox.credentials import Credentials
    from mailbalance.sandbox.faults import Faults

#: The ports of a box and the scheme of their addresses.
PORTS = {
    "ses": "http",
    "ses-tls": "https",
    "mailtrap": "http",
    "mailtrap-tls": "https",
    "ses-smtp": "smtp",
    "ses-smtps": "smtps",
    "mailtrap-smtp": "smtp",
    "mailtrap-smtps": "smtps",
    "control": "http",
}

#: The door behind each port; ``control`` is none.
_DOOR_OF: dict[str, Door] = {
    "ses": "ses",
    "ses-tls": "ses",
    "mailtrap": "mailtrap",
    "mailtrap-tls": "mailtrap",
    "ses-smtp": "ses-smtp",
    "ses-smtps": "ses-smtp",
    "mailtrap-smtp": "mailtrap-smtp",
    "mailtrap-smtps": "mailtrap-smtp",
}


class Doors:
    """The doors of one box; to be used on its event loop only.

    Args:
        store: Where they put what arrives.
        faults: What they do wrong.
        credentials: What clients must present.
        verified: Domains that may send, or ``None``.
        account: What SES says of the account.
        require_tls: Whether SMTP needs STARTTLS.
        idle: Seconds of silence allowed, by SMTP door.
    """

    def __init__(
        self,
        *,
        store: Store,
        faults: Faults,
        credentials: Credentials,
        verified: frozenset[str] | None,
        account: SesAccount,
        require_tls: bool,
        idle: Mapping[Door, float],
    ) -> None:
        self._faults = faults
        self._http_state = ServerState()
        self._smtp_connections: set[SmtpProtocol] = set()
        self._factories: dict[str, Factory] = {}
        self._store = store
        sent = partial(store.recipients, "ses", "ses-smtp")
        self._http: tuple[HttpDoor, ...] = (
            SesDoor(credentials, verified, sent, account),
            MailtrapDoor(credentials, verified),
        )
        self._smtp: tuple[SmtpDoor, ...] = tuple(
            kind(
                credentials=credentials,
                store=store,
                faults=faults,
                verified=verified,
                require_tls=require_tls,
                idle=idle[kind.name],
            )
            for kind in (SesSmtpDoor, MailtrapSmtpDoor)
        )

    def open(
        self, ports: Mapping[str, Port], context: ssl.SSLContext, control: App
    ) -> None:
        """Open every port that no fault shuts."""
        for http_door in self._http:
            app = DoorApp(http_door, self._store, self._faults)
            refuses = partial(self._faults.refuses, http_door.name)
            factory = connection_factory(app, self._http_state, refuses)
            self._factories[http_door.name] = factory
        for door in self._smtp:
            self._factories[door.name] = partial(
                SmtpProtocol, door, self._smtp_connections, context
            )
        ports["control"].open(connection_factory(control, self._http_state))
        self.follow_faults(ports, context)

    def follow_faults(self, ports: Mapping[str, Port], context: ssl.SSLContext) -> None:
        """Shut the ports of doors that refuse, open those of the others."""
        for name, door in _DOOR_OF.items():
            if self._faults.closed(door):
                ports[name].shut()
            else:
                tls = PORTS[name] in {"https", "smtps"}
                factory = self._factories[door]
                ports[name].open(factory, context if tls else None)

    async def close(self) -> None:
        """End every connection and every task at once; the ports are shut already."""
        await _turn_loop()  # connections accepted a moment ago come in
        for connection in tuple(self._http_state.connections):
            connection.transport.abort()
        for smtp in tuple(self._smtp_connections):
            smtp.abort()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # delays, and TLS handshakes that have not ended
        await _turn_loop()  # sockets are closed


async def _turn_loop() -> None:
    # from accept to connection_made, and from abort to the closed socket behind TLS, it
    # takes asyncio three turns
    for _ in range(5):
        await asyncio.sleep(0)
