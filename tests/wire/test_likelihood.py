"""Which way the evidence points when an outcome is unknown: the whole table."""

import httpx2
import pytest

from mailbalance import UnknownOutcomeError
from mailbalance.backends import _http
from mailbalance.wire.http import HttpRequest, HttpResponse, HttpWire
from tests.wire.peer import Caller, Peer, saying, silent
from tests.wire.smtp_peer import FIN, RST, STALL, SmtpPeer
from tests.wire.smtp_simulation import (
    MAIL,
    Link,
    SimulatedServer,
    drive,
    new_transaction,
)
from tests.wire.smtp_ways import HOWS, How, fail
from tests.wire.test_http_outcomes import by_apost, by_post

#: What a server does when it should reply to the dot, and what that tells.
AT_THE_DOT = [
    ((b"250 2.0.0 Ok que", FIN), "accepted"),
    ((b"250-2.0.0 Ok\r\n", FIN), "accepted"),
    ((b"2", FIN), "accepted"),
    ((b"25", RST), None),  # a reset may destroy what was not read yet
    ((b"250 Ok", STALL), "accepted"),
    ((b"550 5.7.1 Mess", FIN), "not_accepted"),
    ((b"4", FIN), "not_accepted"),
    ((b"354 go on\r\n",), None),
    ((b"\x16\x03junk\r\n",), None),
    ((b"junk", FIN), None),
    ((FIN,), None),
    ((STALL,), None),
]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("acts", "likely"), AT_THE_DOT)
def test_a_reply_that_only_began_says_which_way(
    how: How, acts: tuple[bytes | str, ...], likely: str | None
) -> None:
    with SmtpPeer(dot=acts) as peer:
        error = fail(how, peer, timeout=1)

    assert isinstance(error, UnknownOutcomeError)
    assert error.likely in ({likely, "accepted"} if RST in acts else {likely})


def test_a_dot_that_could_not_be_written_was_hardly_read() -> None:
    cut = Link(SimulatedServer(), up_to_server=_all_bytes() - 1, notice="write")

    error = drive(new_transaction(), cut)

    assert isinstance(error, UnknownOutcomeError)
    assert error.likely == "not_accepted"


def _all_bytes() -> int:
    server = SimulatedServer()
    drive(new_transaction(), Link(server))
    assert server.accepted == MAIL.recipients
    return server.received


def cut_in_the_body(caller: Caller) -> None:
    caller.take_head()
    caller.reset()


def kept_then_closed(caller: Caller) -> None:
    caller.take()
    caller.reply()
    caller.take()


HEAD = b"HTTP/1.1 %s Whatever\r\nContent-Length: 9\r\n\r\n"

#: How a request ends, how often it is made before, and what that tells.
OVER_HTTP = [
    (kept_then_closed, 2, "not_accepted"),
    (saying(HEAD % b"200" + b"{}"), 1, "accepted"),
    (saying(HEAD % b"201"), 1, "accepted"),
    (saying(b""), 1, None),
    (saying(b"HTTP/1.1 2"), 1, None),
    (saying(b"SMTP?\r\n\r\n"), 1, None),
    (silent, 1, None),
]


@pytest.mark.parametrize("how", [by_post, by_apost])
@pytest.mark.parametrize(("act", "times", "likely"), OVER_HTTP)
def test_what_came_of_a_request_says_which_way(how, act, times, likely) -> None:
    with Peer((act,)) as peer, pytest.raises(UnknownOutcomeError) as caught:
        how(peer.url(), times=times, timeout=1.0)

    assert caught.value.likely == likely


def test_a_request_that_could_not_be_written_in_full_hardly_arrived() -> None:
    client = httpx2.Client()  # our own way knows for sure
    wire = HttpWire(backend="b", client=client)
    with Peer((cut_in_the_body,)) as peer:
        request = HttpRequest("POST", peer.url(), {}, b"x" * 8_000_000)
        with pytest.raises(UnknownOutcomeError) as caught:
            wire.post(request, timeout=5)
    client.close()

    assert caught.value.likely == "not_accepted"


@pytest.mark.parametrize(
    ("status", "likely"),
    [(200, "accepted"), (202, "accepted"), (100, None), (500, None), (502, None)],
)
def test_a_status_of_success_points_to_acceptance(status, likely) -> None:
    verdict = _http.judge((), status, "", "")

    error = _http.failure(
        verdict, HttpResponse(status, {}, b""), backend="b", code="", text=""
    )

    assert isinstance(error, UnknownOutcomeError)
    assert error.likely == likely
