"""The dialogue about one message, by hand and with the link cut at every byte."""

from typing import Any, get_args

import pytest

from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    UnsuitableError,
)
from mailbalance.wire.net.deadline import Deadline
from mailbalance.wire.smtp import Mail
from mailbalance.wire.smtp.commands import Features
from mailbalance.wire.smtp.steps import Accepted, Glance, Write
from mailbalance.wire.smtp.transaction import DOT, Transaction
from tests.wire.smtp_simulation import (
    MAIL,
    Link,
    Notice,
    SimulatedServer,
    drive,
    new_transaction,
)

BOTH = pytest.mark.parametrize("pipelining", [False, True])

SCRIPTS: list[dict[str, str]] = [
    {},
    {"b@x.com": "550 5.1.1 no such user"},
    {"b@x.com": "550 no", "c@x.com": "550 no"},
    {"b@x.com": "550 no", "c@x.com": "550 no", "DATA": "354 go on"},
    {"b@x.com": "451 later", "c@x.com": "550 no"},
    {"MAIL": "451 later"},
    {"DATA": "451 later"},
    {"dot": "451 4.3.0 later"},
    {"dot": "554 5.7.1 spam"},
]


def lengths(script: dict[str, str], pipelining: bool) -> tuple[int, int]:
    """Give the bytes of the whole dialogue, to and from the server."""
    link = Link(SimulatedServer(script))
    drive(new_transaction(pipelining), link)
    return link.sent, link.heard


@BOTH
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
@pytest.mark.parametrize("notice", get_args(Notice))
def test_no_cut_anywhere_makes_a_verdict_that_the_server_would_deny(
    script: dict[str, str], notice: Notice, pipelining: bool
) -> None:
    to_server, to_client = lengths(script, pipelining)
    cuts = [{"up_to_server": n} for n in range(to_server + 1)]
    cuts += [{"up_to_client": n} for n in range(to_client + 1)]
    for cut in cuts:
        server = SimulatedServer(dict(script))
        transaction = new_transaction(pipelining)
        verdict = drive(transaction, Link(server, notice=notice, **cut))
        if isinstance(verdict, Accepted):
            assert server.accepted == verdict.recipients, cut
        elif verdict.outcome == "not_accepted":
            assert not server.accepted, cut
        else:
            assert transaction.committed, cut
            assert not transaction.keep, cut


@BOTH
def test_an_unknown_outcome_needs_the_dot_to_have_been_handed_over(
    pipelining: bool,
) -> None:
    to_server, _ = lengths({}, pipelining)
    for cut in range(to_server - len(DOT)):
        verdict = drive(
            new_transaction(pipelining),
            Link(SimulatedServer(), up_to_server=cut, notice="write"),
        )
        assert isinstance(verdict, TransientError), cut


@BOTH
def test_the_dot_goes_out_alone_and_last(pipelining: bool) -> None:
    written: list[bytes] = []

    class Noted(Link):
        def do(self, step: Any) -> Any:
            if isinstance(step, Write):
                written.append(bytes(step.data))
            return super().do(step)

    drive(new_transaction(pipelining), Noted(SimulatedServer()))

    assert written[-1] == DOT
    assert written[-2].endswith(b"\r\n")
    assert len(written) == (3 if pipelining else 6)


CASES: list[tuple[str, str, type[DeliveryError], str]] = [
    ("MAIL", "451 4.3.0 later", TransientError, "mail"),
    ("MAIL", "421 4.3.2 closing", TransientError, "mail"),
    ("MAIL", "421 too many connections", ThrottledError, "mail"),
    ("MAIL", "454 Throttling failure", ThrottledError, "mail"),
    ("MAIL", "550 5.7.1 who are you", UnavailableError, "mail"),
    ("MAIL", "530 Must issue a STARTTLS command first", UnavailableError, "mail"),
    ("MAIL", "552 too big", RejectedError, "mail"),
    ("MAIL", "554 5.3.4 too big", RejectedError, "mail"),
    ("MAIL", "354 what", TransientError, "mail"),
    ("b@x.com", "354 what", TransientError, "rcpt"),
    ("DATA", "250 ok", TransientError, "data"),
    ("DATA", "334 hm", TransientError, "data"),
    ("DATA", "451 later", TransientError, "data"),
    ("DATA", "554 no", RejectedError, "data"),
    ("dot", "452 full", TransientError, "dot"),
    ("dot", "450 4.7.1 Error: too much mail from 127.0.0.1", ThrottledError, "dot"),
    ("dot", "421 bye", TransientError, "dot"),
    ("dot", "554 no", RejectedError, "dot"),
    ("dot", "354 again", UnknownOutcomeError, "dot"),
]


