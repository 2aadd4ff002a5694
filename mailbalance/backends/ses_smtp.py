"""Amazon SES by SMTP: hosts, credentials, headers, limits and replies.

What lives here: all that is SES's own about SMTP. What must not: the dialogue itself, or
asking AWS's files and services for keys; that is ``wire.aws``.

Sources: Amazon SES Developer Guide, "Using the Amazon SES SMTP interface to send email",
"Obtaining Amazon SES SMTP credentials", "Amazon SES SMTP issues" and "Service quotas";
read 2026-11-23.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from mailbalance.backend import Limits
from mailbalance.backends import _pace, _ses_form, _ses_tags
from mailbalance.backends._ses_errors import Facts
from mailbalance.backends._ses_settings import region_problem
from mailbalance.backends._ses_smtp_keys import TEMPORARY, from_environ, smtp_password
from mailbalance.backends._ses_smtp_replies import REPLIES, verdict_for
from mailbalance.backends._smtp import SmtpBackend
from mailbalance.backends._smtp_options import Problems, read_server
from mailbalance.errors import (
    ConfigError,
    DeliveryError,
    UnavailableError,
)
from mailbalance.fork_lock import ForkLock
from mailbalance.secret import hidden, hushed
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.net.deadline import OPENING, Deadline
from mailbalance.wire.net.tls import ca_of_requests
from mailbalance.wire.sigv4 import Keys
from mailbalance.wire.smtp import Credentials, Reuse, Server, SmtpWire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from mailbalance.config import BackendSettings
    from mailbalance.config.rates import Whole
    from mailbalance.message import Envelope, Message

LIMITS = Limits(
    size=40 * 1024 * 1024,
    recipients=50,
    source="https://docs.aws.amazon.com/ses/latest/dg/quotas.html",
    checked=date(2026, 11, 23),
)

#: SES ends a session that rests for about 10 s, and moves its hosts about.
REUSE = Reuse(connections=8, messages=100, idle=8.0, age=300.0)

OPTIONS = _pace.OPTIONS | {"region", "tls", "configuration_set", "ca", "account"}

_OK_ID = re.compile(r"Ok ([0-9A-Za-z-]+)")


class SesSmtpBackend(SmtpBackend):
    """Sends through SES's SMTP servers.

    Credentials are, in this order: those given; ``SES_SMTP_USERNAME`` and
    ``SES_SMTP_PASSWORD``; a password derived from the AWS keys that botocore's chain finds
    when the first message is sent.

    Args:
        name: Its name in the split.
        region: AWS region; else as botocore finds it.
        username: SMTP user name.
        password: SMTP password.
        access_key: IAM access key id, to derive SMTP credentials from.
        secret_key: IAM secret key.
        host: Replaces SES's host.
        port: 587, 2587 or 25 (STARTTLS), 465 or 2465 (TLS at once).
        tls: ``"starttls"``, ``"implicit"`` or ``"off"`` instead of what the port implies.
        configuration_set: For messages that name none.
        ca: Path of a PEM file to trust instead of the system's certificates; else
            ``AWS_CA_BUNDLE`` or ``REQUESTS_CA_BUNDLE``, as boto3 has it.
        account: What quotas belong to.
        rate: How fast to send, such as ``50/hour`` or ``14 recipients/s``.
        concurrency: Messages at once.
        processes: How many processes share these limits.
        environ: Replaces the environment of the process.

    Raises:
        ConfigError: With every problem found.
    """

    @hushed
    def __init__(
        self,
        name: str = "ses-smtp",
        *,
        region: str | None = None,
        username: str | None = None,
        password: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        host: str | None = None,
        port: int = 587,
        tls: str | None = None,
        configuration_set: str | None = None,
        ca: str | None = None,
        account: str | None = None,
        rate: str | None = None,
        concurrency: Whole = None,
        processes: Whole = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        problems = Problems(name)
        pace = _pace.read_pace(problems, name, rate, concurrency, processes)
        self.limits = pace.over(LIMITS)
        self._reuse = replace(REUSE, connections=pace.at_once() or REUSE.connections)
        keys = problems.pair(access_key, secret_key, "access_key and secret_key")
        given = problems.pair(username, password, "user name and password")
        said = hidden(environ)
        if given is None and keys is None and not problems:
            given = from_environ(said, problems)
        found = Keys(*keys) if keys else None
        self._chain = AwsChain(backend=name, region=region, keys=found, environ=environ)
        region = self._chain.likely_region()
        if (problem := region_problem(name, region)) is not None:
            problems.add(problem)
        super().__init__(name)
        self._account = account
        self._configuration_set = configuration_set
        self._host = host
        self._credentials = problems.watch(
            lambda: Credentials(*given) if given else None
        )
        server = read_server(
            problems,
            host or _host(region or "REGION"),
            port=port,
            tls=tls,
            credentials=self._credentials,
            ca=ca or said.get("AWS_CA_BUNDLE") or ca_of_requests(said),
        )
        if server is None or problems:
            raise ConfigError(problems)
        self._server = server
        self._lock = ForkLock()
        self._made: SmtpWire | None = None

    @classmethod
    @hushed
    def from_settings(cls, settings: BackendSettings) -> Self:
        """Make one as configured.

        Raises:
            ConfigError: With every problem in the settings; no value is shown.
        """
        options = settings.options
        problems = Problems(settings.name, settings.unknown_options(OPTIONS))
        secret = settings.secret.get_secret_value() if settings.secret else None
        made = problems.watch(
            lambda: cls(
                settings.name,
                region=options.get("region"),
                username=settings.user,
                password=secret,
                host=settings.host,
                port=settings.port or 587,
                tls=options.get("tls"),
                configuration_set=options.get("configuration_set"),
                ca=options.get("ca"),
                account=options.get("account"),
                rate=options.get("rate"),
                concurrency=options.get("concurrency"),
                processes=options.get("processes"),
                environ=settings.environ,
            )
        )
        if made is not None and settings.host is None and not settings.idle:
            problems += made.lacks()
        if made is None or problems:
            raise ConfigError(problems)
        return made

    def lacks(self) -> list[str]:
        """Say what is missing that can be known without asking anybody: the region."""
        try:
            self._chain.region()
        except DeliveryError as error:
            return [f"{self.name}: {error.detail}"]
        spoilt = None if self._credentials else self._chain.spoilt()
        return [] if spoilt is None else [f"{self.name}: {spoilt}"]

    @property
    def account(self) -> str:
        """Quotas of SES belong to an AWS account and region."""
        if self._account is None:
            try:
                self._account = f"ses/{self._chain.region()}"
            except DeliveryError:
                return "ses"
        return self._account

    def __repr__(self) -> str:
        return f"SesSmtpBackend({self.name!r}, {self._server.where})"

    def where(self, message: Message) -> Server:
        """Give the region's server."""
        return self._made.server if self._made else self._server

    def wire(
        self, message: Message | None, deadline: Deadline | None = None
    ) -> SmtpWire:
        """Return the one wire; the first call may wait for botocore's chain.

        Raises:
            UnavailableError: When there are no keys, temporary ones only, or no region.
            TransientError: When keys could not be had in time.
        """
        if self._made is not None:
            return self._made
        chain, deadline = self._chain, deadline or Deadline(2 * OPENING, commits=False)
        keys = None
        if self._credentials is None:
            keys = chain.keys(timeout=deadline.opening())
        if self._wants_region:
            chain.within(deadline.opening(), chain.region)
        return self._make(keys)

    async def awire(self, message: Message | None, deadline: Deadline) -> SmtpWire:
        """Async version of ``wire``."""
        if self._made is not None:
            return self._made
        chain, keys = self._chain, None
        if self._credentials is None:
            keys = await chain.akeys(timeout=deadline.opening())
        if self._wants_region:
            await chain.awithin(deadline.opening(), chain.region)
        return self._make(keys)

    def wires(self) -> Iterable[SmtpWire]:
        """Give the wire, if there is one."""
        return () if self._made is None else (self._made,)

    def control_headers(self, message: Message) -> list[tuple[str, str]]:
        """Give the headers that SES reads and takes out."""
        ses = message.ses
        tags = ", ".join([f"{name}={text}" for name, text in _ses_tags.tags(message)])
        contacts = ses.contact_list
        if contacts and ses.topic:
            contacts = f"{contacts}; topic={ses.topic}"
        said = {
            "X-SES-CONFIGURATION-SET": ses.configuration_set or self._configuration_set,
            "X-SES-MESSAGE-TAGS": tags,
            "X-SES-SOURCE-ARN": ses.source_arn,
            "X-SES-FROM-ARN": ses.from_arn,
            "X-SES-RETURN-PATH-ARN": ses.return_path_arn or ses.feedback_arn,
            "X-SES-LIST-MANAGEMENT-OPTIONS": contacts,
            "X-SES-TENANT": ses.tenant,
        }
        return [(name, text) for name, text in said.items() if text]

    def sender(self, message: Message, envelope: Envelope) -> str:
        """Let bounces go to the feedback address, if there is one."""
        return message.ses.feedback_address or envelope.sender

    def refined(
        self, error: DeliveryError, message: Message, envelope: Envelope
    ) -> DeliveryError:
        """Return the error that the API would give, which knows what the message named."""
        if not isinstance(error, UnavailableError):
            return error
        verdict = verdict_for(error, Facts.of(message, envelope))
        if verdict is None:
            return error
        made = verdict.error(
            f"{error.detail} ({verdict.hint})",
            backend=error.backend,
            code=error.code,
            phase=error.phase,
            refused=error.refused,
        )
        if error.deferred:
            made.deferred = error.deferred
        return made

    def unable(self, message: Message) -> str | None:
        """Refuse what SES takes by API only, and what it takes in no way."""
        ses = message.ses
        if ses.open_tracking is not None or ses.click_tracking is not None:
            return "ses: tracking cannot be overridden over SMTP"
        if ses.endpoint_id is not None:
            return "ses['endpoint_id']: no endpoint can be named over SMTP"
        problem = _ses_tags.problem(message)
        return f"metadata: {problem}" if problem else _ses_form.fault(message)

    def ids(self, reply: str) -> tuple[str, ...]:
        """Read the MessageId, the same that the API would have given."""
        return tuple(_OK_ID.findall(reply)[:1])

    @property
    def _wants_region(self) -> bool:
        """Whether a file has to be read for the region."""
        needed = self._host is None or self._credentials is None
        return needed and self._chain.likely_region() is None

    def _make(self, keys: Keys | None) -> SmtpWire:
        """Make the wire, with what was not known at construction."""
        with self._lock.held():
            if self._made is None:
                server = replace(
                    self._server,
                    host=self._host or _host(self._chain.region()),
                    credentials=self._credentials or self._derived(keys),
                )
                self._made = SmtpWire(
                    server, backend=self.name, rules=REPLIES, reuse=self._reuse
                )
        return self._made

    def _derived(self, keys: Keys | None) -> Credentials:
        if keys is None or keys.token:
            raise UnavailableError(TEMPORARY, backend=self.name, phase="credentials")
        return Credentials(
            keys.access_key, smtp_password(keys.secret_key, self._chain.region())
        )


def _host(region: str) -> str:
    return f"email-smtp.{region}.amazonaws.com"
