"""A program that sends until it is stopped, and writes down what it is told.

Started by ``stopping_runs``; each line on its output is one fact, written at once: ``go``
when sends have begun, ``accepted <id>`` by whoever got the receipt, ``told <id>`` by the
observer, ``unknown <id>``, ``refused`` and ``left <error>``.
"""

import asyncio
import atexit
import contextlib
import itertools
import json
import os
import sys
import threading
import time

import mailbalance
from mailbalance import Mailer, events
from mailbalance.delivery import in_flight

_line = itertools.count()


def say(*words):
    os.write(1, (" ".join(words) + "\n").encode())


class Programme:
    """One kind of program; its name says what sends, and who ends it."""

    def __init__(self, options):
        self.options = options
        self.began = threading.Event()
        self.mailer = Mailer.from_env(observers=[self.observe])

    def observe(self, event):
        if isinstance(event, events.Accepted):
            say("told", event.receipt.message_id)

    def fields(self):
        number = f"{os.getpid()}-{next(_line)}"
        return {
            "to": "ben@example.com",
            "subject": "Hi",
            "text": "x",
            "metadata": {"demo_id": number},
            "message_id": f"<{number}@example.com>",
        }

    def note(self, answer):
        if isinstance(answer, mailbalance.UnknownOutcomeError):
            say("unknown", answer.message_id)
        elif isinstance(answer, mailbalance.DeliveryError):
            say("left", repr(answer))
        else:
            time.sleep(self.options.get("write", 0))
            say("accepted", answer.message_id)
        if not self.began.is_set():
            self.began.set()
            say("go")

    def send(self):
        """Send one after the other until that is refused."""
        try:
            while True:
                try:
                    receipt = self.mailer.send(**self.fields())
                except mailbalance.DeliveryError as error:
                    self.note(error)
                else:
                    self.note(receipt)
        except mailbalance.ClosedError:
            say("refused")

    async def asend(self):
        try:
            while True:
                try:
                    receipt = await self.mailer.asend(**self.fields())
                except mailbalance.DeliveryError as error:
                    self.note(error)
                else:
                    await asyncio.sleep(self.options.get("write", 0))
                    self.note(receipt)
        except mailbalance.ClosedError:
            say("refused")

    def stopping(self):
        if self.options.get("handler", True):
            return mailbalance.stop_on(self.mailer, grace=self.options["grace"])
        return contextlib.nullcontext()

    def threads(self, *, daemon):
        found = [threading.Thread(target=self.send, daemon=daemon) for _ in range(4)]
        for thread in found:
            thread.start()
        return found

    # The kinds

    def main(self):
        """The main thread alone sends."""
        self.stopping()  # and no block: its next send is its end
        self.send()

    def workers(self):
        """Threads send, and the main thread waits for them."""
        with self.stopping():
            for thread in self.threads(daemon=False):
                thread.join()

    def daemons(self):
        """Daemon threads send, the main thread too."""
        with self.stopping():
            self.threads(daemon=True)
            self.send()

    def tasks(self):
        """Tasks send."""
        asyncio.run(self.many())

    async def many(self):
        if not self.options.get("handler", True):
            await asyncio.gather(*(self.asend() for _ in range(8)))
            return
        async with mailbalance.stop_on(self.mailer, grace=self.options["grace"]):
            await asyncio.gather(*(self.asend() for _ in range(8)))
            await asyncio.sleep(60)

    def leaving(self):
        """Daemon threads send, and the main thread ends, as if by itself."""
        if not self.options.get("handler", True):
            atexit.unregister(in_flight._wait_at_exit)
        self.threads(daemon=True)
        self.began.wait(30)
        time.sleep(self.options["after"])


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    getattr(Programme(given), given["kind"])()
