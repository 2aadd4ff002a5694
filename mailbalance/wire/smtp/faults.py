"""Whatever goes wrong while a session opens, as one of our errors.

What lives here: the table from foreign exceptions to ours. What must not: anything about a
message; nothing was said about one yet, so every fault here proves that it was not
accepted. smtplib and aiosmtplib are told apart by what their exceptions carry, so that
neither need be imported for the other's sake.
"""

from __future__ import annotations

import socket
import ssl
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

from mailbalance.errors import DeliveryError, TransientError, UnavailableError
from mailbalance.frozen import FrozenDict
from mailbalance.secret import bare
from mailbalance.wire.net.tls import TOO_OLD, is_too_old
from mailbalance.wire.smtp.replies import MalformedReplyError, Reply
from mailbalance.wire.smtp.server import IMPLICIT_PORTS
from mailbalance.wire.smtp.steps import BrokenError
from mailbalance.wire.smtp.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbalance.backend import Refusal
    from mailbalance.wire.smtp.server import Server
    from mailbalance.wire.smtp.verdict import Rule

#: Foreign exceptions that are not OSErrors, whichever library opens the session; each
#: driver adds its library's own root.
FOREIGN = (BrokenError, MalformedReplyError, OSError, EOFError, ValueError)


def translate(
    error: BaseException, phase: str, server: Server, rules: tuple[Rule, ...]
) -> DeliveryError:
    """Make our error of a foreign one that ended the opening of a session."""
    reply = _reply(error)
    if reply is not None:
        return refusal(reply, phase, server, rules)
    while not isinstance(error, ssl.SSLError) and _wraps_a_cause(error):
        error = error.__cause__ or error
    make = next(make for kind, make in _TABLE if isinstance(error, kind))
    made = make(error, phase, server)
    made.phase = phase
    return _scrubbed(made, server)


def refusal(
    reply: Reply, phase: str, server: Server, rules: tuple[Rule, ...]
) -> DeliveryError:
    """Make our error of a refusing reply, with no secret in it."""
    error = judge(reply, phase, rules)
    return _scrubbed(error, server)


def _scrubbed(error: DeliveryError, server: Server) -> DeliveryError:
    scrub_login(error, server)
    return error


def scrub_login(error: DeliveryError, server: Server) -> None:
    """Take the login out of an error: any reply, or what is none, may be an echo of it."""
    if not server.credentials:
        return
    told = server.credentials.scrub(error.detail)
    if told != error.detail:
        error.detail, error.args = told, (told,)
        bare(error)  # its frames hold the reply itself
    if error.refused:
        error.refused = dict(without_login(error.refused, server))
    if error.deferred:
        error.deferred = without_login(error.deferred, server)


def without_login(
    replies: Mapping[str, Refusal], server: Server
) -> FrozenDict[str, Refusal]:
    """Return replies to recipients with no login in them."""
    login = server.credentials
    return FrozenDict(
        {
            address: replace(reply, text=login.scrub(reply.text)) if login else reply
            for address, reply in replies.items()
        }
    )


def cause_to_show(
    error: BaseException, phase: str, server: Server
) -> BaseException | None:
    """Return the foreign error that ended an opening, if it can be shown.

    The libraries' frames hold the password, and their errors the server's words, which
    may be an echo of it at any step.
    """
    said = "".join(traceback.format_exception(bare(error)))
    login = server.credentials
    if phase == "auth" or (login is not None and login.scrub(said) != said):
        return None
    return error


def _reply(error: BaseException) -> Reply | None:
    """Give the server's reply that a library's exception carries, if it is one."""
    code = getattr(error, "smtp_code", None) or getattr(error, "code", None)
    text = getattr(error, "smtp_error", None) or getattr(error, "message", None) or ""
    if not isinstance(code, int) or not 200 <= code < 600:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return Reply(code, tuple(_shown(line) for line in text.split("\n")))


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def _wraps_a_cause(error: BaseException) -> bool:
    """Tell whether a library wrapped the fault that says more than its wrapper."""
    cause = error.__cause__
    return isinstance(cause, OSError) and not (
        isinstance(error, TimeoutError) and not isinstance(cause, TimeoutError)
    )


def _bad_certificate(
    error: BaseException, _phase: str, server: Server
) -> DeliveryError:
    reason = getattr(error, "verify_message", "") or "it could not be verified"
    return UnavailableError(f"the certificate of {server.where} is not valid: {reason}")


def _tls_failed(error: BaseException, phase: str, server: Server) -> DeliveryError:
    reason = getattr(error, "reason", None) or str(error)
    if phase == "tls" and reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        return UnavailableError(
            f"{server.where} does not begin with TLS, as tls=implicit expects: "
            "set port=465, or tls=starttls"
        )
    if is_too_old(error):
        return UnavailableError(f"TLS with {server.where} failed: {TOO_OLD}")
    return TransientError(f"TLS with {server.where} failed: {reason}")


def _timed_out(_error: BaseException, phase: str, server: Server) -> DeliveryError:
    if phase != "greeting" or server.security == "implicit":
        return TransientError(f"{server.where} did not answer in time")
    silent = f"{server.where} sent no greeting"
    if server.port in IMPLICIT_PORTS:
        return UnavailableError(
            f"{silent}: port {server.port} begins with TLS, which "
            f"tls={server.security} does not; set port=587, or tls=implicit"
        )
    return TransientError(
        f"{silent} in time; if port {server.port} begins with TLS, which "
        f"tls={server.security} does not, change port= or set tls=implicit"
    )


def _unresolved(error: BaseException, _phase: str, server: Server) -> DeliveryError:
    return TransientError(f"no address found for {server.host}: {_words(error)}")


def _broken(error: BaseException, phase: str, server: Server) -> DeliveryError:
    if isinstance(error, BrokenError) and error.kind == "timeout":
        return _timed_out(error, phase, server)
    return TransientError(f"{server.where}: {error}")


def _disconnected(error: BaseException, _phase: str, server: Server) -> DeliveryError:
    return TransientError(f"the connection to {server.where} failed: {_words(error)}")


def _unusable(_error: BaseException, _phase: str, server: Server) -> DeliveryError:
    return UnavailableError(f"{server.host!r} cannot be used as a host name")


def _words(error: BaseException) -> str:
    words = getattr(error, "strerror", None) or getattr(error, "message", None)
    return _shown(str(words or error)) or type(error).__name__


#: First match decides.
_TABLE: tuple[
    tuple[type[BaseException], Callable[[BaseException, str, Server], DeliveryError]],
    ...,
] = (
    (ssl.SSLCertVerificationError, _bad_certificate),
    (ssl.SSLError, _tls_failed),
    (socket.gaierror, _unresolved),
    (TimeoutError, _timed_out),
    (BrokenError, _broken),
    (OSError, _disconnected),
    (UnicodeError, _unusable),
    (BaseException, _disconnected),
)