@BOTH
@pytest.mark.parametrize(("where", "reply", "error", "phase"), CASES)
def test_each_reply_means_one_error(
    where: str, reply: str, error: type[DeliveryError], phase: str, pipelining: bool
) -> None:
    server = SimulatedServer({where: reply})

    verdict = drive(new_transaction(pipelining), Link(server))

    assert type(verdict) is error
    assert verdict.phase == phase
    assert not server.accepted


@BOTH
@pytest.mark.parametrize(
    ("replies", "error", "lasting"),
    [
        (("550 no", "550 no"), RejectedError, {"b@x.com", "c@x.com"}),
        (("550 no", "451 later"), TransientError, {"b@x.com"}),
        (("451 later", "550 no"), TransientError, {"c@x.com"}),
        (("452 4.5.3 too many recipients",) * 2, TransientError, set()),
        (("454 Throttling failure", "550 no"), ThrottledError, {"c@x.com"}),
    ],
)
def test_when_all_are_refused_those_refused_for_good_are_named(
    replies: tuple[str, str],
    error: type[DeliveryError],
    lasting: set[str],
    pipelining: bool,
) -> None:
    server = SimulatedServer(dict(zip(MAIL.recipients, replies, strict=True)))
    transaction = new_transaction(pipelining)

    verdict = drive(transaction, Link(server))

    assert type(verdict) is error
    assert set(verdict.refused) == lasting
    assert transaction.keep
    assert transaction.unfinished


def test_a_message_for_nobody_is_ended_at_once_and_its_reply_means_nothing() -> None:
    server = SimulatedServer(
        {"b@x.com": "550 no", "c@x.com": "550 no", "DATA": "354 go on"}
    )
    link = Link(server)

    verdict = drive(new_transaction(pipelining=True), link)

    assert isinstance(verdict, RejectedError)
    assert server.content == []
    assert link.reader.empty


@BOTH
def test_recipients_refused_beside_accepted_ones_are_told_with_their_replies(
    pipelining: bool,
) -> None:
    server = SimulatedServer({"b@x.com": "550 5.1.1 no such user"})

    verdict = drive(new_transaction(pipelining), Link(server))

    assert isinstance(verdict, Accepted)
    assert verdict.recipients == server.accepted == ("c@x.com",)
    assert str(verdict.refused["b@x.com"]) == "550 5.1.1 no such user"


@pytest.mark.parametrize(("pipelining", "keep"), [(True, False), (False, True)])
def test_a_connection_with_replies_on_their_way_is_not_kept(
    pipelining: bool, keep: bool
) -> None:
    transaction = new_transaction(pipelining)

    verdict = drive(transaction, Link(SimulatedServer({"MAIL": "550 5.7.1 not you"})))

    assert isinstance(verdict, UnavailableError)
    assert transaction.keep is keep


@pytest.mark.parametrize("reply", ["421 idle too long", "451 4.4.2 Timeout waiting"])
def test_a_session_ended_by_the_server_while_idle_is_stale(reply: str) -> None:
    transaction = new_transaction()

    drive(transaction, Link(SimulatedServer({"MAIL": reply})))

    assert transaction.stale
    assert not transaction.keep


def test_an_unfinished_transaction_is_reset_first() -> None:
    server = SimulatedServer()

    drive(new_transaction(pipelining=True, reset=True), Link(server))

    assert server.commands[:2] == ["RSET", "MAIL FROM:<a@x.com>"]
    assert server.accepted


