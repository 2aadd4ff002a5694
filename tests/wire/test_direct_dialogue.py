"""The direct exchange without a socket: each step it asks for, each answer it may get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import TransientError, UnknownOutcomeError
from mailbalance.wire.http import HttpRequest
from mailbalance.wire.http.reply import HEAD_LIMIT
from mailbalance.wire.http.request import LAST_BLOCK, cut, outgoing
from mailbalance.wire.net.drive import Commit, Read, Write

from .driven import LONG, OK, RESET, SHORT, SLOW, URL, Driven


def test_a_short_request_is_one_write():
    driven = Driven(SHORT, None, OK)

    assert driven.kinds() == [Commit, Read]
    assert driven.written().endswith(b"Content-Length: 100\r\n\r\n" + SHORT)
    assert (driven.response.status, driven.response.body) == (200, b"{}")
    assert driven.exchange.keep


def test_the_last_block_of_a_long_request_goes_out_alone():
    driven = Driven(LONG, None, None, OK)

    assert driven.kinds() == [Write, Commit, Read]
    assert sum(map(len, driven.steps[1].pieces)) == LAST_BLOCK
    assert driven.written().endswith(b"\r\n\r\n" + LONG)


@given(
    st.lists(st.binary(max_size=30).map(memoryview), min_size=1, max_size=8),
    st.integers(1, 40),
)
def test_cutting_loses_nothing_and_copies_nothing(pieces, size):
    before, last = cut(tuple(pieces), size)
    whole = b"".join(pieces)

    assert b"".join((*before, *last)) == whole
    assert sum(map(len, last)) == min(size, len(whole))
    assert not before or len(whole) > size
    assert {id(p.obj) for p in (*before, *last)} <= {id(p.obj) for p in pieces}


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("answer", [RESET, SLOW, b"", b"junk\r\n\r\n", OK])
def test_what_breaks_before_the_last_block_is_not_accepted(answer, reused):
    driven = Driven(LONG, answer, reused=reused)

    assert isinstance(driven.error, TransientError)
    assert Commit not in driven.kinds()
    assert driven.exchange.stale is (reused and answer is not SLOW)
    assert not driven.exchange.keep


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("how", ["said", "and closed", "and reset"])
def test_a_refusal_before_the_last_block_is_the_answer(how, reused):
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    answers = {"said": [said], "and closed": [said[:20], said[20:], b""]}
    driven = Driven(LONG, *answers.get(how, [RESET, said]), reused=reused)

    assert (driven.response.status, driven.response.body) == (413, b"no")
    assert Commit not in driven.kinds()
    assert not driven.exchange.keep


@pytest.mark.parametrize("reused", [False, True])
def test_a_server_that_had_given_up_a_kept_connection_is_asked_again(reused):
    gone = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    driven = Driven(LONG, gone, reused=reused)

    assert driven.exchange.stale is reused
    assert (driven.response is None) is reused


@pytest.mark.parametrize("left", [9.9, 0.0])
def test_without_time_for_a_reply_the_last_block_is_not_written(left):
    clock = iter([0.0, 0.0, 30 - left, 30 - left])
    driven = Driven(LONG, now=lambda: next(clock))

    assert "not enough time" in driven.error.detail
    assert driven.kinds() == [Write]


@pytest.mark.parametrize("answer", [RESET, SLOW])
def test_a_last_block_that_was_not_taken_is_unknown_and_hardly_arrived(answer):
    driven = Driven(SHORT, answer)

    assert isinstance(driven.error, UnknownOutcomeError)
    assert driven.error.likely == "not_accepted"


def test_a_refusal_found_after_the_last_block_broke_is_the_answer():
    said = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"

    assert Driven(SHORT, RESET, said).response.status == 401


def test_a_success_found_after_the_last_block_broke_is_unknown():
    error = Driven(SHORT, RESET, OK).error

    assert isinstance(error, UnknownOutcomeError)
    assert error.likely == "accepted"


#: Whole replies; what they say, and whether the connection may go on.
REPLIES = [
    (OK, 200, b"{}", True),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + OK[17:], 200, b"{}", False),
    (b"HTTP/1.0 200 OK\r\n" + OK[17:], 200, b"{}", False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + OK[17:], 200, b"{}", True),
    (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n" + OK,
        200,
        b"{}",
        True,
    ),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 200 OK\r\n\r\n{}", 200, b"{}", False),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1;x=y\r\n{\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n",
        200,
        b"{}",
        True,
    ),
    (b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\ncut", 500, b"cut", False),
    (OK + b"surplus", 200, b"{}", False),
    (OK + OK, 200, b"{}", False),
]


@pytest.mark.parametrize(("reply", "status", "body", "keep"), REPLIES)
def test_a_reply_is_the_same_however_it_is_cut(reply, status, body, keep):
    for at in range(1, len(reply)):
        driven = Driven(SHORT, None, reply[:at], reply[at:])
        assert (driven.response.status, driven.response.body) == (status, body)
        # What comes after the end is not read any more; the next glance finds it.
        assert driven.exchange.keep is (
            keep or (at == len(OK) and reply.startswith(OK))
        )

    one_by_one = (reply[at : at + 1] for at in range(len(reply)))
    assert Driven(SHORT, None, *one_by_one).response.body == body


BAD = {
    "no HTTP": b"220 smtp.example.com ready\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length beside chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"
    ),
    "a length below zero": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "another protocol": b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_LIMIT,
    "a head too long": b"HTTP/1.1 200 OK\r\n" + b"X: yyyy\r\n" * 8000 + OK[17:],
    "too many interim replies": b"HTTP/1.1 100 Continue\r\n\r\n" * 4000 + OK,
    "nothing": b"",
}


@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
def test_what_is_no_reply_leaves_the_outcome_unknown(reply):
    driven = Driven(SHORT, None, reply)

    assert isinstance(driven.error, UnknownOutcomeError)
    assert not driven.exchange.keep
    if len(reply) > HEAD_LIMIT:
        pieces = (reply[at : at + 999] for at in range(0, len(reply), 999))
        assert isinstance(Driven(SHORT, None, *pieces).error, UnknownOutcomeError)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
    ],
)
def test_a_success_that_breaks_off_is_unknown_and_likely_accepted(reply):
    error = Driven(SHORT, None, reply).error

    assert isinstance(error, UnknownOutcomeError)
    assert error.likely == "accepted"


@pytest.mark.parametrize(
    ("name", "text"), [("X", "a\r\nB: c"), ("X\nY", "a"), ("X", "\0"), ("X", "é€")]
)
def test_a_header_cannot_smuggle_another(name, text):
    with pytest.raises(ValueError, match=r"line end|latin-1"):
        outgoing(HttpRequest("POST", URL, {name: text}, b""))


def test_no_step_shows_what_is_sent():
    for step in Driven(LONG, None, None, OK).steps:
        assert "secret" not in repr(step)
