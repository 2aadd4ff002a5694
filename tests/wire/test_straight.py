"""The straight exchange and the one for all that is odd come to the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import DeliveryError
from mailbalance.wire.http import HttpRequest
from mailbalance.wire.http import exchange as exchanges
from mailbalance.wire.http.exchange import Dialogue, Exchange, astraight, straight
from mailbalance.wire.http.reply import plain
from mailbalance.wire.http.request import outgoing
from mailbalance.wire.net.drive import Commit, Read

from .driven import OK, RESET, SLOW, URL

OUT = outgoing(HttpRequest("POST", URL, {}, b"x" * 100))
SIZE = len(OUT[1][0])

HEADERS = [
    *("Content-Length: {n}", "Content-Length: {n}", "content-length: {n}"),
    *("Content-Length: 0{n}", "Content-Length: 99", "Content-Length : {n}"),
    *("Connection: keep-alive", "Connection: Keep-Alive", "Connection: close"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Upgrade: h2c"),
    *("X-Id: 7", "X-Id:7", "X-Id:  7  ", "X-Id:", "Proxy-Connection: close"),
    *("Content-Type: application/json", "Set-Cookie: a=b", " folded", "bad", "X: \x00"),
]
STATUSES = [
    "200 OK",
    "200",
    "201 Created",
    "202 A",
    "204 No Content",
    "250 x",
    "100 Go",
]
STATUSES += ["400 Bad", "503 Busy", "200 \x01", "20 OK", "304 Not"]
BODIES = [b"", b"{}", b'{"MessageId": "1"}', b"2\r\n{}\r\n0\r\n\r\n"]


@st.composite
def replies(draw):
    version = draw(
        st.sampled_from(["HTTP/1.1"] * 5 + ["HTTP/1.0", "HTTP/2", "http/1.1"])
    )
    body = draw(st.sampled_from(BODIES))
    fields = ["Content-Length: {n}"] * draw(st.booleans())
    fields += draw(st.lists(st.sampled_from(HEADERS), max_size=4))
    end = draw(st.sampled_from(["\r\n"] * 6 + ["\n"]))
    lines = [f"{version} {draw(st.sampled_from(STATUSES))}", *fields, "", ""]
    head = end.join(lines).replace("{n}", str(len(body))).encode("latin-1")
    return head + body + draw(st.sampled_from([b"", b"", b"", b"surplus", OK]))


class Script:
    """What becomes of the bytes: a stream for ``straight``, answers for the other.

    Args:
        taken: Bytes that the first write takes; an exception breaks it.
        later: What becomes of the rest of it.
        reads: What each read comes to; then the connection is closed.
    """

    def __init__(self, taken, later, reads):
        self.taken, self.later, self.reads = taken, later, list(reads)
        self.socket = self
        self.used = self.handed = self.early = self.retired = False
        self.before = b""

    def send(self, data):
        if isinstance(self.taken, Exception):
            raise self.taken
        return min(self.taken, len(data))

    hand_over = send

    def read(self, _ends, *_):
        found = self.reads.pop(0) if self.reads else b""
        if isinstance(found, Exception):
            raise found
        return found

    def commit(self):
        """Answer the write of the whole, or of what ``send`` did not take."""
        for found in (self.taken, self.later):
            if isinstance(found, Exception):
                raise found
            if found >= SIZE:
                return

    def rest(self):
        if isinstance(self.later, Exception):
            raise self.later


def goes_on(script, exchange, finish):
    """Run the generator on a script; give what it comes to."""
    steps = Dialogue(OUT, exchange).run()
    step = next(steps)
    while True:
        answer = None
        try:
            if type(step) is Commit:
                finish()
            elif type(step) is Read:
                answer = script.read(*step)
            else:
                return step
        except OSError as error:
            step = steps.throw(error)
        else:
            step = steps.send(answer)


def summed_up(act, exchange):
    """Say all that anybody learns of an exchange."""
    try:
        found = act()
        said = found.status, dict(found.headers), found.body
    except DeliveryError as error:
        said = type(error), str(error), error.phase, error.code, error.outcome
        said += (getattr(error, "likely", None),)
    return said, exchange.keep, exchange.stale, exchange.committed


def new_exchange(reused, harmless):
    found = Exchange("b", "host", 30.0, lambda: 0.0, harmless=harmless)
    found.reused = reused
    return found


def by_generator(script, reused, harmless):
    exchange = new_exchange(reused, harmless)
    return summed_up(lambda: goes_on(script, exchange, script.commit), exchange)


def by_straight(script, reused, harmless):
    exchange = new_exchange(reused, harmless)

    def act():
        found = straight(script, exchange, OUT)
        return found or goes_on(script, exchange, script.rest)

    return summed_up(act, exchange)


def by_astraight(script, reused, harmless):
    exchange = new_exchange(reused, harmless)

    async def read(*step):
        return script.read(*step)

    def act():
        stream = SimpleNamespace(
            hand_over=script.send, read=read, used=False, before=b""
        )
        try:
            astraight(stream, exchange, OUT).send(None)
        except StopIteration as stop:
            return stop.value or goes_on(script, exchange, script.rest)

    return summed_up(act, exchange)


FAULTS = st.sampled_from([RESET, SLOW, BrokenPipeError(32, "Broken pipe")])


@given(st.data(), st.booleans(), st.booleans())
def test_straight_and_odd_agree(data, reused, harmless):
    reply = data.draw(replies())
    ends = sorted(data.draw(st.lists(st.integers(1, len(reply)), max_size=2)))
    pieces = [reply[a:b] for a, b in zip([0, *ends], [*ends, len(reply)], strict=True)]
    reads = [piece for piece in pieces if piece]
    if data.draw(st.booleans()):
        reads.insert(data.draw(st.integers(0, len(reads))), data.draw(FAULTS))
    short = data.draw(st.booleans())
    taken = data.draw(st.one_of(st.integers(0, SIZE), FAULTS)) if short else SIZE
    later = data.draw(st.one_of(st.just(SIZE), FAULTS))

    whole = by_generator(Script(taken, later, reads), reused, harmless)

    assert by_straight(Script(taken, later, reads), reused, harmless) == whole
    if taken == SIZE or isinstance(taken, Exception):
        assert by_astraight(Script(taken, later, reads), reused, harmless) == whole


def test_a_full_socket_is_no_fault():
    whole = by_generator(Script(SIZE, SIZE, [OK]), False, False)
    full = Script(BlockingIOError(), SIZE, [OK])
    exchange = new_exchange(False, False)

    assert straight(full, exchange, OUT) is None
    assert (exchange.written, exchange.fault, exchange.committed) == (0, None, True)
    assert summed_up(lambda: goes_on(full, exchange, full.rest), exchange) == whole


@pytest.mark.parametrize("at", range(len(OK)))
def test_only_a_whole_success_is_plain(at):
    assert plain(OK, SimpleNamespace(before=b"")) is not None
    assert plain(OK[:at], SimpleNamespace(before=b"")) is None
    assert plain(OK + b"x", SimpleNamespace(before=b"")) is None


def test_the_property_sees_a_lax_plain_reader(monkeypatch):
    """The control: a reader that takes a reply and something behind it for a plain one."""

    def lax(said, over):
        return plain(said.removesuffix(b"surplus"), over)

    monkeypatch.setattr(exchanges, "plain", lax)
    script = SIZE, SIZE, [OK + b"surplus"]

    assert by_straight(Script(*script), False, False) != by_generator(
        Script(*script), False, False
    )
