"""Mailtrap by SMTP: hosts, headers, limits and replies.

What lives here: all that is Mailtrap's own about SMTP. What must not: the dialogue itself.

Sources: docs.mailtrap.io, "SMTP integration", "Custom variables", "Email categories" and
"Sending limits", and its Email Sandbox pages; read 2026-11-23.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Literal, cast

from mailbalance.backend import Limits
from mailbalance.backends import _pace
from mailbalance.backends._mailtrap_pace import SMTP
from mailbalance.backends._mailtrap_smtp_replies import REPLIES
from mailbalance.backends._mailtrap_variables import MOST, variables
from mailbalance.backends._smtp import SmtpBackend
from mailbalance.backends._smtp_options import Problems, read_server
from mailbalance.errors import ConfigError
from mailbalance.rules.header_rules import LONGEST_STRETCH
from mailbalance.secret import hushed
from mailbalance.wire.net.tls import ca_of_requests
from mailbalance.wire.smtp import Credentials, Reuse, Server, SmtpWire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from mailbalance.config import BackendSettings
    from mailbalance.config.rates import Whole
    from mailbalance.message import Message
    from mailbalance.wire.net.deadline import Deadline

Stream = Literal["transactional", "bulk"]

#: The host of each stream.
HOSTS: dict[Stream, str] = {
    "transactional": "live.smtp.mailtrap.io",
    "bulk": "bulk.smtp.mailtrap.io",
}
SANDBOX_HOST = "sandbox.smtp.mailtrap.io"

#: The user name that goes with an API token.
TOKEN_USER = "api"  # noqa: S105 - no secret

#: For SMTP no limit of recipients is published; 1000 is the API's for one list.
LIMITS = Limits(
    size=10 * 1024 * 1024,
    recipients=1000,
    source="https://docs.mailtrap.io/email-api-smtp/setup/sending-limits",
    checked=date(2026, 11, 23),
)

#: 100 messages on one connection is published; the time it may rest is not, so 30 s is a
#: guess on the safe side of the usual minute. The connections are those to a host that
#: nothing is known of.
REUSE = Reuse(connections=8, messages=100, idle=30.0)

#: Connections kept for messages that name the other stream, out of all that there may be.
OTHER_STREAM = 2

#: Options of SES that change what a message is, each with what it stands for.
_ONLY_SES = {
    "contact_list": "SES keeps the contact list and makes the unsubscribe link",
    "tenant": "Mailtrap has no tenants",
    "endpoint_id": "Mailtrap has no multi-region endpoints",
}

OPTIONS = frozenset({"tls", "stream", "sandbox", "ca", "account"}) | _pace.OPTIONS

_ID = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<=queued as )\S+", re.IGNORECASE
)
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class MailtrapSmtpBackend(SmtpBackend):
    """Sends through Mailtrap's SMTP servers.

    Args:
        name: Its name in the split.
        token: API token; goes with the user name ``api``.
        user: User name; the Mailtrap Sandbox has its own.
        password: Password; the token if not given.
        stream: ``"transactional"`` or ``"bulk"``, for messages that name none.
        sandbox: Whether to use the Mailtrap Sandbox instead, where nothing is delivered.
        host: Replaces Mailtrap's host.
        port: 587, 2525 or 25 (STARTTLS), 465 (TLS at once).
        tls: ``"starttls"``, ``"implicit"`` or ``"off"`` instead of what the port implies.
        ca: Path of a PEM file to trust instead of the system's certificates.
        account: What quotas belong to.
        rate: How fast to send, such as ``50/hour``.
        concurrency: Messages at once.
        processes: How many processes share these limits and the account's connections.
        environ: Read in place of the environment, for ``REQUESTS_CA_BUNDLE``.

    Raises:
        ConfigError: With every problem found.
    """

    @hushed
    def __init__(
        self,
        name: str = "mailtrap-smtp",
        *,
        token: str | None = None,
        user: str = TOKEN_USER,
        password: str | None = None,
        stream: str = "transactional",
        sandbox: bool = False,
        host: str | None = None,
        port: int = 587,
        tls: str | None = None,
        ca: str | None = None,
        account: str | None = None,
        rate: str | None = None,
        concurrency: Whole = None,
        processes: Whole = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name)
        self._account = account or ("mailtrap-sandbox" if sandbox else "mailtrap")
        problems = Problems(name)
        pace = _pace.read_pace(problems, name, rate, concurrency, processes)
        self.limits = pace.over(LIMITS, SMTP if host is None else None)
        _must_agree(problems, token, password, stream)
        if sandbox and host is None and user == TOKEN_USER:
            problems.add(
                "the Mailtrap Sandbox has its own SMTP user and password; "
                "give them instead of the API token"
            )
        self._stream = cast("Stream", stream)
        self._one_host = host or (SANDBOX_HOST if sandbox else None)
        secret = password or token
        credentials = problems.watch(
            lambda: Credentials(user, secret) if secret else None
        )
        server = read_server(
            problems,
            self._one_host or SANDBOX_HOST,
            port=port,
            tls=tls,
            credentials=credentials,
            ca=ca or ca_of_requests(environ),
        )
        if server is None or problems:
            raise ConfigError(problems)
        streams: Iterable[Stream] = [self._stream] if self._one_host else HOSTS
        self._wires = {each: self._new_wire(server, each) for each in streams}

    @classmethod
    @hushed
    def from_settings(cls, settings: BackendSettings) -> Self:
        """Make one as configured.

        Raises:
            ConfigError: With every problem in the settings; no value is shown.
        """
        options = settings.options
        problems = Problems(settings.name, settings.unknown_options(OPTIONS))
        sandbox = options.get("sandbox", "").lower()
        if sandbox not in _TRUE | _FALSE:
            problems.add("sandbox= must be 1 or 0")
        secret = settings.secret.get_secret_value() if settings.secret else None
        made = problems.watch(
            lambda: cls(
                settings.name,
                token=None if settings.user else secret,
                user=settings.user or TOKEN_USER,
                password=secret if settings.user else None,
                stream=options.get("stream", "transactional"),
                sandbox=sandbox in _TRUE,
                host=settings.host,
                port=settings.port or 587,
                tls=options.get("tls"),
                ca=options.get("ca"),
                account=options.get("account"),
                rate=options.get("rate"),
                concurrency=options.get("concurrency"),
                processes=options.get("processes"),
                environ=settings.environ,
            )
        )
        if made is None or problems:
            raise ConfigError(problems)
        return made

    @property
    def account(self) -> str:
        """Quotas belong to a Mailtrap account; the Mailtrap Sandbox has its own."""
        return self._account

    def __repr__(self) -> str:
        server = self._wires[self._stream].server
        return f"MailtrapSmtpBackend({self.name!r}, {server.where})"

    def where(self, message: Message) -> Server:
        """Give the server of the message's stream."""
        return self.wire(message).server

    def wire(
        self, message: Message | None, deadline: Deadline | None = None
    ) -> SmtpWire:
        """Give the wire to the message's stream; to its own, for a probe."""
        named = message.stream if message and not self._one_host else None
        return self._wires[named or self._stream]

    def wires(self) -> Iterable[SmtpWire]:
        """Give every wire."""
        return self._wires.values()

    def control_headers(self, message: Message) -> list[tuple[str, str]]:
        """Give the category and the custom variables."""
        headers = []
        if message.category is not None:
            headers.append(("X-MT-Category", message.category))
        if found := variables(message, lambda each: len(_one_line(each))):
            headers.append(("X-MT-Custom-Variables", _one_line(found)))
        return headers

    def unable(self, message: Message) -> str | None:
        """Refuse what only SES can do, and metadata that Mailtrap would drop."""
        for name, why in _ONLY_SES.items():
            if getattr(message.ses, name):
                return f"ses[{name!r}]: {why}"
        if not message.metadata:
            return None
        text = _one_line(message.metadata)
        if len(text) > MOST:
            return (
                f"metadata: {len(text)} bytes as JSON, and Mailtrap takes "
                f"{MOST} and drops all of it beyond"
            )
        if max(map(len, text.split())) > LONGEST_STRETCH:
            return f"metadata: over {LONGEST_STRETCH} characters without a space"
        return None

    def ids(self, reply: str) -> tuple[str, ...]:
        """Read what looks like an id; Mailtrap does not say where one stands."""
        return tuple(_ID.findall(reply)[:1])

    def _new_wire(self, server: Server, stream: Stream) -> SmtpWire:
        return SmtpWire(
            replace(server, host=self._one_host or HOSTS[stream]),
            backend=self.name,
            rules=REPLIES,
            reuse=replace(REUSE, connections=self._connections(stream)),
        )

    def _connections(self, stream: Stream) -> int:
        """Share the connections there may be between the two streams' hosts."""
        most = self.limits.concurrency
        if most is None or self._one_host:
            return most or REUSE.connections
        other = min(OTHER_STREAM, max(1, most // 2))
        return other if stream != self._stream else max(1, most - other)


def _must_agree(
    problems: Problems, token: str | None, password: str | None, stream: str
) -> None:
    if not (token or password):
        problems.add("no token; set MAILTRAP_API_TOKEN, or give it in its URL")
    elif token and password:
        problems.add("token and password are both given; give one")
    if stream not in HOSTS:
        problems.add(f"stream= must be one of {', '.join(HOSTS)}")


def _one_line(found: Mapping[str, str]) -> str:
    """Write custom variables as one line of ASCII JSON that any folding leaves intact.

    Header folding may turn a run of white space into another, so in the texts only single
    spaces stay bare.
    """
    text = json.dumps(dict(found))
    return re.sub(r"(?<= ) ", r"\\u0020", text)
