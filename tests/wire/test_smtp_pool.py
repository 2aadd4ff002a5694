"""Connections: used again, replaced, limited, and left alone after a fork."""

import asyncio
import contextlib
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailbalance.errors import (
    DeliveryError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnknownOutcomeError,
)
from mailbalance.wire.smtp import Accepted, Mail, Reuse, SmtpWire
from tests.wire.smtp_peer import FIN, RST, STALL, SmtpPeer
from tests.wire.smtp_ways import MAIL, How, send


def wire_to(peer: SmtpPeer, ca: str | None = None, **reuse: Any) -> SmtpWire:
    return SmtpWire(peer.server(ca), backend="peer", reuse=Reuse(**reuse))


@pytest.mark.parametrize(
    ("reuse", "sessions"),
    [
        ({}, 1),
        ({"messages": 2}, 3),
        ({"messages": 1}, 5),
        ({"idle": -1.0}, 5),
        ({"age": 0.0}, 5),
    ],
)
def test_a_connection_is_used_again_within_the_rules(
    how: How, reuse: dict[str, float], sessions: int
) -> None:
    with SmtpPeer() as peer:
        results = send(how, wire_to(peer, **reuse), *[MAIL] * 5)

        assert all(isinstance(each, Accepted) for each in results), results
        assert len(peer.sessions) == sessions
        assert all(peer.wait(n).commands[-1] == "QUIT" for n in range(sessions))


@pytest.mark.parametrize(
    "gone",
    [
        ("250 2.0.0 Ok", FIN),
        ("250 2.0.0 Ok", RST),
        ("250 2.0.0 Ok", "421 4.4.2 idle"),
        b"250 2.0.0 Ok\r\n250 2.0.0 unsolicited\r\n",
    ],
)
@pytest.mark.parametrize("security", ["off", "starttls"])
def test_a_connection_that_died_while_resting_is_replaced_unseen(
    how: How, ca: str, gone: Any, security: Any
) -> None:
    with SmtpPeer(security=security, dot=[gone, "250 2.0.0 Ok"]) as peer:
        results = send(how, wire_to(peer, ca), MAIL, MAIL)

        assert all(isinstance(each, Accepted) for each in results), results
        assert len(peer.accepted) == 2
        assert len(peer.sessions) == 2


@pytest.mark.parametrize(
    "gone", [FIN, RST, ("421 4.4.2 idle", FIN), ("451 4.4.2 Timeout waiting", FIN)]
)
def test_a_session_that_ends_at_the_next_mail_is_replaced_unseen(
    how: How, gone: Any
) -> None:
    with SmtpPeer(MAIL=["250 ok", gone, "250 ok"]) as peer:
        results = send(how, wire_to(peer), MAIL, MAIL)

        assert all(isinstance(each, Accepted) for each in results), results
        assert len(peer.accepted) == 2


def test_a_new_connection_that_ends_at_mail_is_a_failure(how: How) -> None:
    with SmtpPeer(MAIL="421 4.3.2 closing") as peer:
        (error,) = send(how, wire_to(peer), MAIL)

        assert type(error) is TransientError
        assert len(peer.sessions) == 1


def test_a_replacement_is_tried_once(how: How) -> None:
    with SmtpPeer(MAIL=["250 ok", "421 bye"]) as peer:
        first, second = send(how, wire_to(peer), MAIL, MAIL)

        assert isinstance(first, Accepted)
        assert type(second) is TransientError
        assert len(peer.sessions) == 2


@pytest.mark.parametrize("where", ["MAIL", "RCPT", "DATA", "dot"])
def test_after_a_clear_refusal_the_connection_is_used_again(
    how: How, where: str
) -> None:
    with SmtpPeer(**{where: ["554 no", SmtpPeer().replies[where]]}) as peer:
        first, second = send(how, wire_to(peer), MAIL, MAIL)

        assert isinstance(first, Exception)
        assert isinstance(second, Accepted)
        assert len(peer.sessions) == 1
        reset = [c for c in peer.commands if c == "RSET"]
        assert len(reset) == (where in ("RCPT", "DATA"))


@pytest.mark.parametrize("odd", [(b"250", STALL), "nonsense", "421 bye", (FIN,)])
def test_after_an_anomaly_the_connection_is_never_used_again(
    how: How, odd: Any
) -> None:
    with SmtpPeer(dot=[odd, "250 ok"]) as peer:
        first, second = send(how, wire_to(peer), MAIL, MAIL, timeout=0.4)

        assert isinstance(first, (UnknownOutcomeError, TransientError))
        assert isinstance(second, Accepted)
        assert len(peer.sessions) == 2


PIPELINING = ("PIPELINING", "AUTH PLAIN LOGIN", "SIZE 10000000")