def test_a_refused_reset_makes_the_connection_stale() -> None:
    transaction = new_transaction(reset=True)

    drive(transaction, Link(SimulatedServer({"RSET": "500 what"})))

    assert transaction.stale


def test_too_little_time_to_commit_safely_is_not_accepted() -> None:
    now = [0.0]
    deadline = Deadline(30, clock=lambda: now[0])
    server = SimulatedServer()

    class Slow(Link):
        def do(self, step: Any) -> Any:
            now[0] += 4.2
            return super().do(step)

    transaction = Transaction(MAIL, Features(), deadline)
    verdict = drive(transaction, Slow(server))

    assert isinstance(verdict, TransientError)
    assert "not enough time" in verdict.detail
    assert not transaction.committed
    assert not server.accepted


@pytest.mark.parametrize(("left", "accepted"), [(14.9, False), (15.1, True)])
def test_the_dot_goes_out_only_with_time_left_to_hear_of_it(
    left: float, accepted: bool
) -> None:
    now = [0.0]
    deadline = Deadline(30, clock=lambda: now[0])
    server = SimulatedServer()

    class Late(Link):
        def do(self, step: Any) -> Any:
            if isinstance(step, Glance):  # the last step before the dot
                now[0] = 30 - left
            return super().do(step)

    drive(Transaction(MAIL, Features(), deadline), Late(server))

    assert bool(server.accepted) is accepted


BAD_ADDRESSES = [
    "a@x.com>\r\nRCPT TO:<evil@x.com", "a@x.com\nDATA", "a b@x.com", "a\0@x.com",
    "<a@x.com>", "a@x.com> SIZE=1", "", "a\x7f@x.com", "a\t@x.com",
]  # fmt: skip


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_no_address_breaks_out_of_its_command(address: str) -> None:
    server = SimulatedServer()
    mail = Mail("a@x.com", ("b@x.com", address), b"x")

    verdict = drive(Transaction(mail, Features(), Deadline(30)), Link(server))

    assert type(verdict) is RejectedError
    assert not server.received
    assert not address or address not in str(verdict)


@pytest.mark.parametrize(
    ("mail", "features"),
    [
        (Mail("a@x.com", ("b@x.com",), b"x" * 101), Features(size=100)),
        (Mail("a@x.com", ("b@x.com",), b"\xfc"), Features()),
        (Mail("a@x.com", ("b@x.com",), b"\0"), Features(eight_bit=True)),
        (Mail("ü@x.com", ("b@x.com",), b"x"), Features()),
    ],
)
def test_what_this_server_cannot_carry_another_may(
    mail: Mail, features: Features
) -> None:
    server = SimulatedServer()
    transaction = Transaction(mail, features, Deadline(30))

    verdict = drive(transaction, Link(server))

    assert type(verdict) is UnsuitableError
    assert verdict.try_next
    assert not verdict.retry_here
    assert not server.received
    assert transaction.keep


def test_what_the_server_offers_is_said_in_mail() -> None:
    server = SimulatedServer()
    features = Features.of({"size": "1000", "8bitmime": "", "pipelining": ""})
    mail = Mail("", ("b@x.com",), b"gr\xfc\xdfe\n")

    drive(Transaction(mail, features, Deadline(30)), Link(server))

    assert server.commands[0] == "MAIL FROM:<> SIZE=7 BODY=8BITMIME"


@pytest.mark.parametrize("size", ["", "x", "-1", "\u00b2", "1" * 21, "9" * 5000])
def test_a_size_that_is_none_is_no_limit(size: str) -> None:
    assert Features.of({"size": size}) == Features(sized=True)


def test_a_great_many_recipients_are_sent_ahead_in_groups() -> None:
    server = SimulatedServer()
    people = tuple(f"r{n}@x.com" for n in range(1000))
    mail = Mail("a@x.com", people, b"x")

    verdict = drive(
        Transaction(mail, Features(pipelining=True), Deadline(30)), Link(server)
    )

    assert isinstance(verdict, Accepted)
    assert server.accepted == people
