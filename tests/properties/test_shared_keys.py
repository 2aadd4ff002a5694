"""A store that processes share: one message from all of them, and after a crash."""

import asyncio
import subprocess
import sys
import time

import pytest

from mailbalance import KeyStore, Mailer, MemoryBackend, UnknownOutcomeError
from tests.properties.key_histories import figures
from tests.properties.sqlite_keys import NOTE, SqliteKeys
from tests.properties.test_key_store import NOTHING, SEED, wrong


@pytest.fixture
def store(tmp_path):
    return tmp_path / "keys.db"


@pytest.fixture
def start(store, tmp_path):
    """Start a process that waits for a line before it sends."""
    started = []

    def start():
        words = [sys.executable, "-m", "tests.properties.sqlite_keys"]
        process = subprocess.Popen(
            [*words, str(store), str(tmp_path / "door")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_is_a_key_store(store):
    assert isinstance(SqliteKeys(store), KeyStore)


def test_processes_that_share_a_store_send_one_message(start, tmp_path):
    processes = [start() for _ in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()

    ids = {process.communicate(timeout=30)[0] for process in processes}

    assert len(ids) == 1
    assert (tmp_path / "door").read_text() == "taken\n"


def test_what_a_killed_process_was_sending_is_unknown_once_its_lease_is_over(
    start, store, tmp_path, monkeypatch
):
    process = start()
    process.stdin.write("go\n")
    process.stdin.flush()
    while not (tmp_path / "door").exists():
        time.sleep(0.001)
    process.kill()
    process.wait()
    later = time.time() + 91
    monkeypatch.setattr("tests.properties.sqlite_keys.time.time", lambda: later)
    mailer = Mailer({MemoryBackend("ses"): 1}, keys=SqliteKeys(store))

    with pytest.raises(UnknownOutcomeError, match="never told its end"):
        mailer.send(**NOTE)
    assert mailer.keys.forget("shared")
    assert asyncio.run(mailer.asend(**NOTE)).outcome == "accepted"


def test_a_crowd_gets_answers_in_one_order_from_a_file_too(tmp_path):
    names = iter(range(1000))

    found = figures(2, SEED, lambda: SqliteKeys(tmp_path / f"{next(names)}.db"))

    assert wrong(found) == NOTHING, found
