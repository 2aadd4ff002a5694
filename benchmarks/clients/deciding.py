"""Sends over memory backends: nothing but the deciding."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from clients.loops import loop_of, repeated
from mailbalance import Envelope, Mailer, MemoryBackend, Message, TransientError

FIELDS: dict[str, Any] = {
    "from_": "me@example.com",
    "to": "Ana <ana@example.com>",
    "subject": "Your receipt",
    "text": "Thank you for your order.",
}
WEIGHTS = (60, 40)


def _backends() -> list[MemoryBackend]:
    return [MemoryBackend("ses", keep=1), MemoryBackend("mailtrap", keep=1)]


def _mailer() -> Mailer:
    return Mailer(dict(zip(_backends(), WEIGHTS, strict=True)))


def bare() -> Callable[[int], None]:
    """Send by the backend alone: what nobody can go below."""
    message, backend = Message(**FIELDS), _backends()[0]
    envelope = Envelope.of(message)

    def run(number: int) -> None:
        for _ in range(number):
            backend.send(message, envelope, timeout=30)

    return run


def by_hand() -> Callable[[int], None]:
    """Send as people assemble it: a random pick, and tenacity's loop around the call."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
    from tenacity.wait import wait_random_exponential

    message, backends = Message(**FIELDS), _backends()
    envelope = Envelope.of(message)

    def run(number: int) -> None:
        for _ in range(number):
            retrying = Retrying(
                stop=stop_after_attempt(5),
                wait=wait_random_exponential(multiplier=0.5, max=20),
                retry=retry_if_exception_type(TransientError),
                reraise=True,
            )
            backend = random.choices(backends, WEIGHTS)[0]
            retrying(backend.send, message, envelope, timeout=30)

    return run


def send() -> Callable[[int], None]:
    """Send a message that was checked before."""
    message, mailer = Message(**FIELDS), _mailer()

    def run(number: int) -> None:
        for _ in range(number):
            mailer.send(message)

    return run


def send_fields() -> Callable[[int], None]:
    """Send one that is built and checked each time."""
    mailer = _mailer()

    def run(number: int) -> None:
        for _ in range(number):
            mailer.send(**FIELDS)

    return run


def asend() -> Callable[[int], None]:
    """Send a message that was checked before, in an event loop."""
    message, mailer = Message(**FIELDS), _mailer()
    return repeated(loop_of("asyncio"), lambda: mailer.asend(message), 1)
