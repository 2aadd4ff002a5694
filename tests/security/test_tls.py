"""S7, S8: nobody but the right server is talked to, and nothing before TLS counts."""

import asyncio
import datetime
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailbalance import Mailer, MailtrapSmtpBackend, Message, Receipt
from mailbalance.errors import DeliveryError, UnavailableError
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.net.tls import client_context
from mailbalance.wire.smtp import SmtpWire
from tests.wire.peer import Peer, serve
from tests.wire.smtp_peer import AUTHORITY, PASSWORD, STALL, SmtpPeer
from tests.wire.smtp_ways import MAIL, How, fail, send

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
ELSEWHERE = trustme.CA()
OPENSSL: Any = shutil.which("openssl")


def leaf(*, bits: int = 2048, usage: Any = None, san: bool = True) -> trustme.LeafCert:
    """Give a certificate from our authority that may be wrong in one way."""
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    issuer = x509.load_pem_x509_certificate(AUTHORITY.cert_pem.bytes())
    signer: Any = serialization.load_pem_private_key(
        AUTHORITY.private_key_pem.bytes(), None
    )
    made = x509.CertificateBuilder(issuer.subject, name, key.public_key(), 7)
    made = made.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    usages = x509.ExtendedKeyUsage([usage or ExtendedKeyUsageOID.SERVER_AUTH])
    made = made.add_extension(usages, critical=False)
    if san:
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        made = made.add_extension(names, critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    signed = made.sign(signer, hashes.SHA256())
    return trustme.LeafCert(
        private, signed.public_bytes(serialization.Encoding.PEM), []
    )


class Lax:
    """A certificate that our OpenSSL would not serve unasked."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._certificate = certificate

    def configure_cert(self, context: ssl.SSLContext) -> None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        self._certificate.configure_cert(context)


def issued(*names: str, **options: Any) -> Callable[[], Any]:
    return lambda: AUTHORITY.issue_cert(*names, **options)


BAD: dict[str, Callable[[], Any]] = {
    "expired": issued("localhost", not_after=NOW - DAY, not_before=NOW - 2 * DAY),
    "not valid yet": issued("localhost", not_before=NOW + DAY, not_after=NOW + 2 * DAY),
    "another name": issued("other.example.com"),
    "an address instead": issued("127.0.0.1"),
    "a longer name": issued("localhost.example.com"),
    "a wildcard of everything": issued("*.localhost"),
    "another authority": lambda: ELSEWHERE.issue_cert("localhost"),
    "an authority of its own": lambda: trustme.CA().issue_cert("localhost"),
    "an authority below another": lambda: ELSEWHERE.create_child_ca().issue_cert(
        "localhost"
    ),
    "a name in CN only": lambda: leaf(san=False),
    "for clients only": lambda: leaf(usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "a key of 1024 bits": lambda: Lax(leaf(bits=1024)),
}


def by_smtp(how: How, certificate: Any, ca: str, security: Any) -> Any:
    """Send by SMTP; give what came of it, and what the server heard."""
    with SmtpPeer(security=security, certificate=certificate) as peer:
        wire = SmtpWire(_named(peer, ca), backend="b")
        (result,) = send(how, wire, MAIL)
        heard = peer.wait().commands
    return result, [each for each in heard if each[:4] not in ("EHLO", "STAR", "QUIT")]


def _named(peer: SmtpPeer, ca: str | None, **other: Any) -> Any:
    return replace(peer.server(ca=ca, **other), host="localhost")


def by_http(how: How, certificate: Any, ca: str) -> Any:
    """The same by HTTP."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with Peer((serve,), tls=context) as peer:
        wire = HttpWire(backend="b", ca=ca)
        request = HttpRequest("POST", peer.url(host="localhost"), {}, b"mail")
        try:
            if how == "sync":
                result: Any = wire.post(request, timeout=5)
            else:
                result = asyncio.run(wire.apost(request, timeout=5))
        except DeliveryError as error:
            result = error
        wire.close()
    return result, [each.head for each in peer.requests]


@pytest.fixture(scope="module", params=BAD)
def bad(request: pytest.FixtureRequest) -> Any:
    return BAD[request.param]()


@pytest.mark.parametrize("door", ["starttls", "implicit", "https"])
def test_a_certificate_that_is_wrong_in_any_way_ends_it(
    how: How, ca: str, bad: Any, door: str
) -> None:
    act = by_http if door == "https" else by_smtp
    more = () if door == "https" else (door,)

    result, heard = act(how, bad, ca, *more)

    assert isinstance(result, UnavailableError)
    assert "certificate" in str(result)
    assert heard == []


@pytest.mark.parametrize("door", ["starttls", "implicit", "https"])
def test_a_certificate_that_is_right_is_taken(how: How, ca: str, door: str) -> None:
    """The control of the test above."""
    act = by_http if door == "https" else by_smtp
    more = () if door == "https" else (door,)

    result, heard = act(how, leaf(), ca, *more)

    assert not isinstance(result, Exception)
    assert heard


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("door", ["starttls", "implicit"])
def test_an_old_tls_is_refused(how: How, ca: str, door: Any) -> None:
    with SmtpPeer(security=door) as peer:
        peer._context.set_ciphers("ALL:@SECLEVEL=0")
        peer._context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        peer._context.maximum_version = ssl.TLSVersion.TLSv1_1
        error = fail(how, peer, ca=ca)

    assert error.outcome == "not_accepted"
    assert error.phase in ("tls", "starttls")


@pytest.mark.skipif(OPENSSL is None, reason="openssl prepares the folder")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_of_certificates_is_taken_as_requests_takes_it(
    how: How, tmp_path: Path, trusted: bool
) -> None:
    """``REQUESTS_CA_BUNDLE`` may name one that OpenSSL's ``rehash`` has prepared."""
    kept = AUTHORITY if trusted else ELSEWHERE
    kept.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    subprocess.run([OPENSSL, "rehash", str(tmp_path)], check=True)
    with SmtpPeer(security="starttls") as peer:
        backend = MailtrapSmtpBackend(
            token=PASSWORD,
            host="localhost",
            port=peer.port,
            environ={"REQUESTS_CA_BUNDLE": str(tmp_path)},
        )
        note = Message(from_="a@x.com", to=["b@x.com"], text="hi")
        with Mailer({backend: 1}) as mailer:
            if trusted:
                assert sent(how, mailer, note).outcome == "accepted"
            else:
                with pytest.raises(UnavailableError, match="certificate"):
                    sent(how, mailer, note)


def sent(how: How, mailer: Mailer, note: Message) -> Receipt:
    if how == "sync":
        return mailer.send(note)
    return asyncio.run(mailer.asend(note))


def test_the_context_is_the_strict_one(ca: str) -> None:
    for context in (client_context(), client_context(ca)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.security_level >= 1


LOOSE = {
    "PYTHONHTTPSVERIFY": "0", "SSL_VERIFY": "0", "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "CURL_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": "", "HTTPX_VERIFY": "0",
}  # fmt: skip


def test_no_variable_makes_it_loose_or_writes_the_keys_down(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    code = (
        "import ssl; from mailbalance.wire.net.tls import client_context as c; c = c()\n"
        "print(c.verify_mode == ssl.CERT_REQUIRED, c.check_hostname, c.keylog_filename)"
    )
    environ = {**LOOSE, "SSLKEYLOGFILE": str(keys)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=True
    )

    assert ran.stdout.split() == ["True", "True", "None"]
    assert not keys.exists() or "SECRET" not in keys.read_text()


# S8


@pytest.mark.parametrize(
    "replies",
    [
        {"STARTTLS": "454 4.7.0 not now"},
        {"STARTTLS": "502 5.5.1 what?"},
        {"STARTTLS": "250 ok"},
        {"STARTTLS": "354 go on"},
        {"EHLO": "250 peer"},
        {"EHLO": "250-peer\r\n250 XSTARTTLS"},
        {"EHLO": "250-peer\r\n250 AUTH PLAIN"},
        {"EHLO": "500 what?"},
        {"EHLO": "250-peer STARTTLS\r\n250 X"},
    ],
    ids=str,
)
def test_without_starttls_nothing_is_sent(
    how: How, ca: str, replies: dict[str, Any]
) -> None:
    with SmtpPeer(security="off", **replies) as peer:
        error = fail(how, peer, security="starttls", ca=ca, timeout=1)
        said = peer.wait().commands

    assert error.outcome == "not_accepted"
    assert {each[:4] for each in said} <= {"EHLO", "HELO", "STAR", "QUIT"}


def test_what_ehlo_said_before_tls_is_forgotten(how: How, ca: str) -> None:
    """Someone in between offers AUTH and a SIZE that the real server does not have."""
    before = "250-peer\r\n250-AUTH PLAIN\r\n250-SIZE 1\r\n250 STARTTLS"
    with SmtpPeer(security="starttls", EHLO=[before, "250 peer"]) as peer:
        error = fail(how, peer, ca=ca)

        assert type(error) is UnavailableError
        assert error.phase == "auth"


@pytest.mark.parametrize("rest", [b"250 x\r\n", b"\r\n", b"2", b"220 again\r\n" * 99])
def test_one_byte_more_than_the_reply_to_starttls_ends_it(
    how: How, ca: str, rest: bytes
) -> None:
    with SmtpPeer(security="starttls", STARTTLS=b"220 go on\r\n" + rest) as peer:
        error = fail(how, peer, ca=ca, timeout=2)

        assert error.outcome == "not_accepted"
        assert not [each for each in peer.sessions[0].commands if each[:4] == "AUTH"]


def test_a_server_that_stalls_in_the_handshake_gets_nothing(how: How, ca: str) -> None:
    with SmtpPeer(security="starttls", STARTTLS=("220 go on", STALL)) as peer:
        error = fail(how, peer, ca=ca, timeout=0.5)

        assert error.outcome == "not_accepted"
        assert PASSWORD not in str(peer.sessions[0].commands)


def test_the_matrix_has_the_size_of_the_checklist() -> None:
    assert len(BAD) == 12
