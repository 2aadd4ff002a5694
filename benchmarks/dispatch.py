"""What it costs to decide: validation, router, plan and receipt, without any wire.

Run: python benchmarks/dispatch.py
"""

from __future__ import annotations

import asyncio
import random

from rounds import compare, show
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from mailbalance import Envelope, Mailer, MemoryBackend, Message, TransientError

FIELDS = {
    "from_": "me@example.com",
    "to": "Ana <ana@example.com>",
    "subject": "Your receipt",
    "text": "Thank you for your order.",
}
MESSAGE = Message(**FIELDS)
ENVELOPE = Envelope.of(MESSAGE)
BACKENDS = [MemoryBackend("ses", keep=1), MemoryBackend("mailtrap", keep=1)]
MAILER = Mailer(dict(zip(BACKENDS, [60, 40], strict=True)))
BASE = "random.choices + tenacity.Retrying"


def bare(number: int) -> None:
    """The backend alone: what nobody can go below."""
    for _ in range(number):
        BACKENDS[0].send(MESSAGE, ENVELOPE, timeout=30)


def by_hand(number: int) -> None:
    """What people assemble: a random pick, and tenacity's loop around the call."""
    for _ in range(number):
        retrying = Retrying(
            stop=stop_after_attempt(5),
            wait=wait_random_exponential(multiplier=0.5, max=20),
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        backend = random.choices(BACKENDS, [60, 40])[0]
        retrying(backend.send, MESSAGE, ENVELOPE, timeout=30)


def send(number: int) -> None:
    """Router, plan and receipt, for a message that was checked before."""
    for _ in range(number):
        MAILER.send(MESSAGE)


def send_keywords(number: int) -> None:
    """The same, with the message built and checked each time."""
    for _ in range(number):
        MAILER.send(**FIELDS)


def asend(number: int) -> None:
    """The async driver, in one event loop."""

    async def loop() -> None:
        for _ in range(number):
            await MAILER.asend(MESSAGE)

    asyncio.run(loop())


def main() -> None:
    """Time a send over memory backends against what people assemble by hand."""
    cases = {
        "memory backend alone": bare,
        BASE: by_hand,
        "Mailer.send(message)": send,
        "Mailer.send(to=..., ...), checks included": send_keywords,
        "Mailer.asend(message)": asend,
    }
    show("Dispatch (CPU)", compare(cases, base=BASE, number=2000), base="by hand")
    print("\nAim: Mailer.send(message) at 20 us or less.")


if __name__ == "__main__":
    main()
