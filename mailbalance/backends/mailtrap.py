"""Mailtrap by its sending API: one POST with a Bearer token for each message.

What lives here: ``MailtrapBackend``, which joins the mapping (``_mailtrap_request``), the
hosts of the streams, the wire and the table of errors. What must not: any of these.

Source: Mailtrap's OpenAPI files for transactional, bulk and Mailtrap Sandbox sending
(2026-06).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from mailbalance.backend import Rate, Receipt
from mailbalance.backends import _http, _json, _mailtrap_pace, _pace
from mailbalance.backends._mailtrap_batch import LOAD, answers, batch_body
from mailbalance.backends._mailtrap_reply import must_be_alive, must_be_fine, receipt
from mailbalance.backends._mailtrap_request import LIMITS, reason_against, request_body
from mailbalance.backends._mailtrap_settings import (
    OPTIONS,
    Stream,
    base_url_of,
    problems_in,
)
from mailbalance.errors import ConfigError
from mailbalance.secret import Secret, hushed
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.http.user_clients import check
from mailbalance.wire.net.pool import CONNECTIONS
from mailbalance.wire.net.tls import ca_of_requests

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from mailbalance.backend import Answer
    from mailbalance.batch import Mail
    from mailbalance.config import BackendSettings
    from mailbalance.config.rates import Whole
    from mailbalance.message import Envelope, Message
    from mailbalance.wire.http.user_clients import AsyncClient, Client

#: Base URLs. Source: OpenAPI files, "servers" (2026-06).
HOSTS = {
    "transactional": "https://send.api.mailtrap.io",
    "bulk": "https://bulk.api.mailtrap.io",
    "sandbox": "https://sandbox.api.mailtrap.io",
}


class MailtrapBackend:
    """Sends through Mailtrap's API.

    Args:
        name: Its name in the split.
        token: The API token; never shown.
        stream: For messages that name none.
        sandbox_id: Sends to this Mailtrap Sandbox instead of to recipients.
        base_url: In place of Mailtrap's hosts; plaintext to loopback only.
        ca: Path of a PEM file to trust.
        account: Who shares its quotas; default ``mailtrap`` or ``mailtrap-sandbox``.
        rate: How fast to send, such as ``50/hour``.
        concurrency: Messages at once.
        processes: How many processes share these limits and the token.
        environ: Read in place of the environment, for proxies.
        http_client: A user's own ``httpx2.Client`` or ``httpx.Client`` for ``send``.
        async_http_client: The same for ``asend``.

    Attributes:
        name: Its name in the split.
        account: Quotas belong to a Mailtrap account; the Mailtrap Sandbox has its own.
        limits: What Mailtrap can carry.

    Raises:
        ConfigError: When the arguments cannot work, with every problem.
    """

    @hushed
    def __init__(
        self,
        name: str = "mailtrap",
        *,
        token: str,
        stream: Stream = "transactional",
        sandbox_id: int | str | None = None,
        base_url: str | None = None,
        ca: str | None = None,
        account: str | None = None,
        rate: str | None = None,
        concurrency: Whole = None,
        processes: Whole = None,
        environ: Mapping[str, str] | None = None,
        http_client: Client | None = None,
        async_http_client: AsyncClient | None = None,
    ) -> None:
        ca = ca or ca_of_requests(environ)
        problems = problems_in(name, token, stream, sandbox_id)
        pace = _pace.read_pace(problems, name, rate, concurrency, processes)
        _http.check_base(name, "base_url", base_url, ca, problems)
        check(name, http_client, async_http_client)
        published = _mailtrap_pace.API if base_url is None else None
        self.limits = pace.over(LIMITS, published)
        self.name = name
        self._token = Secret(token)
        self._facts: dict[str, Any] = {"backend": name, "token": self._token}
        self._headers = {
            "Authorization": Secret(f"Bearer {token}"),
            "Content-Type": "application/json",
        }
        self._stream: Stream = stream
        self._bases = _bases(stream, sandbox_id, base_url)
        self._sandbox = f"/{sandbox_id}" if sandbox_id else ""
        self.account = account or ("mailtrap-sandbox" if sandbox_id else "mailtrap")
        #: Our own wire's attempts may be continued by another task; see ``adopt``.
        self.adopts = async_http_client is None
        self._wire = HttpWire(
            backend=name,
            ca=ca,
            environ=environ,
            client=http_client,
            async_client=async_http_client,
            connections=self.limits.concurrency or CONNECTIONS,
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
        secure = options.get("tls", "implicit")
        if secure not in {"implicit", "off"}:
            problems.append(f"{settings.name}: tls= is implicit (default) or off")
        if settings.host is None and secure == "off":
            problems.append(f"{settings.name}: tls=off needs a host on this machine")
        if settings.host is None and settings.port is not None:
            problems.append(f"{settings.name}: a port needs a host")
        try:
            made = cls(
                settings.name,
                token=settings.secret.get_secret_value() if settings.secret else "",
                stream=options.get("stream", "transactional"),  # type: ignore[arg-type] # checked there
                sandbox_id=options.get("sandbox_id"),
                base_url=base_url_of(settings, "http" if secure == "off" else "https"),
                ca=options.get("ca"),
                account=options.get("account"),
                rate=options.get("rate"),
                concurrency=options.get("concurrency"),
                processes=options.get("processes"),
                environ=settings.environ,
            )
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from None
        if problems:
            raise ConfigError(problems)
        return made

    #: Mailtrap tells its limits nowhere (2026-11).
    learns = False

    def __repr__(self) -> str:
        return f"<MailtrapBackend {self.name} {self._bases[None]}>"

    def refuses(self, message: Message, envelope: Envelope) -> str | None:
        """Say why Mailtrap's API cannot carry the message, or ``None`` when it can."""
        return reason_against(message, envelope)

    def preview(self, message: Message, envelope: Envelope) -> str:
        """Show the request with its token masked."""
        return _http.shown(self._request(message, envelope))

    def send(self, message: Message, envelope: Envelope, *, timeout: float) -> Receipt:
        """Make one attempt; see ``Backend.send``."""
        response = self._wire.post(self._request(message, envelope), timeout=timeout)
        return receipt(response, (message, envelope), **self._facts)

    async def asend(
        self, message: Message, envelope: Envelope, *, timeout: float
    ) -> Receipt:
        """Make one attempt; see ``Backend.asend``."""
        request = self._request(message, envelope)
        response = await self._wire.apost(request, timeout=timeout)
        return receipt(response, (message, envelope), **self._facts)

    #: How much ``/api/batch`` takes.
    load = LOAD

    def lane(self, message: Message) -> Hashable | None:
        """Let messages of one host and one sender's domain go together.

        A sender that is not allowed has the whole batch refused.
        """
        domain = message.from_.domain if message.from_ else ""
        return message.stream or self._stream, domain

    def send_batch(self, mails: Sequence[Mail], *, timeout: float) -> Sequence[Answer]:
        """Make one attempt for each message in one call; see ``Batching.send_batch``."""
        response = self._wire.post(self._batch(mails), timeout=timeout)
        must_be_fine(response, **self._facts)
        return answers(response, mails, **self._facts)

    async def asend_batch(
        self, mails: Sequence[Mail], *, timeout: float
    ) -> Sequence[Answer]:
        """Make one attempt for each message in one call; see ``Batching.asend_batch``."""
        response = await self._wire.apost(self._batch(mails), timeout=timeout)
        must_be_fine(response, **self._facts)
        return answers(response, mails, **self._facts)

    def probe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Ask the sending host for something that is not there; see ``Probing.probe``."""
        response = self._wire.get(self._question(), timeout=timeout)
        must_be_alive(response, **self._facts)
        return ()

    async def aprobe(self, *, timeout: float) -> tuple[Rate, ...]:
        """Ask the sending host for something that is not there; see ``Probing.aprobe``."""
        response = await self._wire.aget(self._question(), timeout=timeout)
        must_be_alive(response, **self._facts)
        return ()

    def connections(self) -> tuple[int, int] | None:
        """Give how many connections are in use and how many rest, if they are ours."""
        return self._wire.occupancy()

    def close(self) -> None:
        """Close the connections of ``send``."""
        self._wire.close()

    async def aclose(self) -> None:
        """Close the connections of ``asend`` in the running event loop."""
        await self._wire.aclose()

    def _url(self, stream: Stream | None, what: str) -> str:
        return f"{self._bases[stream]}/api/{what}{self._sandbox}"

    def _question(self) -> HttpRequest:
        # Without the token: whether it is good is not asked, and its rate not spent.
        return HttpRequest("GET", self._url(None, "send"), {}, b"")

    def _request(self, message: Message, envelope: Envelope) -> HttpRequest:
        body = request_body(message, envelope)
        return self._post(self._url(message.stream, "send"), body)

    def _batch(self, mails: Sequence[Mail]) -> HttpRequest:
        stream = mails[0][0].stream
        return self._post(self._url(stream, "batch"), batch_body(mails))

    def _post(self, url: str, body: dict[str, Any]) -> HttpRequest:
        return HttpRequest("POST", url, self._headers, _json.encoded(body))


def _bases(
    stream: Stream, sandbox_id: int | str | None, base_url: str | None
) -> dict[Stream | None, str]:
    """Give the base URL for messages of each stream, and for those that name none."""
    if base_url is not None:
        hosts = dict.fromkeys(HOSTS, base_url.rstrip("/"))
    elif sandbox_id:
        hosts = dict.fromkeys(HOSTS, HOSTS["sandbox"])
    else:
        hosts = HOSTS
    return {each: hosts[each or stream] for each in (None, "transactional", "bulk")}
