"""TLS, and what is never said without it."""

import base64
import datetime
import socket
import traceback

import pytest
import trustme

from mailbalance.errors import ConfigError, TransientError, UnavailableError
from mailbalance.wire.smtp import Credentials, Security, Server, SmtpWire
from tests.wire.smtp_peer import AUTHORITY, FIN, PASSWORD, STALL, USER, SmtpPeer
from tests.wire.smtp_ways import MAIL, How, fail, send

TLS = pytest.mark.parametrize("security", ["starttls", "implicit"])
LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


@TLS
@pytest.mark.parametrize(
    "certificate",
    [
        AUTHORITY.issue_cert("other.example.com"),
        AUTHORITY.issue_cert("127.0.0.1", not_after=LONG_AGO),
        trustme.CA().issue_cert("127.0.0.1"),
    ],
    ids=["other name", "expired", "unknown authority"],
)
def test_a_bad_certificate_makes_the_backend_unavailable(
    how: How, ca: str, security: Security, certificate: trustme.LeafCert
) -> None:
    with SmtpPeer(security=security, certificate=certificate) as peer:
        error = fail(how, peer, ca=ca)

        assert type(error) is UnavailableError
        assert "certificate" in error.detail
        said = peer.wait().commands
        assert said == (["EHLO [127.0.0.1]", "STARTTLS"] * (security == "starttls"))


@pytest.mark.parametrize("reply", ["454 4.7.0 not now", "501 no"])
def test_a_refused_starttls_is_no_reason_to_go_on_in_the_clear(
    how: How, ca: str, reply: str
) -> None:
    with SmtpPeer(security="starttls", STARTTLS=reply) as peer:
        error = fail(how, peer, ca=ca)

        assert error.outcome == "not_accepted"
        assert error.phase == "starttls"
        assert peer.wait().commands == ["EHLO [127.0.0.1]", "STARTTLS"]


def test_a_hidden_starttls_is_no_reason_to_go_on_in_the_clear(
    how: How, ca: str
) -> None:
    with SmtpPeer(security="off", extensions=("AUTH PLAIN LOGIN",)) as peer:
        error = fail(how, peer, security="starttls", ca=ca)

        assert type(error) is UnavailableError
        assert "STARTTLS" in error.detail
        assert peer.wait().commands == ["EHLO [127.0.0.1]"]


def test_data_put_in_before_tls_begins_ends_the_session(how: How, ca: str) -> None:
    injected = b"220 go on\r\n250-evil\r\n250 AUTH PLAIN\r\n"
    with SmtpPeer(security="starttls", STARTTLS=injected) as peer:
        peer.replies["STARTTLS"] = Injected(injected)
        error = fail(how, peer, ca=ca)

        assert type(error) is UnavailableError
        assert "before TLS" in error.detail
        assert not any(c.startswith("AUTH") for c in peer.wait().commands)


class Injected(bytes):
    """A reply that looks like ``220`` to the peer, and has more behind it."""

    def __str__(self) -> str:
        return self.decode()


@pytest.mark.parametrize("extensions", [(), ("AUTH CRAM-MD5 XOAUTH2",)])
def test_a_server_without_a_usable_auth_is_unavailable(
    how: How, extensions: tuple[str, ...]
) -> None:
    with SmtpPeer(extensions=extensions) as peer:
        error = fail(how, peer)

        assert type(error) is UnavailableError
        assert error.phase == "auth"
        assert peer.wait().commands == ["EHLO [127.0.0.1]"]


def test_tls_at_once_on_a_port_for_starttls_says_which_settings_to_change(
    how: How, ca: str
) -> None:
    with SmtpPeer(security="starttls") as peer:
        error = fail(how, peer, security="implicit", ca=ca)

        assert type(error) is UnavailableError
        assert "tls=starttls" in error.detail
        assert "port=465" in error.detail


@pytest.mark.parametrize("security", ["starttls", "off"])
def test_another_port_that_begins_with_tls_says_which_settings_to_change(
    how: How, ca: str, security: Security
) -> None:
    with SmtpPeer(security="implicit") as peer:
        error = fail(how, peer, security=security, ca=ca, timeout=0.6)

    assert type(error) is TransientError
    assert "port=" in error.detail
    assert "tls=implicit" in error.detail


@pytest.mark.parametrize(
    "host", ["mail.example.com", "10.0.0.1", "8.8.8.8", "127.1.evil"]
)
def test_plaintext_to_another_machine_is_no_configuration(host: str) -> None:
    with pytest.raises(ConfigError, match="tls=off"):
        Server(host, security="off")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"]
)
def test_plaintext_to_this_machine_may_be_asked_for(host: str) -> None:
    assert Server(host, security="off").security == "off"


@pytest.mark.parametrize(
    ("port", "security"),
    [(587, "starttls"), (25, "starttls"), (2525, "starttls"), (2587, "starttls"),
     (465, "implicit"), (2465, "implicit")],
)  # fmt: skip
def test_a_port_implies_how_it_is_secured(port: int, security: str) -> None:
    assert Server("mail.example.com", port).security == security


@pytest.mark.parametrize("text", ["", "pass\nword", "pässword", "\0"])
def test_credentials_that_auth_cannot_carry_are_no_configuration(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Credentials("api", text)

    assert not text or text not in str(caught.value)


def test_no_secret_is_shown() -> None:
    server = Server("mail.example.com", credentials=Credentials("api", PASSWORD))

    assert PASSWORD not in f"{server!r} {server} {server.credentials!r}"


@pytest.mark.parametrize("where", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"])
def test_an_endless_reply_ends_the_session(how: How, where: str) -> None:
    with SmtpPeer(**{where: b"250-more\r\n" * 100_000}) as peer:
        error = fail(how, peer)

        assert error.outcome == ("unknown" if where == "dot" else "not_accepted")


def test_nobody_listening_is_not_accepted(how: How) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with SmtpPeer() as peer:
        error = fail(how, peer, port=port)

        assert type(error) is TransientError
        assert error.phase == "connect"


def test_a_host_that_is_no_name_is_unavailable(how: How, ca: str) -> None:
    wire = SmtpWire(Server("a..b", ca=ca), backend="peer")

    (error,) = send(how, wire, MAIL)

    assert type(error) is UnavailableError
    assert "host name" in error.detail


@pytest.mark.parametrize(
    "reply", ["535 5.7.8 wrong", STALL, FIN, f"535 {PASSWORD} is not it"]
)
@pytest.mark.parametrize("extensions", [("AUTH PLAIN",), ("AUTH LOGIN",)])
def test_no_frame_of_an_error_holds_the_password(
    how: How, reply: str, extensions: tuple[str, ...]
) -> None:
    with SmtpPeer(extensions=extensions, AUTH=reply) as peer:
        error = fail(how, peer, timeout=0.3)

    told = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    secrets = [PASSWORD, base64.b64encode(PASSWORD.encode()).decode()]
    secrets.append(base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode())
    assert not [each for each in secrets if each in told]