def send_together(how: How, wire: SmtpWire, *mails: Mail) -> list[Any]:
    """Send all over one connection, or as many as that takes, and close."""
    if how == "sync":
        try:
            return wire.send_all(mails, timeout=5)
        finally:
            wire.close()

    async def run() -> list[Any]:
        try:
            return await wire.asend_all(mails, timeout=5)
        finally:
            await wire.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("sends", [send, send_together])
def test_a_connection_on_which_replies_are_still_due_is_never_used_again(
    how: How, sends: Any
) -> None:
    # The replies to RCPT and DATA, sent ahead, come late: they would be taken for those
    # to the next message's commands.
    late = threading.Event()
    with SmtpPeer(
        extensions=PIPELINING,
        MAIL=["550 5.7.1 not you", "250 ok"],
        RCPT=[(late, "503 5.5.1 MAIL first"), "250 ok"],
    ) as peer:
        first, second = sends(how, wire_to(peer), MAIL, MAIL)
        late.set()

        assert isinstance(first, DeliveryError)
        assert first.phase == "mail"
        assert isinstance(second, Accepted)
        assert len(peer.sessions) == 2
        said = peer.wait(0).commands
        assert [each[:4] for each in said].count("MAIL") == 1


def test_a_hundred_threads_share_few_connections(ca: str) -> None:
    with SmtpPeer(security="starttls") as peer:
        wire = wire_to(peer, ca, connections=4)
        with ThreadPoolExecutor(100) as threads:
            results = list(
                threads.map(lambda n: wire.send(_to(n), timeout=20), range(300))
            )
        wire.close()

        assert all(isinstance(each, Accepted) for each in results)
        assert sorted(each[1] for each in peer.accepted) == sorted(
            (f"r{n}@x.com",) for n in range(300)
        )
        assert peer.most_at_once <= 4


def test_a_hundred_tasks_share_few_connections(ca: str) -> None:
    async def run(wire: SmtpWire) -> list[Accepted]:
        sends = [wire.asend(_to(n), timeout=20) for n in range(300)]
        results = await asyncio.gather(*sends)
        await wire.aclose()
        return results

    with SmtpPeer(security="starttls") as peer:
        results = asyncio.run(run(wire_to(peer, ca, connections=4)))

        assert len(results) == 300
        assert {each[1] for each in peer.accepted} == {
            (f"r{n}@x.com",) for n in range(300)
        }
        assert peer.most_at_once <= 4


def _to(number: int) -> Mail:
    return Mail("a@x.com", (f"r{number}@x.com",), b"x")


def test_a_thread_in_a_crowd_is_throttled_when_its_time_is_over() -> None:
    gate = threading.Event()
    with SmtpPeer(MAIL=(gate, "250 ok")) as peer, ThreadPoolExecutor(1) as thread:
        wire = wire_to(peer, connections=1)
        first = thread.submit(wire.send, MAIL, timeout=9)
        while not peer.commands:
            time.sleep(0.002)

        with pytest.raises(ThrottledError, match="the one connection"):
            wire.send(MAIL, timeout=0.2)
        gate.set()

        assert isinstance(first.result(), Accepted)
        wire.close()


def test_a_thread_interrupted_in_a_crowd_leaves_the_queue(
    interrupted_when_blocked: Any,
) -> None:
    gate = threading.Event()
    with SmtpPeer(MAIL=(gate, "250 ok")) as peer, ThreadPoolExecutor(1) as thread:
        wire = wire_to(peer, connections=1)
        first = thread.submit(wire.send, MAIL, timeout=20)
        while not peer.commands:
            time.sleep(0.002)

        interrupted_when_blocked(lambda: wire.send(MAIL, timeout=20))
        gate.set()

        assert isinstance(first.result(), Accepted)
        assert wire.occupancy() == (0, 1)
        assert isinstance(wire.send(MAIL, timeout=5), Accepted)
        wire.close()


def test_a_task_in_a_crowd_is_throttled_when_its_time_is_over() -> None:
    gate = threading.Event()

    async def run(wire: SmtpWire) -> Accepted:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(wire.asend(MAIL, timeout=9))
            await asyncio.sleep(0)
            with pytest.raises(ThrottledError, match="the one connection"):
                await wire.asend(MAIL, timeout=0.2)
            gate.set()
        await wire.aclose()
        return first.result()

    with SmtpPeer(MAIL=(gate, "250 ok")) as peer:
        assert isinstance(asyncio.run(run(wire_to(peer, connections=1))), Accepted)


