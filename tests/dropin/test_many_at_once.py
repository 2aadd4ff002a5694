"""Threads, forks, and the split that holds over both."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mailbalance import Mailer, MemoryBackend, dropin
from tests.dropin.conftest import KEYS, V2, ses_mailer
from tests.wire.peer import Peer, answering

SENT = b'{"MessageId": "from-ses"}'

THREADS, EACH = 8, 300


def test_threads_never_get_each_others_calls() -> None:
    memory = MemoryBackend("mailtrap")
    client: Any = dropin.client("sesv2", Mailer({memory: 100}), **KEYS)

    def send(thread: int) -> int:
        wrong = 0
        for number in range(EACH):
            to = f"t{thread}-{number}@example.com"
            reply = client.send_email(**{**V2, "Destination": {"ToAddresses": [to]}})
            wrong += dropin.receipt(reply).accepted != (to,)
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(send, range(THREADS))) == 0

    recipients = {sent.envelope.recipients for sent in memory.sent}
    assert len(memory.sent) == len(recipients) == THREADS * EACH


def test_the_split_is_exact_over_threads(at_box: Any, mailer_of: Any, box: Any) -> None:
    client = dropin.attach(at_box(), mailer_of())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: client.send_email(**V2), range(200)))

    counts = box.counts()
    assert abs(counts["ses"].accepted - 120) <= 1
    assert counts["ses"].accepted + counts["mailtrap"].accepted == 200
    assert not box.duplicates()


def test_a_forked_child_sends_by_itself(at_box: Any, mailer_of: Any, box: Any) -> None:
    client = dropin.attach(at_box(), mailer_of())
    for _ in range(10):
        client.send_email(**V2)

    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        code = 1
        try:
            for _ in range(10):
                client.send_email(**V2)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    for _ in range(10):
        client.send_email(**V2)

    counts = box.counts()
    assert os.waitstatus_to_exitcode(status) == 0
    assert counts["ses"].accepted + counts["mailtrap"].accepted == 30
    assert abs(counts["ses"].accepted - 18) <= 2


def in_a_child(work: Callable[[], object]) -> int:
    """Run in a forked process, and give its exit code."""
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_opens_connections_of_its_own(session: Any) -> None:
    with Peer((answering(200, SENT),)) as peer:
        client: Any = session.client("sesv2", endpoint_url=peer.url(""), **KEYS)
        dropin.attach(client, ses_mailer())
        for _ in range(2):
            client.send_email(**V2)
        opened = peer.connections

        code = in_a_child(lambda: [client.send_email(**V2) for _ in range(2)])
        after_child = peer.connections
        client.send_email(**V2)

        assert code == 0
        assert (opened, after_child, peer.connections) == (1, 2, 2)
        client.close()


def test_a_forked_child_of_a_pooled_client_asks_for_its_account_by_itself(
    session: Any,
) -> None:
    with Peer((answering(200, b"{}"),)) as peer:
        client: Any = session.client("sesv2", endpoint_url=peer.url(""), **KEYS)
        dropin.attach(client, ses_mailer())
        client.get_account()

        assert in_a_child(client.get_account) == 0
        assert peer.connections == 2
        client.close()
