"""How much of a reply is read, whatever it is made of."""

from __future__ import annotations

import pytest

from mailbalance import UnknownOutcomeError
from mailbalance.wire.http.reply import HEAD_LIMIT, REPLY_LIMIT

from .driven import SHORT, Driven

HEAD = b"HTTP/1.1 %d Whatever\r\nTransfer-Encoding: chunked\r\n\r\n"

#: What may go on for ever around a body: how it begins, and one more of it.
ENDLESS = {
    "trailers": (b"0\r\n", b"X: " + b"v" * 995 + b"\r\n"),
    "one trailer": (b"0\r\nX: ", b"v" * 1000),
    "a chunk's extension": (b"1;", b"e" * 1000),
    "tiny chunks": (b"", b"1;" + b"e" * 993 + b"\r\nx\r\n"),
}


@pytest.mark.parametrize(("begin", "more"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("size", [1, 300])
def test_a_reply_is_broken_off_whatever_makes_it_long(begin, more, size):
    limit = (HEAD_LIMIT + REPLY_LIMIT) // (size * len(more))
    driven = Driven(SHORT, None, HEAD % 200 + begin, *[more * size] * (limit + 20))

    assert isinstance(driven.error, UnknownOutcomeError)
    assert driven.error.likely == "accepted"
    assert f"it is longer than {REPLY_LIMIT} bytes" in driven.error.detail
    assert len(driven.steps) <= limit + 4
    assert not driven.exchange.keep


@pytest.mark.parametrize(("begin", "more"), ENDLESS.values(), ids=ENDLESS)
def test_an_error_counts_however_long_its_reply_goes_on(begin, more):
    driven = Driven(SHORT, None, HEAD % 400 + begin, *[more] * 1200)

    assert driven.response.status == 400
    assert len(driven.steps) < 1200
    assert not driven.exchange.keep


@pytest.mark.parametrize("size", [1000, 16 * 1024, 10 * REPLY_LIMIT])
def test_a_reply_at_its_limit_in_chunks_and_with_trailers_is_read_in_full(size):
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    end = b"0\r\nX: " + b"v" * (HEAD_LIMIT - 2000) + b"\r\n\r\n"
    said = HEAD % 200 + chunk * (REPLY_LIMIT // 0x4000) + end
    cut = [said[at : at + size] for at in range(0, len(said), size)]
    driven = Driven(SHORT, None, *cut)

    assert driven.response.body == b"x" * REPLY_LIMIT
    assert driven.exchange.keep
