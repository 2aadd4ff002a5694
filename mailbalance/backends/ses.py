"""Amazon SES by its v2 API: one signed POST for each message.

What lives here: ``SesBackend``, which joins the mapping (``_ses_request``), the calls
(``_ses_caller``) and what replies mean. What must not: any of these themselves.

Source: Amazon SES API v2 reference, SendEmail (2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from mailbalance.backend import Limits, Rate, Receipt
from mailbalance.backends import _http, _json
from mailbalance.backends._pace import read_pace
from mailbalance.backends._ses_account import PATH, account_rates
from mailbalance.backends._ses_batching import SesBulk
from mailbalance.backends._ses_bulk import LOAD
from mailbalance.backends._ses_caller import Call, SesCaller
from mailbalance.backends._ses_limits import LIMITS, reason_against
from mailbalance.backends._ses_reply import receipt
from mailbalance.backends._ses_request import request_body
from mailbalance.backends._ses_settings import (
    OPTIONS,
    given_endpoint,
    given_keys,
    region_problem,
)
from mailbalance.errors import ConfigError, DeliveryError
from mailbalance.secret import hidden, hushed
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.http import HttpWire
from mailbalance.wire.http.user_clients import check
from mailbalance.wire.net.pool import CONNECTIONS
from mailbalance.wire.sigv4 import Keys

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from mailbalance.backend import Answer
    from mailbalance.batch import Mail
    from mailbalance.config import BackendSettings
    from mailbalance.config.rates import Whole
    from mailbalance.message import Envelope, Message
    from mailbalance.wire.http import HttpResponse
    from mailbalance.wire.http.user_clients import AsyncClient, Client

_PATH = "/v2/email/outbound-emails"


class SesBackend:
    """Sends through SES's API.

    Keys, region and endpoint not given here are found where boto3 finds them, at the
    first send. That can take long; it is done in a thread, for which a send waits no
    longer than opening a connection may take. What comes later serves the next send.

    Args:
        name: Its name in the split.
        region: The AWS region.
        endpoint: Base URL in place of the region's own; plaintext to loopback only.
        access_key: With ``secret_key``, the keys to sign with.
        secret_key: Never shown.
        session_token: Of temporary keys.
        profile: A profile of the AWS configuration files.
        configuration_set: For messages that name none.
        ca: Path of a PEM file to trust, before ``AWS_CA_BUNDLE``.
        account: Who shares its quotas; default ``ses/<region>``.
        rate: How fast to send, such as ``50/hour`` or ``14 recipients/s``; with ``auto``,
            as fast as SES says that the account may.
        concurrency: Messages at once.
        processes: How many processes share these limits and the account.
        environ: Replaces the environment of the process, whole.
        http_client: A user's own ``httpx2.Client`` or ``httpx.Client`` for ``send``.
        async_http_client: The same for ``asend``.

    Raises:
        ConfigError: When the arguments cannot work, with every problem.
    """

    @hushed
    def __init__(
        self,
        name: str = "ses",
        *,
        region: str | None = None,
        endpoint: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        profile: str | None = None,
        configuration_set: str | None = None,
        ca: str | None = None,
        account: str | None = None,
        rate: str | None = None,
        concurrency: Whole = None,
        processes: Whole = None,
        environ: Mapping[str, str] | None = None,
        http_client: Client | None = None,
        async_http_client: AsyncClient | None = None,
    ) -> None:
        check(name, http_client, async_http_client)
        keys = given_keys(name, access_key, secret_key, session_token)
        problems: list[str] = []
        self._pace = read_pace(problems, name, rate, concurrency, processes, auto="")
        _http.check_base(name, "endpoint", endpoint, ca, problems)
        self._name = name
        self._configuration_set = configuration_set
        self._account = account
        self._ca = ca
        self._environ = None if environ is None else hidden(environ)
        self._clients = (http_client, async_http_client)
        #: Our own wire's attempts may be continued by another task; see ``adopt``.
        self.adopts = async_http_client is None
        self._aws = AwsChain(
            backend=name,
            region=region,
            endpoint=endpoint,
            keys=keys,
            profile=profile,
            environ=environ,
        )
        if (problem := region_problem(name, self._aws.likely_region())) is not None:
            raise ConfigError(problem)
        self._caller = SesCaller(name, self._aws, self._new_wire)
        self._bulk = SesBulk(self._caller, configuration_set)
        self._limits = self._pace.over(LIMITS)

    @classmethod
    @hushed
    def from_settings(cls, settings: BackendSettings) -> Self:
        """Make one as configured.

        Raises:
            ConfigError: With every problem found; values are never shown.
        """
        problems = settings.unknown_options(OPTIONS)
        options = settings.options
        endpoint, wrong = given_endpoint(settings)
        problems += wrong
        secret = settings.secret.get_secret_value() if settings.secret else None
        try:
            made = cls(
                settings.name,
                access_key=settings.user,
                secret_key=secret,
                endpoint=endpoint,
                region=options.get("region"),
                session_token=options.get("session_token"),
                profile=options.get("profile"),
                configuration_set=options.get("configuration_set"),
                ca=options.get("ca"),
                account=options.get("account"),
                rate=options.get("rate"),
                concurrency=options.get("concurrency"),
                processes=options.get("processes"),
                environ=settings.environ,
            )
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from None
        if not (endpoint or settings.idle):
            problems += made.lacks()
        if problems:
            raise ConfigError(problems)
        return made

    def lacks(self) -> list[str]:
        """Say what is missing that can be known without asking anybody: the region.

        A split with one side that cannot work would send everything by the other, and
        nobody would notice. Keys may come from a role, so that only a send can tell.
        """
        try:
            self._aws.region()
        except DeliveryError as error:
            return [f"{self._name}: {error.detail}"]
        spoilt = self._aws.spoilt()
        return [] if spoilt is None else [f"{self._name}: {spoilt}"]

    @property
    def name(self) -> str:
        """Its name in the split."""
        return self._name

    @property
    def account(self) -> str:
        """Quotas of SES belong to an AWS account and region."""
        if self._account is None:
            try:
                self._account = f"ses/{self._aws.region()}"
            except DeliveryError:
                return "ses"
        return self._account

    @property
    def limits(self) -> Limits:
        """What SES can carry."""
        return self._limits

    @property
    def learns(self) -> bool:
        """Whether SES is to be asked for the account's limits (``rate=auto``)."""
        return self._pace.auto

    def __repr__(self) -> str:
        door = self._caller.opened
        where = door.base if door else self._aws.likely_region()
        return f"<SesBackend {self._name} {where or 'region not known yet'}>"

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Say why SES cannot carry the message, or ``None`` when it can."""
        return reason_against(message, envelope)

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Show the request with its signature masked; asks nobody for keys."""
        try:
            door = self._caller.door()
        except DeliveryError as error:
            return f"SES cannot be used: {error}"
        keys = Keys("***", "***")
        call = self._call(message, envelope)
        return _http.shown(self._caller.request(door, call, keys))

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Make one attempt; see ``Backend.send``."""
        return self._caller.ask(self._call(message, envelope), timeout)

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Make one attempt; see ``Backend.asend``."""
        return await self._caller.aask(self._call(message, envelope), timeout)

    #: How much one bulk call takes.
    load = LOAD

    def lane(self, message: Message) -> Hashable | None:
        """Let messages of one stored template go together; all others go alone."""
        return self._bulk.lane(message)

    def send_batch(self, mails: Sequence[Mail], *, timeout: float) -> Sequence[Answer]:
        """Make one attempt for each message in one call; see ``Batching.send_batch``."""
        if len(mails) == 1:
            return [self.send(*mails[0], timeout=timeout)]
        return self._bulk.ask(mails, timeout)

    async def asend_batch(
        self, mails: Sequence[Mail], *, timeout: float
    ) -> Sequence[Answer]:
        """Make one attempt for each message in one call; see ``Batching.asend_batch``."""
        if len(mails) == 1:
            return [await self.asend(*mails[0], timeout=timeout)]
        return await self._bulk.aask(mails, timeout)

    def probe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Ask SES about the account (GetAccount); see ``Probing.probe``."""
        return self._caller.ask(self._question(), timeout)

    async def aprobe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Ask SES about the account (GetAccount); see ``Probing.aprobe``."""
        return await self._caller.aask(self._question(), timeout)

    def connections(self) -> tuple[int, int] | None:
        """Give how many connections are in use and how many rest, if they are ours."""
        door = self._caller.opened
        return (0, 0) if door is None else door.wire.occupancy()

    def close(self) -> None:
        """Close the connections of ``send``."""
        if self._caller.opened is not None:
            self._caller.opened.wire.close()

    async def aclose(self) -> None:
        """Close the connections of ``asend`` in the running event loop."""
        if self._caller.opened is not None:
            await self._caller.opened.wire.aclose()

    def _call(self, message: Message, envelope: Envelope) -> Call[Receipt]:
        body = request_body(
            message, envelope, configuration_set=self._configuration_set
        )

        def read(response: HttpResponse, keys: Keys) -> Receipt:
            return receipt(self._name, response, message, envelope, keys)

        return Call("POST", _PATH, read, _json.encoded(body))

    def _question(self) -> Call[tuple[Rate, ...]]:
        def read(response: HttpResponse, keys: Keys) -> tuple[Rate, ...]:
            rates = account_rates(self._name, response, keys)
            return self._pace.share(rates) if self._pace.auto else ()

        return Call("GET", PATH, read)

    def _new_wire(self) -> HttpWire:
        client, async_client = self._clients
        return HttpWire(
            backend=self._name,
            ca=self._ca or self._aws.ca_bundle(),
            environ=self._environ,
            client=client,
            async_client=async_client,
            connections=self._limits.concurrency or CONNECTIONS,
        )
