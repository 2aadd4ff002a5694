"""Servers that stop answering somewhere before a message is handed over.

What lives here: ``Holes``, every such server at once, and the backends that meet them. What
must not: what becomes of the messages.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2

from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend
from tests.wire.smtp_peer import STALL, SmtpPeer

#: A name that the resolver never finds, nor fails to.
SLOW_NAME = "slow.example"

_KEYS = {"access_key": "A", "secret_key": "S"}


class Pause(threading.Event):
    """Waiting for it takes so many seconds, or ends with all servers."""

    def __init__(self, over: threading.Event, seconds: float) -> None:
        super().__init__()
        self._over, self._seconds = over, seconds

    def wait(self, timeout: float | None = None) -> bool:
        return self._over.wait(self._seconds)


class Holes:
    """All servers; a context manager.

    Args:
        folder: Where files may be written.
    """

    def __init__(self, folder: Path, ca: str) -> None:
        self._folder, self._ca = folder, ca
        self._open = contextlib.ExitStack()
        self._over = threading.Event()

    def __enter__(self) -> Holes:
        enter = self._open.enter_context
        self.unreachable = enter(full_backlog())
        self.silent = enter(accepting())
        self.stalls = {
            word: enter(SmtpPeer(security="starttls", **{word: STALL})).port
            for word in ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA")
        }
        reads_nothing = SmtpPeer(security="starttls", body=self._over)
        self.stalls["body"] = enter(reads_nothing).port
        # Never silent for long, and never done.
        slowly = (Pause(self._over, 0.6), "250 2.1.5 ok")
        slow = SmtpPeer(security="starttls", RCPT=slowly)
        self.stalls["slowness"] = enter(slow).port
        real = socket.getaddrinfo

        def slow(host: Any, *args: Any, **options: Any) -> Any:
            if host == SLOW_NAME:
                self._over.wait(120)
                raise socket.gaierror(socket.EAI_AGAIN, "no answer")
            return real(host, *args, **options)

        socket.getaddrinfo = slow
        self._open.callback(setattr, socket, "getaddrinfo", real)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._open.close()

    def apis(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Give each case of the API backends: what is silent, and a backend to meet it."""
        silent, unreachable = (
            f"127.0.0.1:{self.silent}",
            f"127.0.0.1:{self.unreachable}",
        )
        places: dict[str, dict[str, Any]] = {
            "connection": {"endpoint": f"http://{unreachable}"},
            "TLS": {"endpoint": f"https://{silent}", "environ": {}},
            "body": {"endpoint": f"http://{silent}"},
            "name": {"endpoint": f"https://{SLOW_NAME}", "environ": {}},
        }
        for what, where in (
            ("proxy", f"http://{silent}"),
            ("connection to the proxy", f"http://{unreachable}"),
            ("TLS of the proxy", f"https://{silent}"),
            ("name of the proxy", f"http://{SLOW_NAME}:3128"),
            ("name of a TLS proxy", f"https://{SLOW_NAME}:3128"),
        ):
            places[what] = {
                "endpoint": f"https://{unreachable}",
                "environ": {"HTTPS_PROXY": where},
            }
        for what, options in places.items():
            yield f"ses, {what}", lambda o=options: _ses(**_KEYS, **o)
        for what, url, proxy in (
            ("connection", f"http://{unreachable}", None),
            ("TLS", f"https://{silent}", None),
            ("proxy", f"https://{unreachable}", f"http://{silent}"),
        ):
            for family in (httpx, httpx2):
                yield (
                    f"ses with an own client of {family.__name__}, {what}",
                    lambda u=url, p=proxy, f=family: _ses(
                        **_KEYS,
                        endpoint=u,
                        http_client=self._open.enter_context(f.Client(proxy=p)),
                        async_http_client=f.AsyncClient(proxy=p),
                    ),
                )
        for what, url in (
            ("connection", f"http://{unreachable}"),
            ("TLS", f"https://{silent}"),
            ("name", f"https://{SLOW_NAME}"),
        ):
            yield (
                f"mailtrap, {what}",
                lambda u=url: MailtrapBackend(
                    token="a-token-of-mailtrap", base_url=u, environ={}
                ),
            )

    def submissions(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Do as ``apis`` does for the SMTP backends."""
        at = {"host": "127.0.0.1", "ca": self._ca}
        places: dict[str, dict[str, Any]] = {
            "connection": {**at, "port": self.unreachable},
            "greeting": {**at, "port": self.silent, "tls": "starttls"},
            "TLS": {**at, "port": self.silent, "tls": "implicit"},
            "name": {"host": SLOW_NAME},
            **{
                word: {**at, "port": port, "tls": "starttls"}
                for word, port in self.stalls.items()
            },
        }
        for what, options in places.items():
            yield (
                f"mailtrap-smtp, {what}",
                lambda o=options: MailtrapSmtpBackend(token="a-token-of-mailtrap", **o),
            )
            yield (
                f"ses-smtp, {what}",
                lambda o=options: SesSmtpBackend(
                    username="u", password="p", region="eu-west-1", environ={}, **o
                ),
            )

    def keys(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Do as ``apis`` does for what gives AWS keys."""
        for what, environ in self._key_sources().items():
            yield (
                f"ses, {what}",
                lambda e=environ: _ses(endpoint="http://127.0.0.1:9", environ=e),
            )
            yield (
                f"ses-smtp, {what}",
                lambda e=environ: SesSmtpBackend(environ=e, host="127.0.0.1"),
            )

    def _key_sources(self) -> dict[str, dict[str, str]]:
        config = self._folder / "config"
        config.write_text("[default]\ncredential_process = sleep 20\n")
        region = {"AWS_REGION": "eu-west-1"}
        url = f"http://127.0.0.1:{self.silent}"
        return {
            "credential process": {**region, "AWS_CONFIG_FILE": str(config)},
            "container's keys": {
                **region,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/keys",
            },
            "instance's keys": {
                **region,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
                "AWS_METADATA_SERVICE_TIMEOUT": "60",
            },
        }


def _ses(**options: Any) -> SesBackend:
    return SesBackend(region="eu-west-1", **options)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Give a port that never answers the first packet: its queue is full."""
    with contextlib.ExitStack() as open_ones:
        server = open_ones.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        while True:
            one = open_ones.enter_context(socket.socket())
            one.settimeout(0.1)
            try:
                one.connect(server.getsockname())
            except TimeoutError:
                break
        yield server.getsockname()[1]


@contextlib.contextmanager
def accepting() -> Iterator[int]:
    """Give a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        yield server.getsockname()[1]
