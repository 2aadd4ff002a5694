"""What both ways of opening a session must check, said once.

What lives here: the rules about STARTTLS, AUTH and loopback. What must not: waiting or
writing.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Literal

from mailbalance.errors import UnavailableError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

#: What we call ourselves in EHLO: an address literal, as RFC 5321 section 4.1.4 has a
#: client without a name do. A submission server does not use it, asking DNS for a name
#: could block for seconds, and the host's own name is nobody's business.
EHLO_NAME = "[127.0.0.1]"


def must_offer_starttls(extensions: Mapping[str, str]) -> None:
    """Refuse a server that hides STARTTLS (RFC 3207 section 6: somebody may hide it).

    Raises:
        UnavailableError: When EHLO did not name it.
    """
    if "starttls" not in extensions:
        raise UnavailableError(
            "the server does not offer STARTTLS; nothing is sent in the clear",
            phase="starttls",
        )


def data_before_tls() -> UnavailableError:
    """Make the error for data between the reply to STARTTLS and the handshake.

    Whoever put it there wants it read as if it had come encrypted.
    """
    return UnavailableError(
        "data came before TLS began: the server, or somebody in between, is not to be "
        "trusted",
        phase="starttls",
    )


def mechanism(extensions: Mapping[str, str]) -> Literal["PLAIN", "LOGIN"]:
    """Choose the one AUTH mechanism to use; a second would count as a second failure.

    Raises:
        UnavailableError: When the server offers neither PLAIN nor LOGIN.
    """
    offered = extensions.get("auth", "").upper().replace("=", " ").split()
    if "PLAIN" in offered:
        return "PLAIN"
    if "LOGIN" in offered:
        return "LOGIN"
    raise UnavailableError(
        "the server offers neither AUTH PLAIN nor LOGIN", phase="auth"
    )


def must_be_loopback(sock: socket.socket) -> None:
    """Refuse plaintext to another machine, whatever the name resolved to.

    Raises:
        UnavailableError: When the other end is not this machine.
    """
    address: Any = sock.getpeername()[0]
    if not ipaddress.ip_address(address).is_loopback:
        raise UnavailableError(
            "tls=off reaches another machine; it works over loopback only",
            phase="connect",
        )
