"""Nothing foreign escapes from the opening of a session."""

import asyncio
import base64
import builtins
import gc
import inspect
import smtplib
import socket
import ssl
from types import ModuleType
from typing import Any

import aiosmtplib
import aiosmtplib.errors
import pytest

from mailbalance.errors import DeliveryError, TransientError, UnavailableError
from mailbalance.wire.smtp import Credentials, Security, Server, SmtpWire
from mailbalance.wire.smtp.faults import FOREIGN, translate
from mailbalance.wire.smtp.replies import MalformedReplyError
from mailbalance.wire.smtp.steps import BrokenError
from tests.wire.smtp_peer import SmtpPeer
from tests.wire.smtp_ways import MAIL, How, send

SERVER = Server("mail.example.com", 587, credentials=Credentials("api", "canary-77"))


def classes(module: ModuleType) -> list[type[Exception]]:
    return [
        found
        for name, found in inspect.getmembers(module, inspect.isclass)
        if not name.startswith("_")
        and issubclass(found, Exception)
        and not issubclass(found, Warning)
    ]


OTHERS = {
    TimeoutError,
    EOFError,
    UnicodeError,
    BrokenError,
    MalformedReplyError,
    asyncio.TimeoutError,
    asyncio.IncompleteReadError,
    *(each for each in classes(builtins) if issubclass(each, OSError)),
}
LIBRARIES = (smtplib, aiosmtplib, aiosmtplib.errors, socket, ssl)
ALL = sorted(
    OTHERS | {each for library in LIBRARIES for each in classes(library)},
    key=lambda each: (each.__module__, each.__name__),
)


def make(kind: type[Exception]) -> Exception:
    tries: list[tuple[Any, ...]] = [
        ("oops",), (451, b"oops"), (451, "oops"), (451, b"oops", "a@x.com"),
        (451, "oops", "a@x.com"), ({},), ([],), ("oops", "closed"), (b"", 1),
    ]  # fmt: skip
    for arguments in tries:
        try:
            return kind(*arguments)
        except TypeError:
            continue
    pytest.fail(f"no way to make a {kind}")


@pytest.mark.parametrize(
    "kind", ALL, ids=lambda each: f"{each.__module__}.{each.__name__}"
)
def test_every_exception_that_may_come_becomes_one_of_ours(
    kind: type[Exception],
) -> None:
    roots = (*FOREIGN, smtplib.SMTPException, aiosmtplib.SMTPException)
    assert issubclass(kind, roots)

    for phase in ("connect", "tls", "greeting", "ehlo", "starttls", "auth"):
        error = translate(make(kind), phase, SERVER, ())

        assert isinstance(error, DeliveryError)
        assert error.outcome == "not_accepted"
        assert error.phase == phase
        assert error.detail


def test_what_a_library_wrapped_says_more_than_its_wrapper() -> None:
    cause = ssl.SSLCertVerificationError("self-signed")
    wrapper = aiosmtplib.SMTPConnectError("no")
    wrapper.__cause__ = cause

    assert isinstance(translate(wrapper, "tls", SERVER, ()), UnavailableError)


def test_a_server_that_echoes_the_password_is_not_quoted() -> None:
    both = base64.b64encode(b"\0api\0canary-77").decode()
    error = translate(
        smtplib.SMTPAuthenticationError(535, f"no canary-77 {both}".encode()),
        "auth",
        SERVER,
        (),
    )

    assert str(error) == "the reply to AUTH: 535 no **** ****"
    assert "canary" not in f"{error!r}{error.args}{vars(error)}"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(535, UnavailableError), (454, TransientError), (530, UnavailableError)],
)
def test_a_refusing_reply_in_an_exception_is_judged_like_any_reply(
    code: int, kind: type[DeliveryError]
) -> None:
    error = translate(smtplib.SMTPAuthenticationError(code, b"no"), "auth", SERVER, ())

    assert type(error) is kind
    assert error.code == str(code)


@pytest.mark.parametrize("security", ["starttls", "off"])
@pytest.mark.parametrize("error", [TimeoutError(), BrokenError("late", "timeout")])
def test_any_port_without_a_greeting_may_begin_with_tls(
    security: Security, error: Exception
) -> None:
    server = Server("127.0.0.1", 8465, security)

    found = translate(error, "greeting", server, ())

    assert type(found) is TransientError
    assert "if port 8465 begins with TLS" in found.detail
    assert f"tls={security} does not, change port= or set tls=implicit" in found.detail


@pytest.mark.parametrize(
    ("phase", "security"), [("greeting", "implicit"), ("ehlo", "starttls")]
)
def test_a_server_that_is_slow_otherwise_is_only_slow(
    phase: str, security: Security
) -> None:
    found = translate(TimeoutError(), phase, Server("127.0.0.1", 8465, security), ())

    assert "did not answer in time" in found.detail
    assert "tls=" not in found.detail


@pytest.mark.parametrize("port", [465, 2465])
def test_starttls_on_a_port_for_tls_at_once_says_which_settings_to_change(
    port: int,
) -> None:
    server = Server("mail.example.com", port, "starttls")

    error = translate(TimeoutError(), "greeting", server, ())

    assert type(error) is UnavailableError
    assert "port=587" in error.detail
    assert "tls=implicit" in error.detail


@pytest.mark.parametrize("security", ["implicit", "starttls"])
@pytest.mark.parametrize(
    "refusal", [{"greeting": "421 busy"}, {"EHLO": "421 busy"}, {"AUTH": "454 busy"}]
)
def test_a_session_refused_again_and_again_leaves_no_socket_behind(
    how: How, ca: str, security: Security, refusal: dict[str, str]
) -> None:
    with SmtpPeer(security=security, **refusal) as peer:
        wire = SmtpWire(peer.server(ca), backend="peer")

        results = send(how, wire, *[MAIL] * 8)

        assert {type(each) for each in results} == {TransientError}, results
        assert {str(each).partition(": 4")[2] for each in results} <= {
            "21 busy",
            "54 busy",
        }
        gc.collect()  # a transport left open would warn here
