"""Messages over real sockets: accepted, refused, lost."""

import threading
import time
from typing import Any

import pytest

from mailbalance.errors import (
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
)
from mailbalance.wire.smtp import Accepted, Mail, Rule, Security, SmtpWire
from mailbalance.wire.smtp.body import canonical
from mailbalance.wire.smtp.transaction import DOT
from tests.wire.smtp_peer import FIN, RST, STALL, SmtpPeer
from tests.wire.smtp_ways import MAIL, How, fail, in_enough_time, send

BIG = Mail("a@x.com", ("b@x.com",), b"Subject: big\r\n\r\n" + b"x" * 998 + b"\r\n" * 9)
HUGE = Mail("a@x.com", ("b@x.com",), (b"y" * 76 + b"\r\n") * 100_000)


@pytest.mark.parametrize("security", ["off", "starttls", "implicit"])
@pytest.mark.parametrize(
    "extensions",
    [("AUTH PLAIN LOGIN",), ("AUTH LOGIN", "PIPELINING", "SIZE 0", "8BITMIME")],
)
def test_a_message_arrives_as_it_was(
    how: How, ca: str, security: Security, extensions: tuple[str, ...]
) -> None:
    with SmtpPeer(security=security, extensions=extensions) as peer:
        wire = SmtpWire(peer.server(ca), backend="peer")

        results = send(how, wire, MAIL, BIG)

        assert all(isinstance(each, Accepted) for each in results), results
        assert [each[2] for each in peer.accepted] == [
            canonical(each.content) for each in (MAIL, BIG)
        ]
        assert len(peer.sessions) == 1
        assert peer.wait().commands[-1] == "QUIT"


def test_eight_megabytes_arrive_whole(how: How, ca: str) -> None:
    with SmtpPeer(security="implicit") as peer:
        (result,) = send(how, SmtpWire(peer.server(ca), backend="peer"), HUGE)

        assert isinstance(result, Accepted), result
        assert peer.accepted[0][2] == HUGE.content


@pytest.mark.parametrize("end", [FIN, RST, STALL, b"25", b"nonsense\r\n", "354 again"])
@pytest.mark.parametrize("security", ["off", "implicit"])
def test_a_lost_reply_to_the_dot_leaves_the_outcome_unknown(
    how: How, ca: str, end: Any, security: Security
) -> None:
    def attempt(timeout: float) -> tuple[SmtpPeer, Any]:
        with SmtpPeer(security=security, dot=(end, FIN)) as peer:
            return peer, fail(how, peer, ca=ca, timeout=timeout)

    # Where nothing more comes, its time must be over to tell.
    peer, error = in_enough_time(attempt, lambda found: bool(found[0].accepted))

    assert type(error) is UnknownOutcomeError
    assert (error.backend, error.phase) == ("peer", "dot")
    assert len(peer.accepted) == 1
    assert len(peer.sessions) == 1


@pytest.mark.parametrize(
    ("where", "end"),
    [
        (where, end)
        for where in ("greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body")
        for end in (FIN, RST, STALL, b"25", b"nonsense\r\n")
        if (where, end) != ("body", STALL)  # that one would read the whole message
    ],
)
def test_a_cut_before_the_dot_proves_that_it_was_not_accepted(
    how: How, where: str, end: Any
) -> None:
    timeout = 0.15 if end == STALL else 5
    with SmtpPeer(**{where: (end, FIN)}) as peer:
        error = fail(how, peer, HUGE if where == "body" else MAIL, timeout=timeout)

        assert type(error) is TransientError
        assert error.backend == "peer"
        assert not peer.accepted


def test_a_broken_body_is_never_finished_by_what_was_buffered(
    how: How, ca: str
) -> None:
    def attempt(timeout: float) -> tuple[SmtpPeer, Any, float]:
        gate = threading.Event()
        with SmtpPeer(security="implicit", body=gate) as peer:
            began = time.monotonic()
            error = fail(how, peer, HUGE, ca=ca, timeout=timeout)
            took = time.monotonic() - began
            gate.set()
            if peer.sessions:
                peer.wait()
        return peer, error, took - timeout

    peer, error, late = in_enough_time(attempt, lambda found: found[1].phase == "body")

    assert type(error) is TransientError
    assert error.phase == "body"
    assert late < 5
    assert sum(map(len, peer.wait().content)) < len(HUGE.content)
    assert not peer.accepted


