"""The direct exchange without a socket: what a server says before it has the request."""

from __future__ import annotations

import pytest

from mailbalance import TransientError, UnknownOutcomeError
from mailbalance.wire.http import HttpRequest, HttpResponse
from mailbalance.wire.http.exchange import Dialogue, Exchange
from mailbalance.wire.http.reply import HEAD_LIMIT
from mailbalance.wire.http.request import outgoing
from mailbalance.wire.net.drive import Commit, Read, Write

from .driven import LONG, OK, RESET, SHORT, SLOW, URL, Driven

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nServer: b\r\n\r\n"
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

#: Bytes from which on an interim reply can be told from any other.
TOLD = len(b"HTTP/1.1 100")


def failing(status):
    return b"HTTP/1.1 %d Oh\r\nContent-Length: 2\r\n\r\nno" % status


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize(
    "interim", [CONTINUE, HINTS, CONTINUE + HINTS, b"\r\n" + HINTS]
)
def test_interim_replies_do_not_stop_a_request_wherever_they_are_cut(interim, reused):
    for at in range(1, len(interim)):
        driven = Driven(LONG, interim[:at], interim[at:], None, None, OK, reused=reused)

        assert (driven.response.status, driven.response.body) == (200, b"{}")
        assert driven.kinds()[-3:] == [Write, Commit, Read]
        assert driven.exchange.keep


def test_interim_replies_may_come_byte_by_byte():
    pieces = [HINTS[at : at + 1] for at in range(len(HINTS))]

    assert Driven(LONG, *pieces, None, None, OK).response.status == 200


def test_what_was_handed_over_before_an_interim_reply_is_not_written_again():
    steps = Driven(LONG, CONTINUE, None, None, OK).steps

    assert [type(step) for step in steps] == [Write, Write, Commit, Read]
    assert steps[1][0] is steps[0][0]


@pytest.mark.parametrize("at", range(TOLD, len(HINTS)))
def test_half_an_interim_head_is_kept_for_its_other_half(at):
    driven = Driven(LONG, HINTS[:at], None, None, HINTS[at:] + OK)

    assert driven.kinds() == [Write, Write, Commit, Read]
    assert driven.response.body == b"{}"
    assert driven.exchange.keep


@pytest.mark.parametrize("before", [b"", CONTINUE])
@pytest.mark.parametrize("at", range(1, TOLD))
def test_a_head_that_may_be_a_refusal_is_waited_for(before, at):
    driven = Driven(LONG, before + REFUSAL[:at], SLOW)

    assert driven.kinds() == [Write, Read]
    assert driven.steps[1] == (1.0, False)
    assert isinstance(driven.error, TransientError)
    assert (driven.error.phase, driven.error.code) == ("request", "timeout")


@pytest.mark.parametrize("reused", [False, True])
def test_a_refusal_after_an_interim_reply_is_the_answer(reused):
    said = CONTINUE + REFUSAL
    for at in range(1, len(said) - 1):
        driven = Driven(LONG, said[:at], said[at:], reused=reused)

        assert (driven.response.status, driven.response.body) == (413, b"no")
        assert Commit not in driven.kinds()
        assert not driven.exchange.keep


def test_a_refusal_after_an_interim_reply_is_found_when_the_connection_broke():
    driven = Driven(LONG, RESET, CONTINUE, REFUSAL[:5], REFUSAL[5:])

    assert (driven.response.status, driven.response.body) == (413, b"no")


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("then", [b"", b"junk\r\n\r\n", OK, RESET])
def test_what_else_follows_an_interim_reply_is_not_accepted(then, reused):
    driven = Driven(LONG, CONTINUE, then, reused=reused)

    assert isinstance(driven.error, TransientError)
    assert Commit not in driven.kinds()
    assert driven.exchange.stale is reused


def test_endless_interim_replies_are_not_accepted():
    driven = Driven(LONG, *[CONTINUE] * 4000)

    assert isinstance(driven.error, TransientError)
    assert len(driven.steps) <= HEAD_LIMIT // len(CONTINUE) + 1
    assert Commit not in driven.kinds()


def test_interim_replies_give_no_more_time():
    clock = iter(range(30))
    answers = [*[CONTINUE] * 9, SLOW]
    driven = Driven(LONG, *answers, now=lambda: float(next(clock)))

    assert len(driven.steps) == 10
    assert {step[1] for step in driven.steps} == {15.0}
    assert (driven.error.phase, driven.error.code) == ("request", "timeout")


def test_without_time_for_a_reply_interim_ones_do_not_commit_a_request():
    clock = iter([0.0, 1.0, 20.1])
    driven = Driven(LONG, CONTINUE, now=lambda: next(clock))

    assert "not enough time" in driven.error.detail
    assert driven.kinds() == [Write, Write]


@pytest.mark.parametrize(
    ("before", "likely"), [([], "not_accepted"), ([CONTINUE], None)]
)
def test_a_kept_connection_closed_after_an_interim_reply_hints_at_nothing(
    before, likely
):
    error = Driven(LONG, *before, None, None, b"", reused=True).error

    assert isinstance(error, UnknownOutcomeError)
    assert error.likely == likely


@pytest.mark.parametrize("half", [0, 20])
def test_an_interim_reply_says_that_a_port_speaks_http(half):
    driven = Driven(LONG, HINTS[:half] or CONTINUE, None, None, HINTS[half:], b"")

    assert isinstance(driven.error, UnknownOutcomeError)
    assert "does not seem to speak HTTP" not in driven.error.detail


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("status", [500, 502, 504, 599])
@pytest.mark.parametrize("before", [[], [RESET], [CONTINUE], [RESET, CONTINUE]])
def test_a_servers_trouble_before_the_last_block_is_not_accepted(
    before, status, reused
):
    driven = Driven(LONG, *before, failing(status), reused=reused)

    assert isinstance(driven.error, TransientError)
    assert (driven.error.phase, driven.error.code) == ("request", str(status))
    assert driven.error.backend == "b"
    assert driven.error.detail == (
        f"host answered {status} before it had the whole request"
    )
    assert Commit not in driven.kinds()
    assert not driven.exchange.stale
    assert not driven.exchange.keep


@pytest.mark.parametrize("status", [300, 400, 429, 499, 503])
def test_what_a_provider_may_have_said_before_the_last_block_is_its_answer(status):
    driven = Driven(LONG, failing(status))

    assert (driven.response.status, driven.response.body) == (status, b"no")
    assert Commit not in driven.kinds()
    assert not driven.exchange.keep


@pytest.mark.parametrize("body", [SHORT, LONG])
def test_a_servers_trouble_after_the_last_block_broke_is_left_to_judge(body):
    before = [None] * (body is LONG)

    assert Driven(body, *before, RESET, failing(502)).response.status == 502


def test_a_question_asked_again_forgets_that_its_end_broke_the_first_time():
    exchange = Exchange("b", "host", 30.0, lambda: 0.0, harmless=True)
    request = outgoing(HttpRequest("GET", URL, {}, b""))
    first, again = Dialogue(request, exchange), Dialogue(request, exchange)

    steps = first.run()
    next(steps)
    steps.throw(RESET)
    with pytest.raises(TransientError):
        steps.send(b"")
    assert exchange.stale
    exchange.restart()
    steps = again.run()
    next(steps)
    steps.send(None)

    assert isinstance(steps.send(OK), HttpResponse)
    assert exchange.keep