def test_each_event_loop_has_connections_of_its_own(ca: str) -> None:
    with SmtpPeer(security="starttls") as peer:
        wire = wire_to(peer, ca)

        for _ in range(2):
            send("async", wire, MAIL, MAIL)

        assert len(peer.accepted) == 4
        assert len(peer.sessions) == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_ended_without_closing_does_not_harm_the_next() -> None:
    with SmtpPeer() as peer:
        wire = wire_to(peer)

        asyncio.run(wire.asend(MAIL, timeout=5))
        results = send("async", wire, MAIL)
        gc.collect()

        assert isinstance(results[0], Accepted)
        assert peer.wait(0).done


def test_a_closed_wire_opens_again(how: How) -> None:
    with SmtpPeer() as peer:
        wire = wire_to(peer)

        results = [*send(how, wire, MAIL), *send(how, wire, MAIL)]

        assert all(isinstance(each, Accepted) for each in results)
        assert len(peer.sessions) == 2


def test_closing_does_not_wait_for_a_server_that_says_nothing_to_quit(
    how: How,
) -> None:
    with SmtpPeer(QUIT=STALL) as peer:
        began = time.monotonic()
        (result,) = send(how, wire_to(peer), MAIL)

        assert isinstance(result, Accepted)
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("together", [False, True])
def test_a_connection_in_use_is_closed_when_its_message_ends_after_a_close(
    how: How, together: bool
) -> None:
    gate, given = threading.Event(), {"timeout": 20.0}
    mail: Any = [MAIL] if together else MAIL

    def until_it_is_in_use() -> None:
        while "DATA" not in peer.commands:
            time.sleep(0.002)

    def closed_in_between(wire: SmtpWire) -> Any:
        with ThreadPoolExecutor(1) as thread:
            act = wire.send_all if together else wire.send
            sending = thread.submit(act, mail, **given)
            until_it_is_in_use()
            wire.close()
            gate.set()
            return sending.result(), peer.wait(0)

    async def aclosed_in_between(wire: SmtpWire) -> Any:
        act = wire.asend_all if together else wire.asend
        sending = asyncio.ensure_future(act(mail, **given))
        await asyncio.to_thread(until_it_is_in_use)
        await wire.aclose()
        gate.set()
        # Not at the end of the loop, which closes whatever is left.
        return await sending, await asyncio.to_thread(peer.wait, 0)

    with SmtpPeer(dot=(gate, "250 ok")) as peer:
        wire = wire_to(peer)
        if how == "sync":
            result, session = closed_in_between(wire)
        else:
            result, session = asyncio.run(aclosed_in_between(wire))

        assert isinstance(result[0] if together else result, Accepted)
        assert session.commands[-1] == "QUIT"
        assert wire.occupancy() == (0, 0)


def test_closing_that_is_cancelled_leaves_no_connection_open() -> None:
    async def main(peer: SmtpPeer) -> None:
        wire = wire_to(peer)
        await asyncio.gather(*(wire.asend(MAIL, timeout=5) for _ in "abc"))
        closing = asyncio.ensure_future(wire.aclose())
        await asyncio.to_thread(peer.parting.wait, 5)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closing
        for number in range(3):
            await asyncio.to_thread(peer.wait, number)

    with SmtpPeer(QUIT=STALL) as peer:
        asyncio.run(asyncio.wait_for(main(peer), 10))


def test_a_forked_child_begins_with_connections_of_its_own(ca: str) -> None:
    with SmtpPeer(security="starttls") as peer:
        wire = wire_to(peer, ca)
        wire.send(MAIL, timeout=5)

        child = os.fork()
        if child == 0:
            code = 1
            try:
                wire.send(_to(1), timeout=5)
                wire.send(_to(1), timeout=5)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        wire.send(_to(2), timeout=5)
        wire.close()

        assert status == 0
        assert [session.commands.count("DATA") for session in peer.sessions] == [2, 2]
        assert "QUIT" not in peer.wait(1).commands


def test_a_refusal_and_a_success_alternate_without_mixing_replies(how: How) -> None:
    mails = [_to(n) for n in range(20)]
    replies = ["250 ok" if n % 2 else "550 no" for n in range(20)]
    with SmtpPeer(RCPT=replies) as peer:
        results = send(how, wire_to(peer), *mails)

        assert [type(each) for each in results] == [RejectedError, Accepted] * 10
        assert len(peer.sessions) == 1


def test_the_end_of_an_event_loop_closes_what_nobody_closed() -> None:
    async def run(wire: SmtpWire) -> None:
        await asyncio.gather(*(wire.asend(MAIL, timeout=5) for _ in "abc"))

    with SmtpPeer() as peer:
        wire = wire_to(peer)
        for _ in "ab":
            asyncio.run(run(wire))

        assert len(peer.sessions) == 6
        assert all(peer.wait(n).commands[-1] == "QUIT" for n in range(6))
        gc.collect()  # a transport left open would warn here
