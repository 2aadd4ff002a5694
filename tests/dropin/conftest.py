"""What the tests of the drop-in share: clients, mailers and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from mailbalance import Mailer, RetryPolicy
from mailbalance.delivery.retry import Timing
from mailbalance.sandbox import Sandbox

#: A call of ``sesv2`` SendEmail, one of ``ses`` SendEmail, and one of each bulk call.
V2: dict[str, Any] = {
    "FromEmailAddress": "Shop <shop@example.com>",
    "Destination": {"ToAddresses": ["ana@example.com"]},
    "Content": {
        "Simple": {
            "Subject": {"Data": "Your receipt"},
            "Body": {"Text": {"Data": "Thank you."}},
        }
    },
}
V1: dict[str, Any] = {
    "Source": "Shop <shop@example.com>",
    "Destination": {"ToAddresses": ["ana@example.com"]},
    "Message": {
        "Subject": {"Data": "Your receipt"},
        "Body": {"Text": {"Data": "Thank you."}},
    },
}

KEYS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}

#: A mailer's clock that never waits, so that tests of retries do not.
NO_WAITING = Timing(sleep=lambda _: None)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A local sandbox of its own for each test."""
    with Sandbox() as started:
        yield started


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One session for all plain clients: the first client of each costs 100 ms."""
    return boto3.Session()


@pytest.fixture
def at_box(box: Sandbox, session: boto3.Session) -> Callable[..., Any]:
    """Makes plain ``sesv2`` clients of the local sandbox's SES door."""
    keys = box.credentials

    def make(**more: Any) -> Any:
        return session.client(
            "sesv2",
            region_name=keys.region,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            endpoint_url=box.urls()["ses"],
            **more,
        )

    return make


@pytest.fixture
def mailer_of(box: Sandbox) -> Iterator[Callable[..., Mailer]]:
    """Makes mailers for the local sandbox that never wait between tries."""
    made: list[Mailer] = []

    def make(split: str = "ses=60,mailtrap=40", **more: Any) -> Mailer:
        mailer = Mailer.from_env(box.environ(split))
        mailer.timing = NO_WAITING
        mailer.policy = RetryPolicy(**more) if more else mailer.policy
        made.append(mailer)
        return mailer

    yield make
    for mailer in made:
        mailer.close()


def ses_mailer(*weights: str, **more: Any) -> Mailer:
    """Make a mailer whose only working side is SES's stand-in."""
    from mailbalance import SesBackend

    ses = SesBackend(region="eu-west-1", access_key="key", secret_key="secret")
    return Mailer({ses: 100}, timing=NO_WAITING, **more)
