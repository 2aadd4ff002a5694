"""Locks and forks: a child gets through, whatever its parent was doing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from mailbalance import Mailer, default
from mailbalance.backends.memory import MemoryBackend
from mailbalance.backends.ses import SesBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend
from mailbalance.fork_lock import ForkLock
from mailbalance.message import Envelope, Message
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.sigv4 import Keys
from mailbalance.wire.smtp import Server, SmtpWire

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

MESSAGE = Message(from_="a@x.com", to="b@x.com", subject="s", text="t")
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}
KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}


@contextmanager
def elsewhere(lock):
    """Have another thread hold a lock."""
    taken, done = threading.Event(), threading.Event()

    def hold():
        with lock.held():
            taken.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(5)
    try:
        yield
    finally:
        done.set()
        thread.join()


def ends_in_a_child(action, *, within=10.0):
    """Say whether a forked child comes to the end of ``action``."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + within
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


def test_a_lock_keeps_other_threads_out():
    lock, seen = ForkLock(), []

    def enter():
        with lock.held():
            seen.append("other")

    other = threading.Thread(target=enter)
    with lock.held(), lock.held():
        other.start()
        other.join(0.05)
        seen.append("first")
    other.join()

    assert seen == ["first", "other"]


def test_a_child_finds_free_what_another_thread_of_its_parent_held():
    lock = ForkLock()

    def enter():
        with lock.held():
            pass

    with elsewhere(lock):
        assert ends_in_a_child(enter)


def test_a_fork_inside_leaves_the_lock_usable_on_both_sides():
    lock = ForkLock()

    with lock.held():
        child = os.fork()
    with lock.held():
        pass
    if child == 0:
        os._exit(0)

    assert os.waitpid(child, 0)[1] == 0


def ses():
    backend = SesBackend(region="eu-west-1", access_key="AK", secret_key="SK")
    lock = backend._caller._lock
    return lock, lambda: backend.preview(MESSAGE, Envelope.of(MESSAGE))


def ses_smtp():
    backend = SesSmtpBackend(region="eu-west-1", username="u", password="p")
    return backend._lock, lambda: backend.wire(MESSAGE)


def keys():
    chain = AwsChain(backend="ses", environ={**OFF, **KEYS})
    return chain._lock, chain.keys


def endpoint():
    chain = AwsChain(backend="ses", region="eu-west-1", keys=Keys("a", "b"))
    return chain._lock, chain.endpoint


def smtp_wire():
    wire = SmtpWire(Server("127.0.0.1", port=9, security="off"), backend="b")
    return wire._making, wire._for_threads


@pytest.mark.parametrize("make", [ses, ses_smtp, keys, endpoint, smtp_wire])
def test_a_child_gets_through_where_its_parent_was_busy(make):
    lock, action = make()

    with elsewhere(lock):
        assert ends_in_a_child(action)


def test_a_child_gets_the_default_mailer_its_parent_was_making():
    before = default.replace_default(None)
    try:
        with elsewhere(default._default_lock):
            mailer = Mailer({MemoryBackend(): 1})
            assert ends_in_a_child(lambda: default.replace_default(mailer))
    finally:
        default.replace_default(before)


def test_a_child_looks_up_keys_by_itself():
    """botocore renews keys under a lock that the fork may have left locked."""
    chain = AwsChain(backend="ses", environ={**OFF, **KEYS})
    chain.keys()
    inherited = chain._credentials

    def act():
        assert chain.keys() == Keys("AK", "SK")
        assert chain._credentials is not inherited

    assert ends_in_a_child(act)


_IMPORT = """
import os, signal, sys, threading
from mailbalance.wire.aws import AwsChain
chain = AwsChain(backend="ses", environ={})
entered = threading.Event()
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "botocore.session":
            entered.set()
            threading.Event().wait(0.3)
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=chain._session)
thread.start()
entered.wait(10)
child = os.fork()
if child == 0:
    signal.alarm(10)
    chain._session()
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_waits_for_a_late_import_under_way():
    script = [sys.executable, "-c", _IMPORT]
    done = subprocess.run(script, check=False, capture_output=True, timeout=30)

    assert done.returncode == 0, done.stderr
