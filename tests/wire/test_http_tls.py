"""TLS that must be right, and proxies on the way."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import traceback
from urllib.parse import quote

import httpx
import httpx2
import pytest
import trustme
from botocore.utils import get_environ_proxies

from mailbalance import (
    DeliveryError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.http.proxy_settings import proxy_for
from mailbalance.wire.net.tls import client_context
from tests.canary import forms

from .peer import OK, Peer, serve
from .test_http_outcomes import by_apost, by_post

#: Fit for every place where a password may be.
CANARY = "canary/5Wq+2="


@pytest.fixture(params=[by_post, by_apost], ids=["post", "apost"])
def how(request):
    return request.param


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A CA of our own: its file, and a server context for ``localhost``."""
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    return str(path), server


def test_a_trusted_certificate_for_the_name_is_fine(how, ours):
    ca, server = ours

    with Peer((serve,), tls=server) as peer:
        reply = how(peer.url(host="localhost"), ca=ca, times=3)

    assert reply.body == OK
    assert peer.connections == 1


def test_an_unknown_authority_makes_the_backend_unavailable(how, ours):
    refused = pytest.raises(UnavailableError, match="not to be trusted")

    with Peer((serve,), tls=ours[1]) as peer, refused as caught:
        how(peer.url(host="localhost"))

    assert (caught.value.phase, caught.value.code) == ("tls", "certificate")
    assert peer.requests == []


def test_a_certificate_for_another_name_makes_the_backend_unavailable(how, ours):
    refused = pytest.raises(UnavailableError, match="not to be trusted")

    with Peer((serve,), tls=ours[1]) as peer, refused:
        how(peer.url(host="127.0.0.1"), ca=ours[0])

    assert peer.requests == []


def test_plaintext_on_a_tls_port_is_explained(how):
    def banner(caller):
        caller.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        caller.wait_until_gone()

    explained = pytest.raises(
        TransientError, match=r"plain HTTP.*endpoint=http://.*tls=off"
    )

    with Peer((banner,)) as peer, explained as caught:
        how(peer.url().replace("http:", "https:"))

    assert caught.value.code == "tls"


def by_any_client(family):
    """Send by a user's own client."""

    def how(url):
        with family.Client() as client:
            request = HttpRequest("POST", url, {}, b"mail")
            HttpWire(backend="b", client=client).post(request, timeout=0.9)

    return how


def smtp(caller):
    caller.say(b"220 mail.example.com ready\r\n")
    caller.wait_until_gone()


def smtp_that_ends(caller):
    caller.take()
    caller.say(b"220 mail.example.com ready\r\n500 what?\r\n\r\n")


@pytest.mark.parametrize("act", [smtp, smtp_that_ends])
def test_http_on_a_port_for_smtp_is_explained_and_still_unknown(how, act):
    explained = pytest.raises(UnknownOutcomeError, match="not seem to speak HTTP")

    with Peer((act,)) as peer, explained as caught:
        how(peer.url(), timeout=0.9)

    assert "endpoint= of ses or tls= of mailtrap" in caught.value.detail


@pytest.mark.parametrize("family", [httpx, httpx2])
def test_a_users_own_client_has_http_on_a_port_for_smtp_explained(family):
    explained = pytest.raises(UnknownOutcomeError, match="not seem to speak HTTP")

    with Peer((smtp_that_ends,)) as peer, explained:
        by_any_client(family)(peer.url())


def test_http_on_a_port_that_begins_with_tls_is_explained_and_still_unknown(how, ours):
    explained = pytest.raises(UnknownOutcomeError, match="if this port does not speak")

    with Peer((serve,), tls=ours[1]) as peer, explained as caught:
        how(peer.url().replace("https:", "http:"))

    assert "endpoint= of ses or tls= of mailtrap" in caught.value.detail


def test_a_reply_lost_over_tls_is_not_explained_away(how, ours):
    ca, server = ours

    with (
        Peer((lambda caller: caller.take(),), tls=server) as peer,
        pytest.raises(UnknownOutcomeError) as caught,
    ):
        how(peer.url(host="localhost"), ca=ca)

    assert "look at" not in caught.value.detail


def test_the_shared_context_is_left_as_it_was(ours):
    """ALPN on it would offer HTTP to SMTP servers."""
    offered = []
    ca, server = ours
    server.set_alpn_protocols(["http/1.1"])

    def act(caller):
        offered.append(caller.sock.selected_alpn_protocol())
        serve(caller)

    with Peer((act,), tls=server) as peer:
        by_post(peer.url(host="localhost"), ca=ca)

    assert offered == [None]


def test_a_missing_file_of_certificates_is_named(how, tmp_path):
    with pytest.raises(UnavailableError, match="AWS_CA_BUNDLE"):
        how("https://127.0.0.1:9/", ca=str(tmp_path / "no.pem"))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HTTPS_PROXY": "http://proxy:3128"},
        {"https_proxy": "http://lower:1", "HTTPS_PROXY": "http://upper:2"},
        {"https_proxy": "", "HTTPS_PROXY": "http://upper:2"},
        {"HTTP_PROXY": "http://plain:1"},
        {"ALL_PROXY": "http://all:1"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "amazonaws.com"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, .amazonaws.com"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "naws.com"},
        {"HTTPS_PROXY": "http://p:1", "no_proxy": "EMAIL.eu-west-1.amazonaws.com"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "email.eu-west-1.amazonaws.com:444"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8,, "},
    ],
)
@pytest.mark.parametrize("port", ["", ":444"])
def test_the_proxy_is_the_one_boto3_would_use(monkeypatch, environ, port):
    url = f"https://email.eu-west-1.amazonaws.com{port}/v2"
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    theirs = get_environ_proxies(url).get("https")

    assert proxy_for(url, environ) == proxy_for(url, None) == theirs


