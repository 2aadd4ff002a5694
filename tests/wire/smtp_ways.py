"""A wire driven from a thread or from an event loop, so that one test serves both."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import pytest

from mailbalance.wire.smtp import Accepted, Mail, SmtpWire
from tests.wire.smtp_peer import SmtpPeer

How = Literal["sync", "async"]
HOWS = ("sync", "async")
MAIL = Mail("a@x.com", ("b@x.com",), b"Subject: x\n\nhello")


def send(
    how: How, wire: SmtpWire, *mails: Mail, timeout: float = 5
) -> list[Accepted | Exception]:
    """Send one after the other, give what came of each, and close."""
    if how == "sync":
        results = [_attempt(wire, mail, timeout) for mail in mails]
        wire.close()
        return results

    async def run() -> list[Accepted | Exception]:
        try:
            return [await _aattempt(wire, mail, timeout) for mail in mails]
        finally:
            await wire.aclose()

    return asyncio.run(run())


Reached = TypeVar("Reached")


def in_enough_time(
    attempt: Callable[[float], Reached], far_enough: Callable[[Reached], bool]
) -> Reached:
    """Try with little time; with more, when a busy machine did not come far enough."""
    for timeout in (0.4, 2.0):
        found = attempt(timeout)
        if far_enough(found):
            return found
    return attempt(10.0)


def _attempt(wire: SmtpWire, mail: Mail, timeout: float) -> Accepted | Exception:
    try:
        return wire.send(mail, timeout=timeout)
    except Exception as error:  # noqa: BLE001 - whatever escapes is for the test to see
        return error


async def _aattempt(wire: SmtpWire, mail: Mail, timeout: float) -> Accepted | Exception:
    try:
        return await wire.asend(mail, timeout=timeout)
    except Exception as error:  # noqa: BLE001 - whatever escapes is for the test to see
        return error


def fail(how: How, peer: SmtpPeer, mail: Mail = MAIL, **other: Any) -> Any:
    """Send one message that is not accepted, and give the error."""
    timeout = other.pop("timeout", 5)
    wire = SmtpWire(peer.server(**other), backend="peer")
    (error,) = send(how, wire, mail, timeout=timeout)
    if isinstance(error, Accepted):
        pytest.fail("it was accepted")
    return error
