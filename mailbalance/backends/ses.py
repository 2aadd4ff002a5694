"""Amazon SES by its v2 API: one signed POST for each message.

What lives here: ``SesBackend``, which joins the mapping (``_ses_request``), the signature,
the wire and the table of errors. What must not: any of these themselves.

Source: Amazon SES API v2 reference, SendEmail (2026-11).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from mailbalance.backend import Limits, Receipt
from mailbalance.backends import _http
from mailbalance.backends._ses_errors import EXPIRED
from mailbalance.backends._ses_limits import LIMITS, reason_against
from mailbalance.backends._ses_reply import receipt
from mailbalance.backends._ses_request import request_body
from mailbalance.backends._ses_settings import OPTIONS, given_endpoint, given_keys
from mailbalance.errors import ConfigError, DeliveryError, UnavailableError
from mailbalance.fork_lock import ForkLock
from mailbalance.secret import hidden, hushed
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.http.clients import check
from mailbalance.wire.sigv4 import Keys, sign

if TYPE_CHECKING:
    from mailbalance.config import BackendSettings
    from mailbalance.message import Envelope, Message
    from mailbalance.wire.http.clients import AsyncClient, Client

_PATH = "/v2/email/outbound-emails"


@dataclass(frozen=True, slots=True)
class _Door:
    """Where requests go, once that is known."""

    url: str
    region: str
    wire: HttpWire


class SesBackend:
    """Sends through SES's API.

    Keys, region and endpoint not given here are found where boto3 finds them, at the
    first send. Asking for keys can block: ``asend`` does it in a thread, and a ``send``
    waits as long as botocore does.

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
        environ: Mapping[str, str] | None = None,
        http_client: Client | None = None,
        async_http_client: AsyncClient | None = None,
    ) -> None:
        check(name, http_client, async_http_client)
        keys = given_keys(name, access_key, secret_key, session_token)
        _http.check_base(name, "endpoint", endpoint, ca)
        self._name = name
        self._configuration_set = configuration_set
        self._account = account
        self._ca = ca
        self._environ = None if environ is None else hidden(environ)
        self._clients = (http_client, async_http_client)
        self._lock = ForkLock()
        self._opened: _Door | None = None
        self._aws = AwsChain(
            backend=name,
            region=region,
            endpoint=endpoint,
            keys=keys,
            profile=profile,
            environ=environ,
        )

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
        return []

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
        return LIMITS

    def __repr__(self) -> str:
        where = self._opened.url if self._opened else self._aws.likely_region()
        return f"<SesBackend {self._name} {where or 'region not known yet'}>"

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Say why SES cannot carry the message, or ``None`` when it can."""
        return reason_against(message, envelope)

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Show the request with its signature masked; asks nobody for keys."""
        try:
            door = self._door()
        except DeliveryError as error:
            return f"SES cannot be used: {error}"
        keys = Keys("***", "***")
        return _http.shown(self._request(door, self._body(message, envelope), keys))

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Make one attempt; see ``Backend.send``."""
        end = time.monotonic() + timeout
        door, body = self._door(), self._body(message, envelope)
        keys = self._aws.keys()
        try:
            request = self._request(door, body, keys)
            response = door.wire.post(request, timeout=end - time.monotonic())
            return receipt(self._name, response, message, envelope, keys)
        except UnavailableError as error:
            self._forget(keys, error)
            fresh = self._aws.keys()
            if fresh == keys:
                raise
        request = self._request(door, body, fresh)
        response = door.wire.post(request, timeout=end - time.monotonic())
        return receipt(self._name, response, message, envelope, fresh)

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Make one attempt; see ``Backend.asend``."""
        end = time.monotonic() + timeout
        door = self._opened
        if door is None:  # reads files, and botocore takes its time
            door = await asyncio.to_thread(self._door)
        body = self._body(message, envelope)
        keys = await self._aws.akeys(timeout=end - time.monotonic())
        try:
            request = self._request(door, body, keys)
            response = await door.wire.apost(request, timeout=end - time.monotonic())
            return receipt(self._name, response, message, envelope, keys)
        except UnavailableError as error:
            self._forget(keys, error)
            fresh = await self._aws.akeys(timeout=end - time.monotonic())
            if fresh == keys:
                raise
        request = self._request(door, body, fresh)
        response = await door.wire.apost(request, timeout=end - time.monotonic())
        return receipt(self._name, response, message, envelope, fresh)

    def close(self) -> None:
        """Close the connections of ``send``."""
        if self._opened is not None:
            self._opened.wire.close()

    async def aclose(self) -> None:
        """Close the connections of ``asend`` in the running event loop."""
        if self._opened is not None:
            await self._opened.wire.aclose()

    def _body(self, message: Message, envelope: Envelope) -> bytes:
        body = request_body(
            message, envelope, configuration_set=self._configuration_set
        )
        return _http.encoded(body)

    def _request(self, door: _Door, body: bytes, keys: Keys) -> HttpRequest:
        headers = sign(
            door.url,
            {"Content-Type": "application/json"},
            body,
            keys=keys,
            region=door.region,
            now=datetime.now(UTC),
        )
        return HttpRequest("POST", door.url, headers, body)

    def _forget(self, keys: Keys, error: UnavailableError) -> None:
        """Make room for new keys after an error that new keys can mend, else raise it."""
        if error.code not in EXPIRED:
            raise error
        self._aws.forget(keys)

    def _door(self) -> _Door:
        """Find out, once, where requests go."""
        if self._opened is None:
            with self._lock.held():
                if self._opened is None:
                    self._opened = self._open()
        return self._opened

    def _open(self) -> _Door:
        base = self._aws.endpoint()
        problem = _http.plaintext_problem(base, "the endpoint for SES")
        if problem is not None:
            raise UnavailableError(problem, backend=self._name, phase="connect")
        client, async_client = self._clients
        wire = HttpWire(
            backend=self._name,
            ca=self._ca or self._aws.ca_bundle(),
            environ=self._environ,
            client=client,
            async_client=async_client,
        )
        return _Door(base + _PATH, self._aws.region(), wire)