@pytest.mark.parametrize(
    ("early", "kind", "code"),
    [
        ("552 5.3.4 too big", RejectedError, "552"),
        ("421 4.3.2 closing", TransientError, "421"),
        ("250 2.0.0 ok", TransientError, "250"),
    ],
)
def test_a_reply_in_the_middle_of_the_message_is_heard(
    how: How, early: str, kind: type[Exception], code: str
) -> None:
    with SmtpPeer(body=(early, STALL)) as peer:
        error = fail(how, peer, HUGE)

        assert (type(error), error.code) == (kind, code)
        assert error.phase == "body"
        assert DOT not in b"".join(peer.wait().content)


@pytest.mark.parametrize(
    ("replies", "kind", "phase"),
    [
        ({"greeting": "421 4.3.2 busy"}, TransientError, "greeting"),
        ({"greeting": "554 no"}, UnavailableError, "greeting"),
        ({"EHLO": "451 later"}, TransientError, "ehlo"),
        ({"EHLO": "502 what"}, UnavailableError, "ehlo"),
        ({"AUTH": "535 5.7.8 wrong"}, UnavailableError, "auth"),
        ({"AUTH": "454 4.7.0 later"}, TransientError, "auth"),
        ({"AUTH": "503 already"}, UnavailableError, "auth"),
        ({"RCPT": "550 5.1.1 who"}, RejectedError, "rcpt"),
        ({"RCPT": "451 4.7.1 later"}, TransientError, "rcpt"),
        ({"dot": "451 4.3.0 later"}, TransientError, "dot"),
        ({"dot": "554 5.7.1 spam"}, RejectedError, "dot"),
    ],
)
def test_a_refusal_is_judged_by_where_it_came(
    how: How, replies: dict[str, str], kind: type[Exception], phase: str
) -> None:
    with SmtpPeer(**replies) as peer:
        error = fail(how, peer)

        assert type(error) is kind
        assert error.phase == phase
        assert error.code == next(iter(replies.values()))[:3]
        assert not peer.accepted


def test_a_providers_own_rule_goes_first(how: How) -> None:
    rules = (Rule("535", ThrottledError, "too many connections"),)
    with SmtpPeer(AUTH="535 5.7.8 Too many connections per account") as peer:
        wire = SmtpWire(peer.server(), backend="peer", rules=rules)

        (error,) = send(how, wire, MAIL)

        assert type(error) is ThrottledError


def test_some_recipients_refused_is_a_partial_success(how: How) -> None:
    mail = Mail("a@x.com", ("b@x.com", "c@x.com"), b"x")
    with SmtpPeer(RCPT=["550 5.1.1 who", "250 ok"]) as peer:
        (result,) = send(how, SmtpWire(peer.server(), backend="peer"), mail)

        assert isinstance(result, Accepted)
        assert result.recipients == ("c@x.com",) == peer.accepted[0][1]
        assert result.refused["b@x.com"].code == 550


def test_only_one_mechanism_is_tried_with_a_wrong_password(how: How) -> None:
    with SmtpPeer(AUTH="535 5.7.8 wrong") as peer:
        fail(how, peer)

        tried = [c for c in peer.wait().commands if c.startswith("AUTH ")]
        assert len(tried) == 1
        assert tried[0].startswith("AUTH PLAIN ")


def test_a_server_that_says_one_byte_at_a_time_cannot_outlast_the_deadline(
    how: How,
) -> None:
    drip = tuple(each for _ in range(600) for each in (b"2", _Pause(0.05)))
    with SmtpPeer(MAIL=drip) as peer:
        began = time.monotonic()
        error = fail(how, peer, timeout=0.6)

        assert type(error) is TransientError
        assert time.monotonic() - began < 10


class _Pause(threading.Event):
    """A gate that opens by itself."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(self._seconds)