def test_plaintext_to_this_machine_never_goes_through_a_proxy():
    environ = {"HTTP_PROXY": "http://proxy:1", "HTTPS_PROXY": "http://proxy:1"}

    assert proxy_for("http://127.0.0.1:5000/", environ) is None


@pytest.mark.parametrize("given", ["//proxy:1", "proxy:1", "http://proxy:1"])
def test_a_proxy_may_be_written_without_its_scheme(given):
    found = proxy_for("https://example.com/", {"HTTPS_PROXY": given})

    assert found == "http://proxy:1"


def tunnel(caller):
    """Be a proxy: connect to where CONNECT says and pass bytes both ways."""
    head = caller.take_head()
    caller.peer.heads.append(head)
    host, port = head.split()[1].decode().rsplit(":", 1)
    with socket.create_connection((host, int(port))) as far:
        caller.say(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=_pass, args=(far, caller.sock))
        back.start()
        _pass(caller.sock, far)
        back.join()


def _pass(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def through(proxy, user=""):
    proxy.heads = []
    return {"HTTPS_PROXY": f"http://{user}127.0.0.1:{proxy.port}"}


def test_a_proxy_passes_requests_on_without_seeing_them(how, ours):
    ca, server = ours

    with Peer((serve,), tls=server) as peer, Peer((tunnel,)) as proxy:
        environ = through(proxy, "us%40er:pa%3Ass@")
        reply = how(peer.url(host="localhost"), ca=ca, environ=environ, times=2)

    assert reply.body == OK
    assert len(peer.requests) == 2
    assert len(proxy.heads) == 1
    assert b"Proxy-Authorization: Basic dXNAZXI6cGE6c3M=" in proxy.heads[0]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *(
            (each, UnavailableError)
            for each in (302, 400, 403, 404, 405, 407, 501, 511)
        ),
        *((each, TransientError) for each in (408, 429, 500, 502, 503, 504)),
    ],
)
def test_a_proxy_that_refuses_leaves_the_message_unsent(how, ours, status, error):
    def refuse(caller):
        caller.take_head()
        caller.reply(status, b"no")

    with Peer((refuse,)) as proxy, pytest.raises(error) as caught:
        how("https://localhost:9/", ca=ours[0], environ=through(proxy, "u:hidden@"))

    assert (caught.value.phase, caught.value.code) == ("proxy", str(status))
    assert f"the proxy 127.0.0.1:{proxy.port} on the way to" in caught.value.detail
    assert "hidden" not in caught.value.detail


@pytest.mark.parametrize(
    "said",
    [
        f"HTTP/1.1 407 Who is {CANARY}\r\n\r\n",
        f"HTTP/1.1 502 {quote(CANARY, safe='')}\r\n\r\n",
        f"{CANARY} is wrong\r\n\r\n",
    ],
    ids=["refused", "as written", "no HTTP"],
)
def test_a_proxy_that_echoes_its_password_is_quoted_without_it(how, ours, said):
    def echo(caller):
        caller.take_head()
        caller.say(said.encode())

    with Peer((echo,)) as proxy:
        environ = through(proxy, f"user:{quote(CANARY, safe='')}@")
        with pytest.raises(DeliveryError) as caught:
            how("https://localhost:1/", ca=ours[0], environ=environ)

    assert caught.value.phase == "proxy"
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(form in shown for form in forms(CANARY))


def test_a_tunnel_that_breaks_in_the_handshake_leaves_the_message_unsent(how, ours):
    def hang_up(caller):
        caller.take_head()
        caller.say(b"HTTP/1.1 200 Connected\r\n\r\n")

    with Peer((hang_up,)) as proxy, pytest.raises(TransientError) as caught:
        how("https://localhost:9/", ca=ours[0], environ=through(proxy))

    assert caught.value.phase == "tls"


@pytest.fixture
def system_trusts_us(ours, monkeypatch):
    """Our CA among the system's, for a proxy, which has no ``ca`` of its own."""
    monkeypatch.setenv("SSL_CERT_FILE", ours[0])
    client_context.cache_clear()
    yield
    client_context.cache_clear()


@pytest.mark.usefixtures("system_trusts_us")
def test_a_proxy_may_itself_be_reached_by_tls(how, ours):
    """TLS inside TLS."""
    ca, server = ours

    with Peer((serve,), tls=server) as peer, Peer((tunnel,), tls=server) as proxy:
        proxy.heads = []
        environ = {"HTTPS_PROXY": f"https://localhost:{proxy.port}"}
        reply = how(peer.url(host="localhost"), ca=ca, environ=environ)

    assert reply.body == OK
