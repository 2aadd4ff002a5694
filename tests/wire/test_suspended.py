"""A process that is held up past its deadline after it has handed a message over.

The reply came meanwhile and lies in the socket; when the process goes on, its time is over
and the reply is there at once. The reply counts.

What holds it up here is a signal handler that sleeps: the waiting system call is then
interrupted, and Python, finding that its time is over, does not look again by itself.
"""

from __future__ import annotations

import itertools
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.wire.peer import Peer
from tests.wire.smtp_peer import CERTIFICATE, SmtpPeer
from tests.wire.test_http_tls import tunnel

#: Seconds that the child gives a send, and for which it is suspended.
TIMEOUT, SUSPENDED = 5, 5.2

#: Seconds of waiting for the reply before that. Every wait before the commit point has
#: rung by then, so that the alarm of the whole send is the next that an event loop hears.
WAITED = 2.0

CHILD = """
import asyncio, signal, sys, time
from mailbalance import Mailer, Message, RetryPolicy
from mailbalance.backends.mailtrap import MailtrapBackend
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend

how, wire, port, timeout, suspended, ca = sys.argv[1:]
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(float(suspended)))
if wire == "proxy":
    backend = MailtrapBackend(
        token="t", base_url="https://localhost:" + port.partition(",")[0], ca=ca,
        environ={"HTTPS_PROXY": "http://127.0.0.1:" + port.partition(",")[2]},
    )
elif wire == "api":
    backend = MailtrapBackend(token="t", base_url=f"http://127.0.0.1:{port}")
else:
    backend = MailtrapSmtpBackend(
        token="t", host="127.0.0.1", port=int(port), tls=wire, ca=ca
    )
mailer = Mailer({backend: 100}, policy=RetryPolicy(timeout=float(timeout)))
note = Message(from_="a@x.com", to=["b@x.com"], subject="hello", text="hi")
try:
    receipt = asyncio.run(mailer.asend(note)) if how == "asend" else mailer.send(note)
    print(receipt.outcome)
except Exception as error:
    print(repr(error))
"""


class Api:
    """An API that answers when it is told to."""

    def __init__(self, tls=None) -> None:
        self.taken, self.go = threading.Event(), threading.Event()
        self._peer = Peer((self._act,), tls=tls)

    def __enter__(self):
        self._peer.__enter__()
        self.port = str(self._peer.port)
        return self

    def __exit__(self, *error):
        self.go.set()
        self._peer.__exit__(*error)

    def _act(self, caller):
        while caller.take():
            self.taken.set()
            self.go.wait(20)
            caller.reply(200, b'{"success": true, "message_ids": ["1"]}')


class Proxied(Api):
    """The same behind a proxy."""

    def __init__(self) -> None:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(server)
        super().__init__(server)
        self._proxy = Peer((tunnel,))
        self._proxy.heads = []

    def __enter__(self):
        super().__enter__()
        self._proxy.__enter__()
        self.port += f",{self._proxy.port}"
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        self._proxy.__exit__(*error)


class Submission(Api):
    """The same of SMTP."""

    def __init__(self, tls) -> None:
        self.go = threading.Event()
        self._peer = SmtpPeer(security=tls, dot=(self.go, "250 2.0.0 Ok: queued"))

    @property
    def taken(self):
        return self

    def wait(self, seconds):
        for _ in range(int(seconds / 0.01)):
            if self._peer.accepted:
                return True
            time.sleep(0.01)
        return False


def told_by_child(how, wire, ca):
    """Send in a child that is held up; give what it says of the message."""
    kinds = {"api": Api, "proxy": Proxied}
    with kinds[wire]() if wire in kinds else Submission(wire) as server:
        words = [how, wire, server.port, str(TIMEOUT), str(SUSPENDED), ca]
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, text=True
        ) as child:
            assert server.taken.wait(20)
            time.sleep(WAITED)
            os.kill(child.pid, signal.SIGUSR1)
            time.sleep(0.2)  # it is held up by now
            server.go.set()
            return child.communicate(timeout=20)[0].strip()


def test_a_reply_that_came_while_the_process_was_held_up_counts(ca):
    cases = list(
        itertools.product(("send", "asend"), ("api", "proxy", "off", "starttls"))
    )
    with ThreadPoolExecutor(len(cases)) as threads:
        told = threads.map(lambda case: told_by_child(*case, ca), cases)

    assert dict(zip(cases, told, strict=True)) == dict.fromkeys(cases, "accepted")
