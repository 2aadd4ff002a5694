"""A user's own client, of either family; and no foreign exception ever gets out."""

from __future__ import annotations

import asyncio
import inspect

import httpcore
import httpcore2
import httpx
import httpx2
import pytest

from mailbalance import (
    ConfigError,
    DeliveryError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.wire.http import HttpRequest, HttpWire
from mailbalance.wire.http.errors import (
    BEFORE_COMMIT,
    SENTENCES,
    is_of_the_way,
    is_stale,
    translate,
)
from mailbalance.wire.http.exchange import Exchange
from mailbalance.wire.http.user_clients import check

from .peer import OK, Peer, answering, dribbling, serve, serve_once, silent

FAMILIES = [httpx2, httpx]


class Own:
    """One family's clients, sync or async, driven through a wire."""

    def __init__(self, family, sync):
        self.family, self.sync = family, sync

    def send(self, url, *, first=None, timeout=5.0, **options):
        """Send, twice if there is something to do after the first time."""
        request = HttpRequest("POST", url, {"Content-Type": "text/plain"}, b"mail")
        if not self.sync:
            return asyncio.run(self._asend(request, first, timeout, options))
        with self.family.Client(**options) as client:
            wire = HttpWire(backend="b", client=client)
            reply = wire.post(request, timeout=timeout)
            if first is not None:
                first()
                reply = wire.post(request, timeout=timeout)
            wire.close()
            assert not client.is_closed
        return reply

    async def _asend(self, request, first, timeout, options):
        async with self.family.AsyncClient(**options) as client:
            wire = HttpWire(backend="b", async_client=client)
            reply = await wire.apost(request, timeout=timeout)
            if first is not None:
                await asyncio.to_thread(first)
                reply = await wire.apost(request, timeout=timeout)
            await wire.aclose()
            assert not client.is_closed
        return reply

    def mock(self, answer):
        def handle(request):
            if isinstance(answer, Exception):
                raise answer
            return self.family.Response(*answer)

        return self.family.MockTransport(handle)


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def sync(request):
    return request.param


@pytest.fixture(params=FAMILIES, ids=lambda family: family.__name__)
def own(request, sync):
    return Own(request.param, sync)


def test_it_sends_with_our_headers_and_nothing_of_its_own_login(own):
    with Peer((serve,)) as peer:
        reply = own.send(peer.url(), auth=("user", "password"))

    assert (reply.status, reply.body) == (200, OK)
    assert "authorization" not in peer.requests[0].headers
    assert peer.requests[0].headers["content-length"] == "4"
    assert peer.requests[0].headers["user-agent"].startswith("mailbalance/")


def test_its_refused_connection_is_not_accepted(own):
    with Peer((serve,)) as peer:
        pass

    with pytest.raises(TransientError) as caught:
        own.send(peer.url())

    assert caught.value.code == "ECONNREFUSED"


@pytest.mark.parametrize(
    "act",
    [
        lambda caller: caller.take(),
        silent,
        dribbling(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b" "),
    ],
    ids=["closed", "silent", "dribbling"],
)
def test_its_lost_reply_leaves_the_outcome_unknown(own, act):
    with Peer((act,)) as peer:
        with pytest.raises(UnknownOutcomeError):
            own.send(peer.url(), timeout=0.6)
        peer.wait_for_an_end()

    assert len(peer.requests) == 1


def test_its_dead_connection_is_replaced_unseen(own):
    with Peer((serve_once, serve)) as peer:
        own.send(peer.url(), first=peer.wait_for_an_end)

    assert len(peer.requests) == 2


def test_its_redirects_are_not_followed(own):
    act = answering(307, b"", "Location: /elsewhere")

    with Peer((act,)) as peer:
        assert own.send(peer.url(), follow_redirects=True).status == 307

    assert len(peer.requests) == 1


def test_its_reply_is_capped(own):
    act = answering(200, b" " * 1_100_000)

    with Peer((act,)) as peer, pytest.raises(UnknownOutcomeError, match="longer"):
        own.send(peer.url())


def test_a_transport_without_trace_events_gives_replies(own):
    reply = own.send("https://x/", transport=own.mock((201,)))

    assert reply.status == 201


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ConnectError", TransientError),
        ("ConnectTimeout", TransientError),
        ("PoolTimeout", ThrottledError),
        ("ProxyError", TransientError),
        ("ReadError", UnknownOutcomeError),
        ("ReadTimeout", UnknownOutcomeError),
        ("WriteError", UnknownOutcomeError),
        ("RemoteProtocolError", UnknownOutcomeError),
    ],
)
def test_without_trace_events_only_the_class_can_prove_that_nothing_was_sent(
    own, name, expected
):
    fault = getattr(own.family, name)("odd")

    with pytest.raises(expected):
        own.send("https://x/", transport=own.mock(fault))


