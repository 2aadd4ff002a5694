"""Mail through the cutting proxy into a real Postfix, and the reckoning afterwards.

What lives here: one run of any size, its figures, and the rules they must keep. The truth
is what Postfix delivered into the mailbox, found by Message-ID and queue id.

Run: python -m tests.peers.cutting [MESSAGES]      MB_SEED=... for another plan
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from tenacity import stop_after_attempt, wait_random

from mailbalance import DeliveryError, Mailer, Message, Receipt, RetryPolicy
from mailbalance.backends.mailtrap_smtp import MailtrapSmtpBackend
from mailbalance.backends.ses_smtp import SesSmtpBackend
from tests.peers.cutting_proxy import BODY
from tests.peers.postfix import PASSWORD, USER, Postfix, running

How = Literal["sync", "async"]
Unknown = Literal["raise", "retry"]
MODES: list[tuple[How, Unknown]] = [
    ("sync", "raise"), ("sync", "retry"), ("async", "raise"), ("async", "retry")
]  # fmt: skip

#: Share of mails struck; other words of a client are struck less often.
RATE = 0.03
OTHER = 1 / 6
AT_ONCE = 16
PATIENCE = 2.0
#: Longer than what the proxy takes for a mail.
TEXT = ("The quick brown fox jumps over the lazy dog. " * 2 + "\n") * (BODY // 80)
_HEAD = re.compile(r"\bid (\w+)$.*?^message-id: *(<.*?>)", re.M | re.S | re.I)


@dataclass(frozen=True)
class Delivered:
    """One mail in the mailbox."""

    message_id: str
    queue_id: str


@dataclass
class Run:
    """What was told, what is true, and what the proxy did."""

    seed: str
    told: dict[str, Receipt | DeliveryError] = field(default_factory=dict)
    inbox: list[Delivered] = field(default_factory=list)
    proxy: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def copies(self) -> Counter[str]:
        return Counter(each.message_id for each in self.inbox)

    def of(self, outcome: str) -> list[str]:
        return [m for m, each in self.told.items() if each.outcome == outcome]

    def attempts(self, outcome: str) -> int:
        tries = (a for each in self.told.values() for a in each.attempts)
        return sum(each.outcome == outcome for each in tries)

    def doubled(self) -> list[str]:
        return [m for m, count in self.copies().items() if count > 1]

    def figures(self) -> dict[str, Any]:
        """Give what a reader wants to know."""
        copies = self.copies()
        return {
            "seed": self.seed,
            "messages": len(self.told),
            "per second": round(len(self.told) / self.seconds),
            "told accepted": len(self.of("accepted")),
            "told not accepted": len(self.of("not_accepted")),
            "told unknown": len(self.of("unknown")),
            "in the mailbox": len(self.inbox),
            "missing": sum(copies[m] == 0 for m in self.of("accepted")),
            "told wrongly that it was not accepted": sum(
                copies[m] > 0 for m in self.of("not_accepted")
            ),
            "attempts of unknown outcome": self.attempts("unknown"),
            "of them accepted": len(self.inbox) - self.attempts("accepted"),
            "duplicates": sum(count - 1 for count in copies.values()),
            "duplicates not announced": len(self._unannounced()),
            **self.proxy,
        }

    def wrong(self) -> list[str]:
        """Name every rule that was broken; nothing in it is left to chance."""
        found = self.figures()
        hidden = len(self.inbox) - self.attempts("accepted")
        sure, unsure = self.proxy["withheld"], self.proxy["unsure"]
        broken = {
            "a message told accepted is missing": found["missing"],
            "a message told not accepted is there": found[
                "told wrongly that it was not accepted"
            ],
            "a message is there twice and nobody was told": found[
                "duplicates not announced"
            ],
            "a receipt has the queue id of another message": len(self._foreign()),
            # Each copy was either told of, or its answer was withheld by the proxy.
            "copies are not those told of and those withheld": not (
                sure <= hidden <= sure + unsure
            ),
            "duplicates are not what was accepted unseen and sent again": found[
                "duplicates"
            ]
            - self._expected_duplicates(),
            "more was accepted unseen than was told unknown": hidden
            > self.attempts("unknown"),
            "a mail was delivered that nobody sent": len(
                self.copies().keys() - self.told.keys()
            ),
        }
        return [f"{what} ({count})" for what, count in broken.items() if count]

    def _expected_duplicates(self) -> int:
        """Count the attempts of unknown outcome that were accepted and not the last.

        What was accepted unseen, but the one copy of each message whose caller was left
        with the unknown.
        """
        hidden = len(self.inbox) - self.attempts("accepted")
        return hidden - len(self.copies().keys() & set(self.of("unknown")))

    def _unannounced(self) -> list[str]:
        """Find what came twice while the caller was told that all was well."""

        def said(told: Receipt | DeliveryError) -> bool:
            return getattr(told, "possible_duplicate", told.outcome == "unknown")

        return [m for m in self.doubled() if not said(self.told[m])]

    def _foreign(self) -> set[tuple[str, str]]:
        """Find queue ids that a receipt has and its message has not."""
        told = {
            (message, queue_id)
            for message, each in self.told.items()
            if isinstance(each, Receipt)
            for queue_id in each.provider_ids
        }
        return told - {(each.message_id, each.queue_id) for each in self.inbox}


def send_through(
    postfix: Postfix,
    count: int,
    *,
    how: How,
    unknown: Unknown,
    seed: str,
    rate: float = RATE,
    patience: float = PATIENCE,
) -> Run:
    """Send messages through the proxy, and reckon.

    Args:
        postfix: Where to.
        count: How many.
        how: By threads or by tasks.
        unknown: What to do after a lost reply.
        seed: Of the proxy's plan.
        rate: Share of mails that the proxy strikes.
        patience: Seconds for a message; a connection that falls silent costs all of it.
    """
    run = Run(seed)
    postfix.empty()
    with _proxy(seed, rate, postfix.encrypt, postfix.implicit) as (ports, done):
        mailer = _mailer(postfix, ports, unknown, patience)
        messages = [
            Message(
                from_="a@x.example", to=f"r{n}@x.example", subject=f"{n}", text=TEXT
            )
            for n in range(count)
        ]
        began = time.monotonic()
        results = (_by_threads if how == "sync" else _by_tasks)(mailer, messages)
        run.seconds = time.monotonic() - began
        run.proxy = done()
    ids = [message.stamp().message_id for message in messages]
    run.told = dict(zip(ids, results, strict=True))
    run.inbox = [_delivered(text) for text in postfix.all_messages()]
    return run


def _mailer(
    postfix: Postfix, ports: list[int], unknown: Unknown, patience: float
) -> Mailer:
    starttls, implicit = ports
    mailtrap = MailtrapSmtpBackend(
        token=PASSWORD, user=USER, host="127.0.0.1", port=starttls, ca=postfix.ca
    )
    ses = SesSmtpBackend(
        region="eu-west-1",
        username=USER,
        password=PASSWORD,
        host="127.0.0.1",
        port=implicit,
        tls="implicit",
        ca=postfix.ca,
    )
    policy = RetryPolicy(
        stop=stop_after_attempt(8),
        wait=wait_random(0, 0.05),
        timeout=patience,
        unknown=unknown,
    )
    return Mailer({ses: 60, mailtrap: 40}, policy=policy)


def _by_threads(
    mailer: Mailer, messages: list[Message]
) -> list[Receipt | DeliveryError]:
    def one(message: Message) -> Receipt | DeliveryError:
        try:
            return mailer.send(message)
        except DeliveryError as error:
            return error

    with mailer, ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, messages))


def _by_tasks(mailer: Mailer, messages: list[Message]) -> list[Receipt | DeliveryError]:
    results: dict[int, Receipt | DeliveryError] = {}
    waiting = iter(enumerate(messages))

    async def worker() -> None:
        for number, message in waiting:
            try:
                results[number] = await mailer.asend(message)
            except DeliveryError as error:
                results[number] = error

    async def all_of_them() -> None:
        async with mailer:
            await asyncio.gather(*(worker() for _ in range(AT_ONCE)))

    asyncio.run(all_of_them())
    return [results[number] for number in range(len(messages))]


@contextlib.contextmanager
def _proxy(seed: str, rate: float, *ports: int) -> Iterator[tuple[list[int], Any]]:
    """Run the proxy; gives its ports, and a function that ends it and gives its deeds."""
    words = [sys.executable, "-m", "tests.peers.cutting_proxy", seed]
    words += map(str, (rate, rate * OTHER, *ports))
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            own = [int(port) for port in process.stdout.readline().split()]
            yield own, lambda: json.loads(process.communicate(timeout=10)[0])
        finally:
            process.kill()


def _delivered(text: str) -> Delivered:
    found = _HEAD.search(text.partition("\n\n")[0])
    assert found, text[:2000]
    return Delivered(message_id=found[2], queue_id=found[1])


def main(count: int = 3000) -> None:
    """Print the figures of every mode."""
    seed = os.environ.get("MB_SEED", "1")
    with running() as postfix:
        for how, unknown in MODES:
            run = send_through(
                postfix, count // len(MODES), how=how, unknown=unknown, seed=seed
            )
            found = {"how": how, "unknown": unknown, **run.figures()}
            print(json.dumps({**found, "wrong": run.wrong()}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
