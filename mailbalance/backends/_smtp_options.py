"""The options that SMTP backends share, read and checked.

What lives here: collecting every problem of a configuration, and reading ``tls`` and
``ca``. What must not: a value in an error; it may be a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from mailbalance.errors import ConfigError
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.smtp import SECURITIES, Credentials, Security, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Problems(list[str]):
    """Collects the problems of one backend, so that all are told at once."""

    def __init__(self, name: str, found: Iterable[str] = ()) -> None:
        super().__init__(found)
        self._name = name

    def add(self, problem: str) -> None:
        """Add one, in the name of the backend."""
        self.append(f"{self._name}: {problem.removeprefix(f'{self._name}: ')}")

    def watch(self, make: Callable[[], T]) -> T | None:
        """Give what is made, or ``None`` with the problems of its ConfigError taken in."""
        try:
            return make()
        except ConfigError as error:
            for problem in error.problems:
                self.add(problem)
        return None

    def pair(
        self, first: str | None, second: str | None, what: str
    ) -> tuple[str, str] | None:
        """Give two values that only make sense together, or ``None`` without them."""
        if first and second:
            return first, second
        if first or second:
            self.add(f"{what} go together, and one is missing")
        return None


def read_server(
    problems: Problems,
    host: str,
    *,
    port: int,
    tls: str | None,
    credentials: Credentials | None,
    ca: str | None,
) -> Server | None:
    """Give the server that the options describe, or ``None`` with their problems noted."""
    if tls is not None and tls not in SECURITIES:
        problems.add(f"tls= must be one of {', '.join(SECURITIES)}")
        tls = None
    try:
        if ca is not None:
            client_context(ca)
    except OSError:
        problems.add(
            "the file in ca= (or AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE) is no readable PEM file"
        )
    security: Security | None = tls
    return problems.watch(lambda: Server(host, port, security, credentials, ca))