@pytest.mark.parametrize("fault", [RuntimeError("odd"), OSError("odd")])
def test_any_other_exception_without_trace_events_leaves_it_unknown(own, fault):
    with pytest.raises(UnknownOutcomeError):
        own.send("https://x/", transport=own.mock(fault))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_closed_client_is_unavailable(family):
    client = family.Client()
    client.close()

    with pytest.raises(UnavailableError, match="has been closed"):
        HttpWire(backend="b", client=client).post(
            HttpRequest("POST", "http://127.0.0.1:9/", {}, b""), timeout=1
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_clients_in_the_wrong_place_are_noticed(family):
    with pytest.raises(ConfigError) as caught:
        check("ses", family.AsyncClient(), family.Client())

    assert len(caught.value.problems) == 2
    check("ses", family.Client(), family.AsyncClient())


EXCEPTIONS = [
    pytest.param(found, id=f"{family.__name__}.{name}")
    for family in (httpcore2, httpcore, httpx2, httpx)
    for name, found in vars(family).items()
    if inspect.isclass(found) and issubclass(found, Exception)
]


def made(found):
    """Make an exception without knowing its arguments."""
    error = found.__new__(found)
    Exception.__init__(error, "odd")
    return error


@pytest.mark.parametrize("found", EXCEPTIONS)
@pytest.mark.parametrize("committed", [False, True])
def test_every_foreign_exception_has_a_translation(found, committed):
    exchange = Exchange("b", "host", 30)
    exchange.committed = committed

    ours = translate(made(found), exchange)

    proves_nothing = BEFORE_COMMIT.isdisjoint(cls.__name__ for cls in found.__mro__)
    assert isinstance(ours, DeliveryError)
    assert (ours.outcome == "unknown") is (committed and proves_nothing)
    assert "host" in ours.detail


def test_no_foreign_exception_escapes(own):
    for found in vars(own.family).values():
        if inspect.isclass(found) and issubclass(found, own.family.HTTPError):
            with pytest.raises(DeliveryError):
                own.send("https://x/", transport=own.mock(made(found)))


def test_what_is_not_of_the_way_passes_untouched(own):
    limit = LookupError("a time limit, say")

    with pytest.raises(LookupError) as caught:
        own.send("https://x/", transport=own.mock(limit))

    assert caught.value is limit


@pytest.mark.parametrize("found", EXCEPTIONS)
def test_every_class_of_the_families_is_of_the_way(found):
    assert is_of_the_way(made(found))


def test_the_table_knows_every_class_of_the_wire_below():
    """Bases and the pool's inner signal apart."""
    bases = {"NetworkError", "ProtocolError", "TimeoutException"}
    raised = {
        name
        for name, found in vars(httpcore2).items()
        if inspect.isclass(found) and issubclass(found, Exception)
    }

    assert raised - bases - {"ConnectionNotAvailable"} <= set(SENTENCES)


def test_only_a_kept_connection_can_be_stale():
    exchange = Exchange("b", "host", 30)
    exchange.phase = "request"
    error = httpcore2.ReadError()
    assert is_stale(error, exchange)

    exchange.reused = False
    assert not is_stale(error, exchange)

    exchange.reused, exchange.committed = True, True
    assert not is_stale(error, exchange)
