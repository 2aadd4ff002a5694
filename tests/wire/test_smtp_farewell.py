"""What a server says of one recipient, or as it leaves, is what the caller gets.

A server that says 421 and closes, at any step; and recipients that are deferred.

Source: RFC 5321 sections 3.8 and 4.2.1: 421 may answer any command of a server that must
shut down, and the connection ends with it.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_none

from mailbalance import (
    Mailer,
    MailtrapSmtpBackend,
    Message,
    Refusal,
    RetryPolicy,
    SesSmtpBackend,
)
from mailbalance.errors import DeliveryError, ThrottledError, TransientError
from mailbalance.wire.smtp import Mail
from tests.wire.smtp_peer import AUTHORITY, FIN, SmtpPeer
from tests.wire.smtp_ways import HOWS, How, fail

WORDS = "4.3.2 peer is shutting down"
MANY = Mail("a@x.com", tuple(f"r{n}@x.com" for n in range(4)), b"Subject: x\n\nhello")
OK = "250 2.1.5 ok"


def bye(*ends: str) -> tuple[str, ...]:
    return (f"421 {WORDS}", *ends)


#: By what the server does, the phase in which it does so.
STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "greeting": ("greeting", {"greeting": bye(FIN)}),
    "EHLO": ("ehlo", {"EHLO": bye(FIN)}),
    "AUTH": ("auth", {"AUTH": bye(FIN)}),
    "MAIL": ("mail", {"MAIL": bye(FIN)}),
    "first RCPT": ("rcpt", {"RCPT": bye(FIN)}),
    "second RCPT": ("rcpt", {"RCPT": [OK, bye(FIN)]}),
    "third RCPT": ("rcpt", {"RCPT": [OK, OK, bye(FIN)]}),
    "last RCPT": ("rcpt", {"RCPT": [OK, OK, OK, bye(FIN)]}),
    "after a refusal": ("rcpt", {"RCPT": ["550 5.1.1 no", OK, bye(FIN)]}),
    "after a deferral": ("rcpt", {"RCPT": ["450 4.2.1 busy", OK, bye(FIN)]}),
    "DATA": ("data", {"DATA": bye(FIN)}),
    "the dot": ("dot", {"dot": bye(FIN)}),
}
steps = pytest.mark.parametrize("step", STEPS)


@steps
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["", "pipelining"])
@pytest.mark.parametrize("how", HOWS)
def test_what_a_server_says_as_it_leaves_is_told(
    step: str, extensions: tuple[str, ...], how: How
) -> None:
    phase, replies = STEPS[step]
    offered = ("AUTH PLAIN", "8BITMIME", *extensions)
    with SmtpPeer(extensions=offered, **replies) as peer:
        error = fail(how, peer, MANY)

    assert type(error) is TransientError
    assert (error.code, error.phase) == ("421", phase)
    assert WORDS in error.detail
    assert not peer.accepted


@pytest.mark.parametrize("step", ["STARTTLS", "AUTH"])
@pytest.mark.parametrize("how", HOWS)
def test_so_it_is_where_tls_begins(step: str, how: How, tmp_path: Any) -> None:
    ca = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca)
    with SmtpPeer(security="starttls", **{step: bye(FIN)}) as peer:
        error = fail(how, peer, ca=str(ca))

    assert (error.code, error.phase) == ("421", step.lower())
    assert WORDS in error.detail


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["", "pipelining"])
@pytest.mark.parametrize("how", HOWS)
def test_a_refusal_before_it_is_kept_with_its_recipient(
    extensions: tuple[str, ...], how: How
) -> None:
    replies = ["550 5.1.1 no", "450 4.2.1 busy", bye(FIN)]
    offered = ("AUTH PLAIN", *extensions)
    with SmtpPeer(extensions=offered, RCPT=replies) as peer:
        error: DeliveryError = fail(how, peer, MANY)

    assert error.code == "421"
    assert list(error.refused) == ["r0@x.com"]
    assert {each: reply.code for each, reply in error.deferred.items()} == {
        "r1@x.com": 450,
        "r2@x.com": 421,
    }
    assert all(reply.temporary for reply in error.deferred.values())


#: What the second attempt, for the deferred recipient alone, comes to, and what is then
#: told of it.
SECOND: dict[str, tuple[dict[str, Any], int, str]] = {
    "deferred again": ({"RCPT": [OK, "452 4.5.3 many", "451 4.2.1 busy"]}, 451, "busy"),
    "deferred alike": ({"RCPT": [OK, "452 4.5.3 many", "452 4.5.3 many"]}, 452, "many"),
    "connection lost": ({"RCPT": [OK, "452 4.5.3 many", FIN]}, 452, "many"),
    "deferred and left": ({"RCPT": [OK, "452 4.5.3 many", bye(FIN)]}, 421, "shutting"),
    "the sender deferred": (
        {"RCPT": [OK, "452 4.5.3 many"], "MAIL": [OK, "450 4.7.1 later"]},
        452,
        "many",
    ),
    "refused for good": (
        {"RCPT": [OK, "452 4.5.3 many", "550 5.1.1 nobody"]},
        550,
        "nobody",
    ),
}


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["", "pipelining"])
@pytest.mark.parametrize("how", HOWS)
def test_a_deferred_recipient_keeps_its_own_last_reply(
    second: str, extensions: tuple[str, ...], how: How
) -> None:
    replies, code, words = SECOND[second]
    message = Message(from_="a@x.com", to=["ana@x.com", "ben@x.com"], text="t")
    policy = RetryPolicy(stop=stop_after_attempt(2), wait=wait_none())
    with SmtpPeer(extensions=("AUTH PLAIN", *extensions), **replies) as peer:
        backend = SesSmtpBackend(
            host="127.0.0.1", port=peer.port, tls="off", username="u", password="p"
        )
        with Mailer({backend: 100}, policy=policy) as mailer:
            if how == "sync":
                receipt = mailer.send(message)
            else:
                receipt = asyncio.run(mailer.asend(message))

    assert receipt.accepted == ("ana@x.com",)
    assert len(receipt.attempts) == 2
    (reply,) = receipt.refused.values()
    assert (reply.code, reply.temporary) == (code, code < 500)
    assert words in reply.text


#: What is said of one recipient of two with a lasting code, and whether it is about that
#: recipient.
OF_ONE: dict[str, bool] = {
    "550 5.7.0 Requested action not taken: too many emails per second": True,
    "550 5.7.1 Sending from domain x.com is not allowed": True,
    "552 too many recipients": True,
    "550 5.5.3 no more": True,
    "530 5.7.1 Authentication required": True,
    "550 5.1.1 nobody": False,
    "552 5.2.2 mailbox full": False,
    "452 4.5.3 many": True,
}


@pytest.mark.parametrize("reply", OF_ONE)
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["", "pipelining"])
@pytest.mark.parametrize("how", HOWS)
def test_what_is_not_about_a_recipient_does_not_refuse_it_for_good(
    reply: str, extensions: tuple[str, ...], how: How
) -> None:
    message = Message(from_="a@x.com", to=["ana@x.com", "ben@x.com"], text="t")
    policy = RetryPolicy(stop=stop_after_attempt(2), wait=wait_none())
    passes = OF_ONE[reply]
    replies = [OK, reply, reply]
    with SmtpPeer(extensions=("AUTH PLAIN", *extensions), RCPT=replies) as peer:
        backend = MailtrapSmtpBackend(
            host="127.0.0.1", port=peer.port, tls="off", token="a-token-of-mailtrap"
        )
        with Mailer({backend: 100}, policy=policy) as mailer:
            if how == "sync":
                receipt = mailer.send(message)
            else:
                receipt = asyncio.run(mailer.asend(message))

    assert receipt.accepted == ("ana@x.com",)
    assert receipt.refused["ben@x.com"].temporary is passes
    assert len(receipt.attempts) == (2 if passes else 1)


def test_a_passing_refusal_stays_one_in_a_pickle_and_a_copy() -> None:
    reply = Refusal(550, "too many emails per second", passing=True)

    for again in (pickle.loads(pickle.dumps(reply)), copy.copy(reply)):  # noqa: S301
        assert again == reply
        assert again.temporary


@pytest.mark.parametrize("how", HOWS)
def test_what_it_says_of_its_crowd_slows_down(how: How) -> None:
    crowd = ("421 4.7.0 Too many concurrent connections", FIN)
    with SmtpPeer(RCPT=[OK, crowd]) as peer:
        error = fail(how, peer, MANY)

    assert type(error) is ThrottledError
