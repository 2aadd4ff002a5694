"""Where a session goes, as whom, and how it is secured.

What lives here: the values ``Server`` and ``Credentials``, the ports' meanings, and the
rule that nothing goes in the clear but over loopback. What must not: connecting.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from mailbalance.errors import ConfigError
from mailbalance.secret import Secret, scrub

#: How a connection is secured: TLS after STARTTLS, TLS from the first byte, or not at all.
Security = Literal["starttls", "implicit", "off"]

SECURITIES: tuple[Security, ...] = ("starttls", "implicit", "off")

#: Ports on which TLS begins at once (RFC 8314 section 7.3; 2465 is SES's second one).
IMPLICIT_PORTS = frozenset({465, 2465})


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user name and password for AUTH PLAIN or LOGIN; neither is ever shown.

    Raises:
        ConfigError: When one is empty or has other characters than printable ASCII.
    """

    user: str
    password: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "password", Secret(self.password))
        problems = [
            f"the SMTP {what} is empty or has characters other than printable ASCII"
            for what, text in (("user name", self.user), ("password", self.password))
            if not (text and text.isascii() and text.isprintable())
        ]
        if problems:
            raise ConfigError(problems)

    def __repr__(self) -> str:
        return "Credentials(****)"

    def scrub(self, text: str) -> str:
        """Take the password, in any form AUTH sends it in, out of a server's text."""
        return scrub(text, (f"\0{self.user}\0{self.password}", self.password))


@dataclass(frozen=True, slots=True)
class Server:
    """One server as we use it.

    Attributes:
        host: Its name, which its certificate must be for, or address.
        port: Its port.
        security: How connections are secured; ``None`` takes what the port is known for.
        credentials: For AUTH.
        ca: Path of a PEM file to trust instead of the system's certificates.
    """

    host: str
    port: int = 587
    security: Security | None = None
    credentials: Credentials | None = None
    ca: str | None = None

    def __post_init__(self) -> None:
        if self.security is None:
            implied: Security = (
                "implicit" if self.port in IMPLICIT_PORTS else "starttls"
            )
            object.__setattr__(self, "security", implied)
        if not 0 < self.port < 65536:
            raise ConfigError("the port must be a number from 1 to 65535")
        if self.security == "off" and not is_loopback(self.host):
            raise ConfigError(
                "tls=off sends mail and password in the clear, so it works with a "
                "loopback address only; remove tls=off or change the host"
            )

    @property
    def where(self) -> str:
        """Host and port, for error texts."""
        return f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host, as written, is this machine itself."""
    if host.rstrip(".").lower() == "localhost":
        return True
    return is_literal(host) and ipaddress.ip_address(host).is_loopback


def is_literal(host: str) -> bool:
    """Tell whether a host is an address, so that no resolver need be asked."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
